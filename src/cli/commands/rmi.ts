import { isKind } from "../../spec/errors.ts";
import { command } from "../command.ts";
import { errorLine } from "../each.ts";

/** `berth rmi`; with `-f` an image that is not there is no error. */
export default command({
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  summary: "Remove one or more images",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    force: { kind: "bool", short: "f", help: "Remove it from under stopped containers too" },
    "no-prune": { kind: "bool", help: "Keep untagged parents" },
    platform: {
      since: 50,
      kind: "list",
      type: "strings",
      help: "Remove it only if it is of this platform",
      hidden: true,
    },
  },
  async run(ctx, { flags, args }) {
    let failed = false;
    for (const name of args) {
      try {
        const removed = await ctx.engine.images.remove(name, {
          force: flags.force,
          noprune: flags["no-prune"],
          platforms: flags.platform,
        });
        for (const item of removed)
          ctx.io.out(item.Deleted ? `Deleted: ${item.Deleted}\n` : `Untagged: ${item.Untagged}\n`);
      } catch (error) {
        if (!(flags.force && isKind(error, "not-found"))) failed = true;
        ctx.io.err(`${errorLine(error)}\n`);
      }
    }
    return failed ? 1 : 0;
  },
});
