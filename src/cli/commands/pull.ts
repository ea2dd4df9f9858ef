import { parseReference } from "../../spec/reference.ts";
import { command } from "../command.ts";
import { pullImage } from "../pull.ts";

/** `berth pull`. */
export default command({
  usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
  summary: "Download an image from a registry",
  args: [1, 1],
  flags: {
    "all-tags": { kind: "bool", short: "a", help: "Download all tags of the repository" },
    "disable-content-trust": {
      kind: "bool",
      help: "Taken for compatibility; digests are always verified",
      fallback: true,
    },
    platform: { since: 32, kind: "string", help: "Platform of the image" },
    quiet: { kind: "bool", short: "q", help: "Do not show progress" },
  },
  async run(ctx, { flags, args: [name = ""] }) {
    parseReference(name);
    if (!flags.quiet && !/[:@]/.test(name.slice(name.lastIndexOf("/") + 1)) && !flags["all-tags"]) {
      ctx.io.out("Using default tag: latest\n");
    }
    const { platform, quiet } = flags;
    const full = await pullImage(ctx, name, { platform, quiet, allTags: flags["all-tags"] });
    ctx.io.out(`${full}\n`);
    return 0;
  },
});
