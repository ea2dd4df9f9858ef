import { command } from "../command.ts";
import { parseFilters } from "../filters.ts";
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
    tree: { kind: "bool", help: "Not supported", hidden: true },
  },
  async run(ctx, { flags, args: [reference] }) {
    const format = formatOr(ctx, "imagesFormat", flags);
    const filters = parseFilters(flags.filter);
    if (reference) (filters["reference"] ??= []).push(reference);
    const images = await ctx.engine.images.list({ all: flags.all, filters });
    const wantsDigest = flags.digests || /\{\{[^}]*\.Digest\b/.test(format);
    const listing = imageListing({ truncate: !flags["no-trunc"], digests: flags.digests });
    const quiet = flags.quiet ? "ID" : undefined;
    await printListing(ctx, listing, imageLines(images, wantsDigest), { format, quiet });
    return 0;
  },
});
