import { command } from "../command.ts";
import { parseFilters } from "../filters.ts";
import { containerListing } from "../format/containers.ts";
import { checkFormat, printListing } from "../format/listing.ts";
import { formatOr } from "../hosts/preferences.ts";

const FORMAT_HELP = "'table', 'table TEMPLATE', 'json', or a Go template for each line";

/** `berth ps`. */
export default command({
  usage: "[OPTIONS]",
  summary: "List containers",
  args: [0, 0],
  flags: {
    all: { kind: "bool", short: "a", help: "Show all containers, not only running ones" },
    filter: { kind: "list", short: "f", type: "filter", help: "Show only what matches, such as status=exited" },
    format: { kind: "string", help: FORMAT_HELP },
    last: { kind: "int", short: "n", help: "Show the N containers created last, in any state", fallback: -1 },
    latest: { kind: "bool", short: "l", help: "Show the container created last, in any state" },
    "no-trunc": { kind: "bool", help: "Show ids, commands and names in full" },
    quiet: { kind: "bool", short: "q", help: "Only show container ids" },
    size: { kind: "bool", short: "s", help: "Show sizes on disk" },
  },
  async run(ctx, { flags }) {
    const format = formatOr(ctx, "psFormat", flags);
    const limit = flags.latest && flags.last === -1 ? 1 : flags.last;
    const size = flags.size || /\{\{[^}]*(\.Size\b|json \.\s*\}\})/.test(format);
    const listing = containerListing({ truncate: !flags["no-trunc"], size: flags.size });
    await checkFormat(listing, format, {});
    if (flags.quiet && flags.format !== "")
      ctx.io.err("WARNING: Ignoring custom format, because both --format and --quiet are set.\n");
    const warnings: string[] = [];
    const wanted = { all: flags.all, size, ...(limit > 0 ? { limit } : {}), filters: parseFilters(flags.filter) };
    const containers = await ctx.engine.containers.list(wanted, (text) => warnings.push(text));
    if (!flags.quiet) await printListing(ctx, listing, containers, { format });
    else await printListing(ctx, listing, containers, { format: flags.format === "raw" ? "raw" : "", quiet: "ID" });
    // A table is for persons; what programs read stays alone.
    if (!flags.quiet && format === "") for (const text of warnings) ctx.io.err(`WARNING: ${text}\n`);
    return 0;
  },
});
