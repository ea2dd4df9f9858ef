import { command } from "../command.ts";
import { registryAuth, resolutionOf } from "../credentials/credentials.ts";
import { parseFilters } from "../filters.ts";
import { printListing } from "../format/listing.ts";
import { searchListing } from "../format/search.ts";

/** `berth search`: the registry's own search, by way of the engine. */
export default command({
  usage: "[OPTIONS] TERM",
  summary: "Search Docker Hub for images",
  args: [1, 1],
  flags: {
    filter: { kind: "list", short: "f", type: "filter", help: "Show only what matches, such as is-official=true" },
    format: { kind: "string", help: "'table', 'table TEMPLATE', 'json', or a Go template for each line" },
    limit: { kind: "int", help: "How many results at most" },
    "no-trunc": { kind: "bool", help: "Show descriptions in full" },
  },
  async run(ctx, { flags, args: [term = ""] }) {
    const host = registryOf(term);
    const { defaultRegistry } = await resolutionOf(ctx, host);
    const auth = await registryAuth(ctx, defaultRegistry?.split("/")[0] ?? host);
    const limit = flags.limit === 0 ? undefined : flags.limit;
    const found = await ctx.engine.images.search(term, { limit, filters: parseFilters(flags.filter), auth });
    const best = [...(found ?? [])].sort((a, b) => (b.star_count ?? 0) - (a.star_count ?? 0));
    await printListing(ctx, searchListing(!flags["no-trunc"]), best, { format: flags.format });
    return 0;
  },
});

/** The registry in front of a term: `host/name`, where the host has a dot, a port, or is localhost. */
function registryOf(term: string): string {
  const slash = term.indexOf("/");
  const host = slash < 0 ? "" : term.slice(0, slash);
  return /[.:]/.test(host) || host === "localhost" ? host : "docker.io";
}
