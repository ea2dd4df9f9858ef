import type { DiskUsage } from "../../client/system.ts";
import { Row } from "../template/values.ts";
import type { Listing } from "./listing.ts";
import { humanSize } from "./units.ts";

/** One kind of thing on disk. */
export interface UsageRow {
  type: string;
  total: number;
  active: number;
  size: number;
  reclaimable: number;
  /** Docker shows no share for the build cache. */
  percent: boolean;
}

/** What `system df` counts, by kind. */
export function usageRows(usage: DiskUsage): UsageRow[] {
  return [imageRow(usage), containerRow(usage), volumeRow(usage), cacheRow(usage)];
}

function imageRow({ Images, LayersSize = 0 }: DiskUsage): UsageRow {
  const images = Images ?? [];
  const used = images
    .filter((i) => i.Containers > 0 && i.Size !== -1 && i.SharedSize !== -1)
    .reduce((sum, i) => sum + i.Size - i.SharedSize, 0);
  return {
    type: "Images",
    total: images.length,
    active: images.filter((i) => i.Containers > 0).length,
    size: LayersSize,
    reclaimable: LayersSize - used,
    percent: true,
  };
}

function containerRow({ Containers }: DiskUsage): UsageRow {
  const containers = Containers ?? [];
  const live = (state: string | undefined): boolean => /running|paused|restarting/.test(state ?? "");
  const sum = (list: typeof containers): number => list.reduce((total, c) => total + (c.SizeRw ?? 0), 0);
  return {
    type: "Containers",
    total: containers.length,
    active: containers.filter((c) => live(c.State)).length,
    size: sum(containers),
    reclaimable: sum(containers.filter((c) => !live(c.State))),
    percent: true,
  };
}

function volumeRow({ Volumes }: DiskUsage): UsageRow {
  const volumes = Volumes ?? [];
  const size = (v: (typeof volumes)[number]): number => Math.max(0, v.UsageData?.Size ?? 0);
  const unused = volumes.filter((v) => (v.UsageData?.RefCount ?? 0) === 0);
  return {
    type: "Local Volumes",
    total: volumes.length,
    active: volumes.filter((v) => (v.UsageData?.RefCount ?? 0) > 0).length,
    size: volumes.reduce((sum, v) => sum + size(v), 0),
    reclaimable: unused.reduce((sum, v) => sum + size(v), 0),
    percent: true,
  };
}

function cacheRow({ BuildCache }: DiskUsage): UsageRow {
  const records = BuildCache ?? [];
  const sum = (list: typeof records): number => list.reduce((total, r) => total + (r.Shared ? 0 : (r.Size ?? 0)), 0);
  return {
    type: "Build Cache",
    total: records.length,
    active: records.filter((r) => r.InUse).length,
    size: sum(records),
    reclaimable: sum(records.filter((r) => !r.InUse)),
    percent: false,
  };
}

/** `system df` as Docker lists it. */
export function usageListing(): Listing<UsageRow> {
  return {
    titles: { Type: "TYPE", TotalCount: "TOTAL", Active: "ACTIVE", Size: "SIZE", Reclaimable: "RECLAIMABLE" },
    columns: ["Type", "TotalCount", "Active", "Size", "Reclaimable"],
    row: (u) => {
      const share = u.percent && u.size > 0 ? ` (${Math.trunc((100 * u.reclaimable) / u.size)}%)` : "";
      return new Row(
        {
          Active: String(u.active),
          Reclaimable: `${humanSize(u.reclaimable)}${share}`,
          Size: humanSize(u.size),
          TotalCount: String(u.total),
          Type: u.type,
        },
        { type: "*formatter.diskUsageImagesContext" },
      );
    },
  };
}
