import { command } from "../command.ts";
import { printInspected } from "../inspect-output.ts";

/** `berth volume inspect`. */
export default command({
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  summary: "Display detailed information on one or more volumes",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    format: { kind: "string", short: "f", help: "'json', or a Go template for each object" },
  },
  run(ctx, { flags, args }) {
    const fetch = (name: string): Promise<unknown> => ctx.engine.volumes.inspect(name);
    return printInspected(ctx, args, { format: flags.format, fetch, structOnly: true });
  },
});
