import { command } from "../command.ts";
import { printInspected } from "../inspect-output.ts";

/** `berth container inspect`. */
export default command({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Display detailed information on one or more containers",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    format: { kind: "string", short: "f", help: "'json', or a Go template for each object" },
    size: { kind: "bool", short: "s", help: "Show sizes on disk" },
  },
  run(ctx, { flags, args }) {
    return printInspected(ctx, args, {
      format: flags.format,
      fetch: (name) => ctx.engine.containers.inspect(name, { size: flags.size }),
    });
  },
});
