import { command } from "../command.ts";
import { showProgress } from "../progress.ts";

/** `berth bootstrap debian:bookworm`: a base image straight from the distribution's signed mirror, without any registry. */
export default command({
  usage: "[OPTIONS] DISTRIBUTION:SUITE",
  summary: "Make a base image from a distribution's signed package mirror",
  args: [1, 1],
  flags: {
    include: { kind: "list", help: "Install this package too; commas separate several" },
    mirror: { kind: "string", help: "Take the packages from this mirror" },
    quiet: { kind: "bool", short: "q", help: "Do not show progress" },
  },
  async run(ctx, { flags, args: [reference = ""] }) {
    const query = { reference, mirror: flags.mirror || undefined, include: flags.include.join(",") || undefined };
    await showProgress(ctx, ctx.engine.images.bootstrap(query), { quiet: flags.quiet });
    return 0;
  },
});
