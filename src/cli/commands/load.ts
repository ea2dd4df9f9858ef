import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { openInput } from "../files.ts";
import { showProgress } from "../progress.ts";

/** `berth load`: docker-archive or OCI archive, compressed or not. */
export default command({
  usage: "[OPTIONS]",
  summary: "Load an image from a tar archive or STDIN",
  args: [0, 0],
  flags: {
    input: { kind: "string", short: "i", help: "Read this file instead of standard input" },
    platform: { since: 48, kind: "list", type: "string", help: "Load only this platform" },
    quiet: { kind: "bool", short: "q", help: "Do not show progress" },
  },
  async run(ctx, { flags }) {
    if (flags.input === "" && ctx.io.stdinIsTerminal()) {
      throw new ExitError(1, "requested load from stdin, but stdin is empty");
    }
    const archive = openInput(ctx, flags.input || "-");
    const quiet = flags.quiet || !ctx.io.stdoutIsTerminal();
    await showProgress(ctx, ctx.engine.images.load(archive, { quiet, platform: flags.platform.at(-1) }));
    return 0;
  },
});
