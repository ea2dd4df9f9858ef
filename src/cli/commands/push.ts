import { familiarName, parseReference } from "../../spec/reference.ts";
import { command } from "../command.ts";
import { registryAuth } from "../credentials/credentials.ts";
import { showProgress } from "../progress.ts";

/** `berth push`. */
export default command({
  usage: "[OPTIONS] NAME[:TAG]",
  summary: "Upload an image to a registry",
  args: [1, 1],
  flags: {
    "all-tags": { kind: "bool", short: "a", help: "Push all tags of the repository" },
    "disable-content-trust": { kind: "bool", help: "Taken for compatibility", fallback: true },
    platform: { since: 46, kind: "string", help: "Push only this platform" },
    quiet: { kind: "bool", short: "q", help: "Do not show progress" },
  },
  async run(ctx, { flags, args: [name = ""] }) {
    const ref = parseReference(name);
    const tag = flags["all-tags"] ? undefined : (ref.tag ?? "latest");
    if (!flags["all-tags"] && !ref.tag && !flags.quiet) ctx.io.out("Using default tag: latest\n");
    const lines = ctx.engine.images.push(familiarName(ref), { tag, auth: await registryAuth(ctx, ref.domain) });
    await showProgress(ctx, lines, { quiet: flags.quiet });
    return 0;
  },
});
