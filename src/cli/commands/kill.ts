import { command } from "../command.ts";
import { forEachName } from "../each.ts";

/** `berth kill`. */
export default command({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Kill one or more running containers",
  args: [1, Number.POSITIVE_INFINITY],
  flags: { signal: { kind: "string", short: "s", help: "Signal to send, SIGKILL without this" } },
  run(ctx, { flags, args }) {
    return forEachName(ctx, args, (id) => ctx.engine.containers.kill(id, { signal: flags.signal || undefined }));
  },
});
