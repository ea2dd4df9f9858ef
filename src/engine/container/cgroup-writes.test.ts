import { expect, test } from "bun:test";
import { linuxResources } from "../../runtime/resources.ts";
import type { HostConfig } from "../../spec/engine-api.ts";
import { cgroupWrites } from "./cgroup-writes.ts";

const MIB = 2 ** 20;

/** Files and values of both versions. */
test.each<[string, HostConfig, v1: Record<string, string>, v2: Record<string, string>]>([
  ["nothing", {}, {}, {}],
  [
    "memory",
    { Memory: 64 * MIB },
    { "memory.memsw.limit_in_bytes": "134217728", "memory.limit_in_bytes": "67108864" },
    { "memory.swap.max": "67108864", "memory.max": "67108864" },
  ],
  [
    "memory without a limit of swap",
    { Memory: 64 * MIB, MemorySwap: -1 },
    { "memory.memsw.limit_in_bytes": "-1", "memory.limit_in_bytes": "67108864" },
    { "memory.swap.max": "max", "memory.max": "67108864" },
  ],
  [
    "memory without swap",
    { Memory: 64 * MIB, MemorySwap: 64 * MIB },
    { "memory.memsw.limit_in_bytes": "67108864", "memory.limit_in_bytes": "67108864" },
    { "memory.swap.max": "0", "memory.max": "67108864" },
  ],
  [
    "a reservation",
    { MemoryReservation: 32 * MIB },
    { "memory.soft_limit_in_bytes": "33554432" },
    { "memory.low": "33554432" },
  ],
  ["the least shares", { CpuShares: 2 }, { "cpu.shares": "2" }, { "cpu.weight": "1" }],
  ["the usual shares", { CpuShares: 1024 }, { "cpu.shares": "1024" }, { "cpu.weight": "39" }],
  ["the most shares", { CpuShares: 262_144 }, { "cpu.shares": "262144" }, { "cpu.weight": "10000" }],
  [
    "cpus",
    { NanoCpus: 15e8 },
    { "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "150000" },
    { "cpu.max": "150000 100000" },
  ],
  ["a quota", { CpuQuota: 20_000 }, { "cpu.cfs_quota_us": "20000" }, { "cpu.max": "20000 100000" }],
  ["no quota", { CpuQuota: -1 }, { "cpu.cfs_quota_us": "-1" }, { "cpu.max": "max 100000" }],
  ["a period", { CpuPeriod: 50_000 }, { "cpu.cfs_period_us": "50000" }, { "cpu.max": "max 50000" }],
  [
    "realtime",
    { CpuRealtimePeriod: 1_000_000, CpuRealtimeRuntime: 950_000 },
    { "cpu.rt_period_us": "1000000", "cpu.rt_runtime_us": "950000" },
    {},
  ],
  [
    "sets",
    { CpusetCpus: "0-1", CpusetMems: "0" },
    { "cpuset.cpus": "0-1", "cpuset.mems": "0" },
    { "cpuset.cpus": "0-1", "cpuset.mems": "0" },
  ],
  ["processes", { PidsLimit: 20 }, { "pids.max": "20" }, { "pids.max": "20" }],
  ["the least weight", { BlkioWeight: 10 }, { "blkio.weight": "10" }, { "io.bfq.weight": "10", "io.weight": "1" }],
  [
    "the most weight",
    { BlkioWeight: 1000 },
    { "blkio.weight": "1000" },
    { "io.bfq.weight": "1000", "io.weight": "10000" },
  ],
])("%s", (_, host, v1, v2) => {
  const resources = linuxResources(host, () => undefined);
  const written = (mode: "v1" | "v2"): Record<string, string> =>
    Object.fromEntries(cgroupWrites(resources, mode).map(([, file, value]) => [file, value]));
  expect({ v1: written("v1"), v2: written("v2") }).toEqual({ v1, v2 });
});

test("no limit of processes any more", () => {
  expect(cgroupWrites({ pids: { limit: -1 } }, "v1")).toEqual([["pids", "pids.max", "max"]]);
  expect(cgroupWrites({ pids: { limit: -1 } }, "v2")).toEqual([["pids", "pids.max", "max"]]);
});
