import { command } from "../command.ts";
import { writeOutput } from "../files.ts";

/** `berth save`: images as one archive, to a file or standard output. */
export default command({
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  summary: "Save one or more images to a tar archive (streamed to STDOUT by default)",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    output: { kind: "string", short: "o", help: "Write to this file instead of standard output" },
    platform: { since: 48, kind: "list", type: "string", help: "Save only this platform" },
  },
  async run(ctx, { flags, args }) {
    await writeOutput(ctx, { path: flags.output, task: "save image" }, () =>
      ctx.engine.images.save(args, { platform: flags.platform.at(-1) }),
    );
    return 0;
  },
});
