import type { DiskUsage } from "../../client/system.ts";
import type { Context } from "../context.ts";
import { containerListing } from "./containers.ts";
import { imageLines, imageListing } from "./images.ts";
import { fieldText } from "./listing.ts";
import { alignTable } from "./table.ts";
import { shortId } from "./text.ts";
import { ago, unixOf } from "./time.ts";
import { humanSize } from "./units.ts";

/** `system df -v`: every image, container, volume and cache record. */
export async function printUsageDetails(ctx: Context, usage: DiskUsage): Promise<void> {
  const sections: [string, string[][]][] = [
    ["Images space usage:", imageTable(usage)],
    ["Containers space usage:", containerTable(usage)],
    ["Local Volumes space usage:", volumeTable(usage)],
    [`Build cache usage: ${humanSize(cacheSize(usage))}`, cacheTable(usage)],
  ];
  ctx.io.out(sections.map(([title, table]) => `${title}\n\n${alignTable(table)}`).join("\n"));
}

function imageTable({ Images }: DiskUsage): string[][] {
  const listing = imageListing({ truncate: true, digests: false });
  const fields = ["Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers"];
  const lines = imageLines(Images ?? [], false).map((line) => fields.map((f) => fieldText(listing.row(line), f)));
  return [fields.map((f) => listing.titles[f] ?? f), ...lines];
}

function containerTable({ Containers }: DiskUsage): string[][] {
  const listing = containerListing({ truncate: true, size: true });
  const fields = ["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"];
  const lines = (Containers ?? [])
    .map((c) => listing.row({ ...c, SizeRootFs: 0 }))
    .map((row) => fields.map((f) => fieldText(row, f)));
  return [fields.map((f) => listing.titles[f] ?? f), ...lines];
}

function volumeTable({ Volumes }: DiskUsage): string[][] {
  const lines = (Volumes ?? []).map((v) => [
    v.Name,
    String(v.UsageData?.RefCount ?? 0),
    humanSize(Math.max(0, v.UsageData?.Size ?? 0)),
  ]);
  return [["VOLUME NAME", "LINKS", "SIZE"], ...lines];
}

function cacheSize({ BuildCache }: DiskUsage): number {
  return (BuildCache ?? []).reduce((sum, r) => sum + (r.Shared ? 0 : (r.Size ?? 0)), 0);
}

function cacheTable({ BuildCache }: DiskUsage): string[][] {
  const lines = (BuildCache ?? []).map((r) => [
    shortId(r.ID ?? ""),
    r.Type ?? "",
    humanSize(r.Size ?? 0),
    ago(unixOf(r.CreatedAt)),
    r.LastUsedAt ? ago(unixOf(r.LastUsedAt)) : "",
    String(r.UsageCount ?? 0),
    String(r.Shared ?? false),
  ]);
  return [["CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED", "USAGE", "SHARED"], ...lines];
}
