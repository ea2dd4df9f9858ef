import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { BerthError, errnoOf } from "../../spec/errors.ts";
import { command } from "../command.ts";
import { showProgress } from "../progress.ts";

/** `berth bootstrap debian:bookworm`: a base image straight from the distribution's signed mirror, without any registry. */
export default command({
  usage: "[OPTIONS] NAME[:TAG]",
  summary: "Make a base image without a registry, as from a distribution's mirror",
  args: [1, 1],
  flags: {
    from: { kind: "string", help: "What to make, as in alpine:3.20, under another name" },
    include: { kind: "list", help: "Install this package too; commas separate several" },
    key: { kind: "list", help: "Trust the public key in this file, and no other" },
    mirror: { kind: "string", help: "Take the packages from this mirror (http, https or file URL)" },
    quiet: { kind: "bool", short: "q", help: "Do not show progress" },
  },
  async run(ctx, { flags, args: [reference = ""] }) {
    const query = {
      reference,
      from: flags.from || undefined,
      mirror: flags.mirror || undefined,
      include: flags.include.join(",") || undefined,
    };
    const keys = await Promise.all(flags.key.map(readKey));
    await showProgress(ctx, ctx.engine.images.bootstrap(query, keys), { quiet: flags.quiet });
    return 0;
  },
});

async function readKey(path: string): Promise<{ name: string; data: string }> {
  const data = await readFile(path, "base64").catch((error: unknown) => {
    const why = errnoOf(error) === "ENOENT" ? "no such file or directory" : (errnoOf(error) ?? "cannot be read");
    throw new BerthError("invalid-argument", `open ${path}: ${why}`);
  });
  return { name: basename(path), data };
}
