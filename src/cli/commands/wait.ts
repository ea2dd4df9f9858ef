import { command } from "../command.ts";
import { forEachName } from "../each.ts";

/** `berth wait`: prints the exit codes. */
export default command({
  usage: "CONTAINER [CONTAINER...]",
  summary: "Block until one or more containers stop, then print their exit codes",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {},
  run(ctx, { args }) {
    return forEachName(ctx, args, async (id) => {
      const { answer } = await ctx.engine.containers.wait(id, "not-running");
      return String((await answer).StatusCode);
    });
  },
});
