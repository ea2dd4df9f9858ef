import type { DiskUsage } from "../../client/system.ts";
import type { BuildCache } from "../../spec/engine-api.ts";
import type { Context } from "../context.ts";
import { Row } from "../template/values.ts";
import { containerListing } from "./containers.ts";
import { imageLines, imageListing } from "./images.ts";
import { fieldText, formatted, type Listing } from "./listing.ts";
import { alignTable } from "./table.ts";
import { shortId } from "./text.ts";
import { ago, goTimeOf, unixOf } from "./time.ts";
import { humanSize, humanSizeShort } from "./units.ts";
import { VOLUME_LISTING } from "./volumes.ts";

/** `system df -v`: every image, container, volume and cache record, as tables, as JSON, or as a Go template of the four lists. */
export async function printUsageDetails(ctx: Context, usage: DiskUsage, format: string): Promise<void> {
  if (format === "" || format === "table") printTables(ctx, usage);
  else await printFormatted(ctx, usage, format);
}

function printTables(ctx: Context, usage: DiskUsage): void {
  const sections: [string, string[][]][] = [
    ["Images space usage:", imageTable(usage)],
    ["Containers space usage:", containerTable(usage)],
    ["Local Volumes space usage:", volumeTable(usage)],
    [`Build cache usage: ${humanSize(cacheSize(usage))}`, cacheTable(usage)],
  ];
  ctx.io.out(sections.map(([title, table]) => `${title}\n\n${alignTable(table)}`).join("\n"));
}

/** As Docker, one text for all, without a newline behind it. */
async function printFormatted(ctx: Context, usage: DiskUsage, format: string): Promise<void> {
  const lists = {
    Images: imageRows(usage, false),
    Containers: containerRows(usage, false),
    Volumes: (usage.Volumes ?? []).map((v) => VOLUME_LISTING.row(v)),
    BuildCache: cacheRecords(usage).map((r) => cacheRow(r, r.ID ?? "")),
  };
  const data = new Row(lists, { type: "*formatter.diskUsageContext", json: lists });
  ctx.io.out(await formatted(format, data));
}

function tableOf<T>(listing: Pick<Listing<T>, "titles">, fields: readonly string[], rows: readonly Row[]): string[][] {
  return [fields.map((f) => listing.titles[f] ?? f), ...rows.map((row) => fields.map((f) => fieldText(row, f)))];
}

/** An image counts once, under its first name. */
function imageRows({ Images }: DiskUsage, truncate: boolean): Row[] {
  const listing = imageListing({ truncate, digests: false });
  return (Images ?? []).flatMap((image) =>
    imageLines([image], false)
      .slice(0, 1)
      .map((line) => listing.row({ ...line, digest: "" })),
  );
}

function imageTable(usage: DiskUsage): string[][] {
  const fields = ["Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers"];
  return tableOf(imageListing({ truncate: true, digests: false }), fields, imageRows(usage, true));
}

function containerRows({ Containers }: DiskUsage, truncate: boolean): Row[] {
  const listing = containerListing({ truncate, size: true });
  return (Containers ?? []).map((c) => listing.row({ ...c, SizeRootFs: 0 }));
}

function containerTable(usage: DiskUsage): string[][] {
  const fields = ["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"];
  return tableOf(containerListing({ truncate: true, size: true }), fields, containerRows(usage, true));
}

function volumeTable({ Volumes }: DiskUsage): string[][] {
  const lines = (Volumes ?? []).map((v) => [
    v.Name,
    String(v.UsageData?.RefCount ?? 0),
    humanSize(v.UsageData?.Size ?? 0),
  ]);
  return [["VOLUME NAME", "LINKS", "SIZE"], ...lines];
}

function cacheSize({ BuildCache }: DiskUsage): number {
  return (BuildCache ?? []).reduce((sum, r) => sum + (r.Shared ? 0 : (r.Size ?? 0)), 0);
}

const CACHE_TITLES = {
  ID: "CACHE ID",
  CacheType: "CACHE TYPE",
  Size: "SIZE",
  CreatedSince: "CREATED",
  LastUsedSince: "LAST USED",
  UsageCount: "USAGE",
  Shared: "SHARED",
};

function cacheRow(r: BuildCache, id: string): Row {
  return new Row(
    {
      CacheType: r.Type ?? "",
      CreatedAt: goTimeOf(r.CreatedAt),
      CreatedSince: ago(unixOf(r.CreatedAt)),
      Description: r.Description ?? "",
      ID: id,
      InUse: String(r.InUse ?? false),
      LastUsedAt: r.LastUsedAt ? goTimeOf(r.LastUsedAt) : "",
      LastUsedSince: r.LastUsedAt ? ago(unixOf(r.LastUsedAt)) : "",
      Parent: r.Parents?.join(", ") ?? "",
      Shared: String(r.Shared ?? false),
      Size: humanSizeShort(r.Size ?? 0),
      UsageCount: String(r.UsageCount ?? 0),
    },
    { type: "*formatter.buildCacheContext" },
  );
}

/** What was not used for the longest time comes first. */
function cacheRecords({ BuildCache }: DiskUsage): BuildCache[] {
  const id = (r: BuildCache): string => r.ID ?? "";
  return [...(BuildCache ?? [])].sort(
    (a, b) => unixOf(a.LastUsedAt) - unixOf(b.LastUsedAt) || (id(a) < id(b) ? -1 : 1),
  );
}

/** In tables a record in use has a star. */
function cacheTable(usage: DiskUsage): string[][] {
  const rows = cacheRecords(usage).map((r) => cacheRow(r, `${shortId(r.ID ?? "")}${r.InUse ? "*" : ""}`));
  return tableOf({ titles: CACHE_TITLES }, Object.keys(CACHE_TITLES), rows);
}
