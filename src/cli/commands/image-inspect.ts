import { command } from "../command.ts";
import { printInspected } from "../inspect-output.ts";

/** `berth image inspect`. */
export default command({
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  summary: "Display detailed information on one or more images",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    format: { kind: "string", short: "f", help: "'json', or a Go template for each object" },
    platform: { since: 49, kind: "string", help: "Inspect this platform of the image" },
  },
  run(ctx, { flags, args }) {
    const platform = flags.platform || undefined;
    return printInspected(ctx, args, {
      format: flags.format,
      fetch: (name) => ctx.engine.images.inspect(name, { platform }),
    });
  },
});
