import { isKind } from "../../spec/errors.ts";
import { command } from "../command.ts";
import { forEachName } from "../each.ts";

/** `berth rm`; with `-f` a container that is not there is told, but does not count as a failure. */
export default command({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Remove one or more containers",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    force: { kind: "bool", short: "f", help: "Kill it first if it runs" },
    link: { kind: "bool", short: "l", help: "Remove the link, not the container" },
    volumes: { kind: "bool", short: "v", help: "Remove its anonymous volumes too" },
  },
  async run(ctx, { flags, args }) {
    const query = { force: flags.force, link: flags.link, v: flags.volumes };
    let failed = false;
    await forEachName(ctx, args, async (id) => {
      try {
        await ctx.engine.containers.remove(id.replace(/^\/+|\/+$/g, ""), query);
      } catch (error) {
        if (!flags.force || !isKind(error, "not-found")) failed = true;
        throw error;
      }
    });
    return failed ? 1 : 0;
  },
});
