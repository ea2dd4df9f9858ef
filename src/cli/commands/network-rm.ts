import { isKind } from "../../spec/errors.ts";
import { command } from "../command.ts";
import { errorLine } from "../each.ts";

/** `berth network rm`. */
export default command({
  usage: "NETWORK [NETWORK...]",
  summary: "Remove one or more networks",
  args: [1, Number.POSITIVE_INFINITY],
  flags: { force: { kind: "bool", short: "f", help: "A network that is not there is no error" } },
  /** One after the other, as docker does: an error ends none of the others. */
  async run(ctx, { flags, args }) {
    let code = 0;
    for (const name of args) {
      try {
        await ctx.engine.networks.remove(name);
        ctx.io.out(`${name}\n`);
      } catch (error) {
        if (flags.force && isKind(error, "not-found")) continue;
        ctx.io.err(`${errorLine(error)}\n`);
        code = 1;
      }
    }
    // Docker's own words, on a line of their own.
    if (code !== 0) ctx.io.err(`exit status ${code}\n`);
    return code;
  },
});
