import { command } from "../command.ts";
import { forEachName } from "../each.ts";

/** `berth plugin rm`. */
export default command({
  usage: "[OPTIONS] PLUGIN [PLUGIN...]",
  summary: "Remove one or more plugins",
  since: 25,
  args: [1, Number.POSITIVE_INFINITY],
  flags: { force: { kind: "bool", short: "f", help: "Remove it though it is enabled" } },
  run(ctx, { flags, args }) {
    return forEachName(ctx, args, (name) => ctx.engine.plugins.remove(name, flags.force));
  },
});
