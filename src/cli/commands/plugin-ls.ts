import { command } from "../command.ts";
import { parseFilters } from "../filters.ts";
import { printListing } from "../format/listing.ts";
import { naturalOrder } from "../format/natural.ts";
import { pluginListing } from "../format/plugins.ts";
import { formatOr } from "../hosts/preferences.ts";

/** `berth plugin ls`. */
export default command({
  usage: "[OPTIONS]",
  summary: "List plugins",
  since: 25,
  args: [0, 0],
  flags: {
    filter: { kind: "list", short: "f", type: "filter", help: "Show only what matches, such as enabled=true" },
    format: { kind: "string", help: "'table', 'table TEMPLATE', 'json', or a Go template for each line" },
    "no-trunc": { kind: "bool", help: "Show ids and descriptions in full" },
    quiet: { kind: "bool", short: "q", help: "Only show plugin ids" },
  },
  async run(ctx, { flags }) {
    const format = formatOr(ctx, "pluginsFormat", flags);
    const plugins = (await ctx.engine.plugins.list(parseFilters(flags.filter))) ?? [];
    const sorted = [...plugins].sort((a, b) => naturalOrder(a.Name, b.Name));
    const listing = pluginListing(!flags["no-trunc"]);
    await printListing(ctx, listing, sorted, { format, quiet: flags.quiet ? "ID" : undefined });
    return 0;
  },
});
