import { command } from "../command.ts";
import { parseFilters } from "../filters.ts";
import { printListing } from "../format/listing.ts";
import { naturalOrder } from "../format/natural.ts";
import { VOLUME_LISTING } from "../format/volumes.ts";
import { formatOr } from "../hosts/preferences.ts";

/** `berth volume ls`. */
export default command({
  usage: "[OPTIONS]",
  summary: "List volumes",
  args: [0, 0],
  flags: {
    cluster: { since: 42, kind: "bool", help: "Not supported", hidden: true },
    filter: { kind: "list", short: "f", type: "filter", help: "Show only what matches, such as dangling=true" },
    format: { kind: "string", help: "'table', 'table TEMPLATE', 'json', or a Go template for each line" },
    quiet: { kind: "bool", short: "q", help: "Only show names" },
  },
  async run(ctx, { flags }) {
    const format = formatOr(ctx, "volumesFormat", flags);
    const { Volumes, Warnings } = await ctx.engine.volumes.list(parseFilters(flags.filter));
    const sorted = [...(Volumes ?? [])].sort((a, b) => naturalOrder(a.Name, b.Name));
    await printListing(ctx, VOLUME_LISTING, sorted, { format, quiet: flags.quiet ? "Name" : undefined });
    if (!flags.quiet && format === "") for (const text of Warnings ?? []) ctx.io.err(`WARNING: ${text}\n`);
    return 0;
  },
});
