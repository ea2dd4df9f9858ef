import { command } from "../command.ts";
import { printInspected } from "../inspect-output.ts";

/** `berth plugin inspect`. */
export default command({
  usage: "[OPTIONS] PLUGIN [PLUGIN...]",
  summary: "Display detailed information on one or more plugins",
  since: 25,
  args: [1, Number.POSITIVE_INFINITY],
  flags: { format: { kind: "string", short: "f", help: "'json', or a Go template for each object" } },
  run(ctx, { flags, args }) {
    return printInspected(ctx, args, { format: flags.format, fetch: (name) => ctx.engine.plugins.inspect(name) });
  },
});
