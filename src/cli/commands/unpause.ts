import { command } from "../command.ts";
import { forEachName } from "../each.ts";

/** `berth unpause`. */
export default command({
  usage: "CONTAINER [CONTAINER...]",
  summary: "Unpause all processes within one or more containers",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {},
  run(ctx, { args }) {
    return forEachName(ctx, args, (id) => ctx.engine.containers.unpause(id));
  },
});
