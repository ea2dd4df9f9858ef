import { elementPattern } from "../../spec/gomatch.ts";
import { familiarName, parseReference, type Reference } from "../../spec/reference.ts";
import { command } from "../command.ts";
import type { Context, RemoteRepository } from "../context.ts";
import { ExitError } from "../exit.ts";
import { printListing } from "../format/listing.ts";
import { naturalOrder } from "../format/natural.ts";
import { type TagLine, tagListing } from "../format/tags.ts";
import { openRepository } from "../manifest/remote.ts";
import { byVersion, inRange } from "../remote/versions.ts";

const AT_ONCE = 6;

/** `berth tags`: what a registry has of a repository, without the engine. */
export default command({
  usage: "[OPTIONS] IMAGE",
  summary: "List the tags that a registry has of an image (Berth only)",
  args: [1, 1],
  flags: {
    digests: { kind: "bool", help: "Show digest, age and size too; asks for each tag" },
    filter: { kind: "list", short: "f", help: "Show only tags that match this glob, such as '1.2*'" },
    format: { kind: "string", help: "'table', 'table TEMPLATE', 'json', or a Go template for each line" },
    insecure: { kind: "bool", help: "Take any certificate, and plain HTTP" },
    json: { kind: "bool", help: "Same as --format json" },
    limit: { kind: "int", short: "n", help: "How many tags at most" },
    pre: { kind: "bool", help: "With --semver: take versions with a suffix too, such as 1.3-rc1 or 1.3-alpine" },
    quiet: { kind: "bool", short: "q", help: "Only show tags" },
    semver: { kind: "string", help: "Show only versions in this range, such as '>=1.2 <2' or '^1.4'" },
    sort: { kind: "string", help: "Order: 'semver' (the highest first) or 'name'", fallback: "semver" },
  },
  async run(ctx, { flags, given, args: [name = ""] }) {
    const ref = repositoryOf(name);
    const choose = chooser(flags, given.has("limit"));
    const format = flags.json ? "json" : flags.format;
    const repository = await openRepository(ctx, ref, { insecure: flags.insecure });
    const lines = choose(await repository.tags()).map((tag): TagLine => ({ repository: familiarName(ref), tag }));
    const depth = flags.digests ? "all" : flags.quiet ? "none" : depthOf(format);
    const listing = tagListing(flags);
    const quiet = flags.quiet ? "Tag" : undefined;
    await printListing(ctx, listing, await detailed(ctx, repository, { lines, depth }), { format, quiet });
    return 0;
  },
});

function repositoryOf(name: string): Reference {
  const ref = parseReference(name);
  if (!ref.tag && !ref.digest) return ref;
  throw new ExitError(1, `${name} names one image: give its repository, ${familiarName(ref)}, and '--filter TAG'`);
}

/** Checks what was asked for before anything is sent. */
function chooser(
  flags: { filter: string[]; semver: string; pre: boolean; sort: string; limit: number },
  limited: boolean,
): (tags: string[]) => string[] {
  if (flags.sort !== "semver" && flags.sort !== "name") {
    throw new ExitError(1, `invalid order "${flags.sort}": want semver or name`);
  }
  if (limited && flags.limit < 1) throw new ExitError(1, `invalid limit ${flags.limit}: want 1 or more`);
  if (flags.pre && flags.semver === "") throw new ExitError(1, "--pre is of use with --semver only");
  const patterns = flags.filter.map(elementPattern);
  const ranged = flags.semver === "" ? () => true : inRange(flags.semver, flags);
  return (tags) => {
    const chosen = tags.filter((tag) => ranged(tag) && (patterns.length === 0 || patterns.some((p) => p.test(tag))));
    const sorted = flags.sort === "name" ? chosen.sort(naturalOrder) : byVersion(chosen);
    return limited ? sorted.slice(0, flags.limit) : sorted;
  };
}

/** What a format needs of each tag: its name alone, its digest, or all. */
function depthOf(format: string): "none" | "digest" | "all" {
  if (/\{\{[^}]*\.(Created|Size)/.test(format)) return "all";
  return /\{\{[^}]*\.Digest\b/.test(format) ? "digest" : "none";
}

/** Some at once; a tag that has gone since it was listed is left out. The first error ends it. */
async function detailed(
  ctx: Context,
  repository: RemoteRepository,
  { lines, depth }: { lines: TagLine[]; depth: "none" | "digest" | "all" },
): Promise<TagLine[]> {
  if (depth === "none") return lines;
  const { describeRemote } = await ctx.remote();
  const done: (TagLine | undefined)[] = [];
  const queue = lines.entries();
  const worker = async (): Promise<void> => {
    for (const [at, line] of queue) {
      const known = await repository.headManifest(line.tag);
      if (known) done[at] = { ...line, ...(depth === "all" ? await describeRemote(repository, known.digest) : known) };
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return done.filter((line) => line !== undefined);
}
