import type { Volume } from "../../spec/engine-api.ts";
import { command } from "../command.ts";
import { parseFilters } from "../filters.ts";
import { type Listing, printListing } from "../format/listing.ts";
import { humanSizeShort } from "../format/units.ts";
import { Row } from "../template/values.ts";

/** `berth volume ls`. */
export default command({
  usage: "[OPTIONS]",
  summary: "List volumes",
  args: [0, 0],
  flags: {
    cluster: { kind: "bool", help: "Not supported", hidden: true },
    filter: { kind: "list", short: "f", type: "filter", help: "Show only what matches, such as dangling=true" },
    format: { kind: "string", help: "'table', 'table TEMPLATE', 'json', or a Go template for each line" },
    quiet: { kind: "bool", short: "q", help: "Only show names" },
  },
  async run(ctx, { flags }) {
    const { Volumes } = await ctx.engine.volumes.list(parseFilters(flags.filter));
    const sorted = [...(Volumes ?? [])].sort((a, b) => (a.Name < b.Name ? -1 : 1));
    await printListing(ctx, LISTING, sorted, { format: flags.format, quiet: flags.quiet ? "Name" : undefined });
    return 0;
  },
});

const LISTING: Listing<Volume> = {
  titles: {
    Driver: "DRIVER",
    Name: "VOLUME NAME",
    Mountpoint: "MOUNTPOINT",
    Scope: "SCOPE",
    Labels: "LABELS",
    Links: "LINKS",
    Size: "SIZE",
    Availability: "AVAILABILITY",
    Group: "GROUP",
    Status: "STATUS",
  },
  columns: ["Driver", "Name"],
  row: (v) =>
    new Row({
      Availability: "N/A",
      Driver: v.Driver,
      Group: "N/A",
      Label: (name: unknown) => v.Labels?.[String(name)] ?? "",
      Labels: Object.entries(v.Labels ?? {})
        .map(([k, x]) => `${k}=${x}`)
        .sort()
        .join(","),
      Links: v.UsageData ? String(v.UsageData.RefCount) : "N/A",
      Mountpoint: v.Mountpoint,
      Name: v.Name,
      Scope: v.Scope,
      Size: v.UsageData ? humanSizeShort(v.UsageData.Size) : "N/A",
      Status: "N/A",
    }),
};
