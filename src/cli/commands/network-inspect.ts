import { command } from "../command.ts";
import { printInspected } from "../inspect-output.ts";

/** `berth network inspect`. */
export default command({
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  summary: "Display detailed information on one or more networks",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    format: { kind: "string", short: "f", help: "'json', or a Go template for each object" },
    verbose: { kind: "bool", short: "v", help: "Verbose output for diagnostics" },
  },
  run(ctx, { flags, args }) {
    return printInspected(ctx, args, {
      format: flags.format,
      fetch: (name) => ctx.engine.networks.inspect(name, { verbose: flags.verbose }),
    });
  },
});
