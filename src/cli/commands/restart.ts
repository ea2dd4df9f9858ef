import { command } from "../command.ts";
import { forEachName } from "../each.ts";

/** `berth restart`. */
export default command({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Restart one or more containers",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    signal: { kind: "string", short: "s", help: "Signal to send" },
    time: { kind: "int", help: "Seconds to wait before killing it", deprecated: "use --timeout instead" },
    timeout: { kind: "int", short: "t", help: "Seconds to wait before killing it" },
  },
  run(ctx, { flags, given, args }) {
    const t = given.has("timeout") ? flags.timeout : given.has("time") ? flags.time : undefined;
    return forEachName(ctx, args, (id) => ctx.engine.containers.restart(id, { signal: flags.signal || undefined, t }));
  },
});
