import { familiarName, parseReference } from "../../spec/reference.ts";
import { command } from "../command.ts";
import { imageAuth } from "../credentials/credentials.ts";
import { showProgress } from "../progress.ts";

/** What docker's command line says of `--platform`. */
const ONE_PLATFORM = `
 Info -> Using --platform pushes only the specified platform manifest of a multi-platform image index.
         Other components, like attestations, will not be included.
         To push the complete multi-platform image, remove the --platform flag.
         
`;

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
    if (flags.platform) ctx.io.out(ONE_PLATFORM);
    if (!flags["all-tags"] && !ref.tag && !flags.quiet) ctx.io.out("Using default tag: latest\n");
    const platform = flags.platform || undefined;
    const auth = await imageAuth(ctx, ref);
    const lines = ctx.engine.images.push(familiarName(ref), { tag, platform, auth });
    await showProgress(ctx, lines, { quiet: flags.quiet });
    if (flags.quiet) ctx.io.out(`${ref.domain}/${ref.path}${tag ? `:${tag}` : ""}\n`);
    return 0;
  },
});
