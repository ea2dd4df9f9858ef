import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { ExitError } from "../exit.ts";
import { parseFilters } from "../filters.ts";
import { imageTree } from "../format/image-tree.ts";
import { imageLines, imageListing } from "../format/images.ts";
import { printListing } from "../format/listing.ts";
import { formatOr } from "../hosts/preferences.ts";

/** `berth images [REPOSITORY[:TAG]]`. */
export default command({
  usage: "[OPTIONS] [REPOSITORY[:TAG]]",
  summary: "List images",
  args: [0, 1],
  flags: {
    all: { kind: "bool", short: "a", help: "Show intermediate images too" },
    digests: { kind: "bool", help: "Show digests" },
    filter: { kind: "list", short: "f", type: "filter", help: "Show only what matches, such as dangling=true" },
    format: { kind: "string", help: "'table', 'table TEMPLATE', 'json', or a Go template for each line" },
    "no-trunc": { kind: "bool", help: "Show ids in full" },
    quiet: { kind: "bool", short: "q", help: "Only show image ids" },
    tree: { since: 47, kind: "bool", help: "Show an image under all its names, with its platforms", hidden: true },
  },
  async run(ctx, { flags, args: [reference] }) {
    const format = formatOr(ctx, "imagesFormat", flags);
    const filters = parseFilters(flags.filter);
    if (reference) (filters["reference"] ??= []).push(reference);
    if (flags.tree) return showTree(ctx, { ...flags, filters });
    const images = await ctx.engine.images.list({ all: flags.all, filters });
    const wantsDigest = flags.digests || /\{\{[^}]*\.Digest\b/.test(format);
    const listing = imageListing({ truncate: !flags["no-trunc"], digests: flags.digests });
    const quiet = flags.quiet ? "ID" : undefined;
    await printListing(ctx, listing, imageLines(images, wantsDigest), { format, quiet });
    return 0;
  },
});

async function showTree(
  ctx: Context,
  flags: {
    all: boolean;
    quiet: boolean;
    digests: boolean;
    "no-trunc": boolean;
    format: string;
    filters: Record<string, string[]>;
  },
): Promise<number> {
  const refused = [
    flags.quiet && "quiet",
    flags["no-trunc"] && "no-trunc",
    flags.digests && "show-digest",
    flags.format !== "" && "format",
  ].find(Boolean);
  if (refused) throw new ExitError(1, `--${refused} is not yet supported with --tree`);
  const images = await ctx.engine.images.list({ all: flags.all, filters: flags.filters, manifests: true });
  const shown = flags.all ? images : images.filter((image) => (image.RepoTags ?? []).length > 0);
  ctx.io.out(imageTree([...shown].sort((a, b) => b.Created - a.Created)));
  return 0;
}
