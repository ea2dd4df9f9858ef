import { isKind } from "../../spec/errors.ts";
import { command } from "../command.ts";
import { forEachName } from "../each.ts";

/** `berth volume rm`. */
export default command({
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  summary: "Remove one or more volumes",
  args: [1, Number.POSITIVE_INFINITY],
  flags: { force: { since: 25, kind: "bool", short: "f", help: "A volume that is not there is no error" } },
  run(ctx, { flags, args }) {
    return forEachName(ctx, args, async (name) => {
      await ctx.engine.volumes.remove(name, { force: flags.force }).catch((error: unknown) => {
        if (!(flags.force && isKind(error, "not-found"))) throw error;
      });
    });
  },
});
