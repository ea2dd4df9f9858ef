import { familiarName, parseReference } from "../../spec/reference.ts";
import { command } from "../command.ts";
import { printLine } from "../context.ts";
import { ExitError } from "../exit.ts";

/** `berth commit CONTAINER [REPOSITORY[:TAG]]`. */
export default command({
  usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
  summary: "Create a new image from a container's changes",
  args: [1, 2],
  flags: {
    author: { kind: "string", short: "a", help: "Who made it" },
    change: { kind: "list", short: "c", help: "Apply a Dockerfile instruction to the image" },
    message: { kind: "string", short: "m", help: "What was done" },
    pause: { kind: "bool", short: "p", help: "Pause the container meanwhile", fallback: true },
  },
  async run(ctx, { flags, args: [container = "", target] }) {
    if (container === "") throw new ExitError(1, "invalid container name or ID: value is empty");
    const ref = target === undefined ? undefined : parseReference(target);
    const { Id } = await ctx.engine.images.commit({
      container,
      repo: ref ? familiarName(ref) : undefined,
      tag: ref?.tag,
      author: flags.author || undefined,
      comment: flags.message || undefined,
      changes: flags.change,
      pause: flags.pause ? undefined : "0",
    });
    printLine(ctx, Id ?? "");
    return 0;
  },
});
