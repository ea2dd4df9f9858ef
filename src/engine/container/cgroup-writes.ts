import type { CgroupMode } from "../../host/cgroup.ts";
import type { LinuxResources } from "../../spec/runtime-spec.ts";

/** One write to a cgroup's folder. On v2 the controller only names where the file belongs. */
export type Write = [controller: string, file: string, value: string];

const DEFAULT_PERIOD_US = 100_000;

/**
 * What the kernel is told of limits (cgroup-v1/memory.rst, cpu(7), cgroup-v2.rst). Those that are absent stay as they are; below 0 means none. Weights and
 * shares are converted to the scales of v2 as OCI runtimes do it.
 */
export function cgroupWrites(resources: LinuxResources, mode: CgroupMode): Write[] {
  const writes = mode === "v2" ? v2Writes(resources) : v1Writes(resources);
  return writes.flatMap(([controller, file, value]): Write[] =>
    value === undefined || value === "" ? [] : [[controller, file, String(value)]],
  );
}

type MaybeWrite = [controller: string, file: string, value: string | number | undefined];

function v1Writes({ memory, cpu, pids, blockIO }: LinuxResources): MaybeWrite[] {
  return [
    ["memory", "memory.memsw.limit_in_bytes", memory?.swap],
    ["memory", "memory.limit_in_bytes", memory?.limit],
    ["memory", "memory.soft_limit_in_bytes", memory?.reservation],
    ["cpu", "cpu.shares", cpu?.shares],
    ["cpu", "cpu.cfs_period_us", cpu?.period],
    ["cpu", "cpu.cfs_quota_us", cpu?.quota],
    ["cpu", "cpu.rt_period_us", cpu?.realtimePeriod],
    ["cpu", "cpu.rt_runtime_us", cpu?.realtimeRuntime],
    ["cpuset", "cpuset.cpus", cpu?.cpus],
    ["cpuset", "cpuset.mems", cpu?.mems],
    ["pids", "pids.max", limit(pids?.limit)],
    ["blkio", "blkio.weight", blockIO?.weight],
  ];
}

function v2Writes({ memory, cpu, pids, blockIO }: LinuxResources): MaybeWrite[] {
  const { limit: bytes, swap, reservation } = memory ?? {};
  // v2 counts swap alone.
  const swapOnly = swap === undefined || swap < 0 ? swap : swap - (bytes ?? 0);
  return [
    ["memory", "memory.swap.max", limit(swapOnly)],
    ["memory", "memory.max", limit(bytes)],
    ["memory", "memory.low", reservation],
    ["cpu", "cpu.weight", scaled(cpu?.shares, [2, 262_144])],
    ["cpu", "cpu.max", bandwidth(cpu)],
    ["cpuset", "cpuset.cpus", cpu?.cpus],
    ["cpuset", "cpuset.mems", cpu?.mems],
    ["pids", "pids.max", limit(pids?.limit)],
    ["io", "io.bfq.weight", blockIO?.weight],
    ["io", "io.weight", scaled(blockIO?.weight, [10, 1000])],
  ];
}

function bandwidth(cpu: LinuxResources["cpu"]): string | undefined {
  if (cpu?.quota === undefined && cpu?.period === undefined) return undefined;
  const quota = cpu.quota === undefined || cpu.quota < 0 ? "max" : cpu.quota;
  return `${quota} ${cpu.period ?? DEFAULT_PERIOD_US}`;
}

/** From a scale of v1 to v2's, 1 to 10000. */
function scaled(value: number | undefined, [least, most]: [number, number]): number | undefined {
  if (!value) return undefined;
  return 1 + Math.floor(((value - least) * 9999) / (most - least));
}

function limit(value: number | undefined): string | undefined {
  return value === undefined ? undefined : value < 0 ? "max" : String(value);
}
