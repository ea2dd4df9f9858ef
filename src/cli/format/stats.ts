import type { ContainerStatsResponse } from "../../spec/engine-api.ts";
import { Row } from "../template/values.ts";
import type { Listing } from "./listing.ts";
import { shortId } from "./text.ts";
import { binarySize, humanSizeShort } from "./units.ts";

/** One container's usage. Without `sample` nothing has come yet. */
export interface StatsLine {
  asked: string;
  sample: ContainerStatsResponse | undefined;
}

/** A line for the container that was asked for by this name. */
export function statsLine(asked: string, sample: ContainerStatsResponse | undefined): StatsLine {
  return { asked, sample };
}

const NONE = "--";

/** `stats` as Docker lists it. */
export function statsListing(truncate: boolean): Listing<StatsLine> {
  return {
    titles: {
      ID: "CONTAINER ID",
      Container: "CONTAINER",
      Name: "NAME",
      CPUPerc: "CPU %",
      MemUsage: "MEM USAGE / LIMIT",
      MemPerc: "MEM %",
      NetIO: "NET I/O",
      BlockIO: "BLOCK I/O",
      PIDs: "PIDS",
    },
    columns: ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"],
    row: (line) => statsRow(line, truncate),
  };
}

function statsRow({ asked, sample }: StatsLine, truncate: boolean): Row {
  const id = sample?.id ?? "";
  const limit = sample?.memory_stats?.limit ?? 0;
  const used = sample ? usedMemory(sample) : 0;
  const pair = (a: number, b: number): string => `${humanSizeShort(a)} / ${humanSizeShort(b)}`;
  const net = Object.values(sample?.networks ?? {});
  const sum = (pick: (n: NonNullable<(typeof net)[number]>) => number | undefined): number =>
    net.reduce((total, n) => total + (n ? (pick(n) ?? 0) : 0), 0);
  const blocks = sample ? blockTotals(sample) : { read: 0, write: 0 };
  const shown = (text: string): string => (sample ? text : NONE);
  return new Row(
    {
      BlockIO: shown(pair(blocks.read, blocks.write)),
      CPUPerc: shown(`${(sample ? cpuPercent(sample) : 0).toFixed(2)}%`),
      Container: asked,
      ID: id ? (truncate ? shortId(id) : id) : shown(""),
      MemPerc: shown(`${(limit > 0 ? (100 * used) / limit : 0).toFixed(2)}%`),
      MemUsage: sample ? `${binarySize(used)} / ${binarySize(limit)}` : `${NONE} / ${NONE}`,
      Name: sample?.name?.replace(/^\//, "") ?? NONE,
      NetIO: shown(
        pair(
          sum((n) => n.rx_bytes),
          sum((n) => n.tx_bytes),
        ),
      ),
      PIDs: shown(String(sample?.pids_stats?.current ?? 0)),
    },
    { type: "*container.statsContext" },
  );
}

/** Share of one CPU since the sample before, in percent; 100 is a whole CPU. */
function cpuPercent(s: ContainerStatsResponse): number {
  const total = (s.cpu_stats?.cpu_usage?.total_usage ?? 0) - (s.precpu_stats?.cpu_usage?.total_usage ?? 0);
  const system = (s.cpu_stats?.system_cpu_usage ?? 0) - (s.precpu_stats?.system_cpu_usage ?? 0);
  const cpus = s.cpu_stats?.online_cpus || s.cpu_stats?.cpu_usage?.percpu_usage?.length || 1;
  return total > 0 && system > 0 ? (total / system) * cpus * 100 : 0;
}

/** Usage without the page cache that can be dropped: cgroup v1 names it total_inactive_file, v2 inactive_file. */
function usedMemory(s: ContainerStatsResponse): number {
  const usage = s.memory_stats?.usage ?? 0;
  const stats = s.memory_stats?.stats ?? {};
  const cache = stats["total_inactive_file"] ?? stats["inactive_file"] ?? 0;
  return cache < usage ? usage - cache : usage;
}

function blockTotals(s: ContainerStatsResponse): { read: number; write: number } {
  const totals = { read: 0, write: 0 };
  for (const entry of s.blkio_stats?.io_service_bytes_recursive ?? []) {
    const op = entry?.op?.toLowerCase();
    if (op === "read" || op === "write") totals[op] += entry?.value ?? 0;
  }
  return totals;
}
