import type { Reference } from "../../spec/reference.ts";
import { command } from "../command.ts";
import { type Context, printLine } from "../context.ts";
import { indexOf } from "../manifest/index-bytes.ts";
import { ManifestLists, type Member, noSuchManifest } from "../manifest/lists.ts";
import { parseName } from "../manifest/names.ts";
import { fetchManifest } from "../manifest/remote.ts";

/** `berth manifest inspect`: an image or a list, of a registry or of those that are being put together. */
export default command({
  usage: "[OPTIONS] [MANIFEST_LIST] MANIFEST",
  summary: "Display an image manifest, or manifest list",
  args: [1, 2],
  flags: {
    insecure: { kind: "bool", help: "Take any certificate, and plain HTTP" },
    verbose: { kind: "bool", short: "v", help: "Show layers and platform too" },
  },
  async run(ctx, { flags, args }) {
    const [first = "", second] = args;
    const lists = new ManifestLists(ctx.config.dir);
    const ref = parseName(second ?? first);
    if (second !== undefined) {
      const member = lists.member(parseName(first), ref);
      if (!member) throw noSuchManifest(ref);
      printImage(ctx, member, flags.verbose);
      return 0;
    }
    const local = lists.get(ref);
    const found = local ? { list: local } : await fetchManifest(ctx, ref, { insecure: flags.insecure });
    if ("list" in found) printList(ctx, ref, { members: found.list, verbose: flags.verbose });
    else printImage(ctx, found.image, flags.verbose);
    return 0;
  },
});

function printImage(ctx: Context, member: Member, verbose: boolean): void {
  const shown: unknown = verbose ? member : JSON.parse(Buffer.from(member.Raw, "base64").toString());
  printLine(ctx, JSON.stringify(shown, null, "\t"));
}

function printList(ctx: Context, ref: Reference, of: { members: Member[]; verbose: boolean }): void {
  const text = of.verbose ? JSON.stringify(of.members, null, "\t") : indexOf(ref, of.members).bytes.toString();
  printLine(ctx, text);
}
