import type { Network } from "../../spec/engine-api.ts";
import { command } from "../command.ts";
import { parseFilters } from "../filters.ts";
import { type Listing, printListing } from "../format/listing.ts";
import { naturalOrder } from "../format/natural.ts";
import { shortId } from "../format/text.ts";
import { goTimeOf } from "../format/time.ts";
import { formatOr } from "../hosts/preferences.ts";
import { Row } from "../template/values.ts";

/** `berth network ls`. */
export default command({
  usage: "[OPTIONS]",
  summary: "List networks",
  args: [0, 0],
  flags: {
    filter: { kind: "list", short: "f", type: "filter", help: "Show only what matches, such as driver=bridge" },
    format: { kind: "string", help: "'table', 'table TEMPLATE', 'json', or a Go template for each line" },
    "no-trunc": { kind: "bool", help: "Show ids in full" },
    quiet: { kind: "bool", short: "q", help: "Only show network ids" },
  },
  async run(ctx, { flags }) {
    const format = formatOr(ctx, "networksFormat", flags);
    const networks = await ctx.engine.networks.list(parseFilters(flags.filter));
    const sorted = [...networks].sort((a, b) => naturalOrder(a.Name ?? "", b.Name ?? ""));
    const listing = networkListing(!flags["no-trunc"]);
    await printListing(ctx, listing, sorted, { format, quiet: flags.quiet ? "ID" : undefined });
    return 0;
  },
});

function networkListing(truncate: boolean): Listing<Network> {
  return {
    titles: {
      ID: "NETWORK ID",
      Name: "NAME",
      Driver: "DRIVER",
      Scope: "SCOPE",
      IPv4: "IPV4",
      IPv6: "IPV6",
      Internal: "INTERNAL",
      Labels: "LABELS",
      CreatedAt: "CREATED AT",
    },
    columns: ["ID", "Name", "Driver", "Scope"],
    raw: [
      ["network_id", "ID"],
      ["name", "Name"],
      ["driver", "Driver"],
      ["scope", "Scope"],
    ],
    row: (n) =>
      new Row(
        {
          CreatedAt: goTimeOf(n.Created),
          Driver: n.Driver ?? "",
          ID: truncate ? shortId(n.Id ?? "") : (n.Id ?? ""),
          IPv4: String(n.EnableIPv4 ?? true),
          IPv6: String(n.EnableIPv6 ?? false),
          Internal: String(n.Internal ?? false),
          Label: (name: unknown) => n.Labels?.[String(name)] ?? "",
          Labels: Object.entries(n.Labels ?? {})
            .map(([k, x]) => `${k}=${x}`)
            .sort()
            .join(","),
          Name: n.Name ?? "",
          Scope: n.Scope ?? "",
        },
        { type: "*network.networkContext" },
      ),
  };
}
