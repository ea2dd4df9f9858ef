import { existsSync, writeFileSync } from "node:fs";
import { cgroupDir, cgroupMode } from "../../host/cgroup.ts";
import { linuxResources } from "../../runtime/resources.ts";
import type { HostConfig } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import type { LinuxResources } from "../../spec/runtime-spec.ts";
import { type Container, isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { cgroupOf } from "./cgroup-path.ts";
import { withoutNulls } from "./config.ts";
import { checkResources, checkRestart } from "./validate.ts";

const CHANGEABLE = [
  "BlkioWeight",
  "CpuShares",
  "CpuPeriod",
  "CpuQuota",
  "CpusetCpus",
  "CpusetMems",
  "NanoCpus",
  "Memory",
  "MemoryReservation",
  "MemorySwap",
  "PidsLimit",
  "RestartPolicy",
] as const;

const SWAP_FILES: ReadonlySet<string> = new Set(["memory.swap.max", "memory.memsw.limit_in_bytes"]);

/** Changes limits and restart policy, also of a running container: its cgroup first, then the record (one transaction). Zero means unchanged. */
export function updateContainer(
  ctx: EngineContext,
  reference: string,
  changes: HostConfig,
): Promise<{ Warnings: string[] }> {
  const container = ctx.containers.find(reference);
  return container.lock.run(async () => {
    if (container.removing)
      throw new BerthError(
        "conflict",
        `Container ${container.record.id} is marked for removal and cannot be "update".`,
      );
    const wanted = withoutNulls(changes);
    const changed = Object.fromEntries(
      CHANGEABLE.filter((key) => wanted[key]).map((key) => [key, wanted[key]]),
    ) as HostConfig;
    if (changed.RestartPolicy && !changed.RestartPolicy.Name) delete changed.RestartPolicy;
    const next: HostConfig = { ...container.record.hostConfig, ...changed };
    // A new limit above the old swap limit takes its own double, as at create.
    if (
      changed.Memory &&
      !changed.MemorySwap &&
      (next.MemorySwap ?? 0) > 0 &&
      changed.Memory > (next.MemorySwap ?? 0)
    ) {
      throw new BerthError(
        "invalid-argument",
        `Cannot update container ${container.record.id}: Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time`,
      );
    }
    checkResources(next);
    checkRestart(next);
    if (isRunning(container)) applyToCgroup(container, changed, next);
    ctx.containers.save(container, { hostConfig: next });
    emitContainer(ctx.events, container, "update");
    return { Warnings: [] };
  });
}

function applyToCgroup(container: Container, changed: HostConfig, next: HostConfig): void {
  const { RestartPolicy: _policy, ...limits } = changed;
  if (Object.keys(limits).length === 0) return;
  const path = cgroupOf(container.record);
  const resources = linuxResources(next, () => undefined);
  const writes = cgroupMode() === "v2" ? v2Writes(resources) : v1Writes(resources);
  let pending = writes.filter(([controller, file, value]) => {
    // A kernel without accounting of swap has no such file: there the limit is of memory alone.
    return value !== undefined && (!SWAP_FILES.has(file) || existsSync(`${cgroupDir(controller, path)}/${file}`));
  });
  // Limits bound each other (memory and memory with swap): what is refused in one order is taken in the other.
  for (let round = 0; pending.length > 0; round++) {
    const failed = pending.filter(
      ([controller, file, value]) => !tryWrite(`${cgroupDir(controller, path)}/${file}`, value),
    );
    if (failed.length === pending.length || round > 2) {
      const [controller, file, value] = failed[0] ?? ["", "", ""];
      throw new BerthError(
        "internal",
        `Cannot update container ${container.record.id}: ${controller}: ${file} does not take ${value}`,
      );
    }
    pending = failed;
  }
}

type Write = [controller: string, file: string, value: string | undefined];

function v1Writes(r: LinuxResources): Write[] {
  return [
    ["memory", "memory.memsw.limit_in_bytes", text(r.memory?.swap)],
    ["memory", "memory.limit_in_bytes", text(r.memory?.limit)],
    ["memory", "memory.soft_limit_in_bytes", text(r.memory?.reservation)],
    ["cpu", "cpu.shares", text(r.cpu?.shares)],
    ["cpu", "cpu.cfs_period_us", text(r.cpu?.period)],
    ["cpu", "cpu.cfs_quota_us", text(r.cpu?.quota)],
    ["cpuset", "cpuset.cpus", text(r.cpu?.cpus)],
    ["cpuset", "cpuset.mems", text(r.cpu?.mems)],
    ["pids", "pids.max", limitText(r.pids?.limit)],
  ];
}

function v2Writes(r: LinuxResources): Write[] {
  const { limit, swap, reservation } = r.memory ?? {};
  const swapOnly = swap === undefined ? undefined : swap < 0 ? -1 : swap - (limit ?? 0);
  const quota =
    r.cpu?.quota === undefined ? undefined : `${r.cpu.quota > 0 ? r.cpu.quota : "max"} ${r.cpu.period ?? 100_000}`;
  // The kernel's scale of weights, 1 to 10000, for shares of 2 to 262144, as OCI runtimes convert it.
  const shares = r.cpu?.shares;
  const weight = shares ? String(1 + Math.floor(((shares - 2) * 9999) / 262_142)) : undefined;
  return [
    ["memory", "memory.swap.max", limitText(swapOnly)],
    ["memory", "memory.max", limitText(limit)],
    ["memory", "memory.low", text(reservation)],
    ["cpu", "cpu.weight", weight],
    ["cpu", "cpu.max", quota],
    ["cpuset", "cpuset.cpus", text(r.cpu?.cpus)],
    ["cpuset", "cpuset.mems", text(r.cpu?.mems)],
    ["pids", "pids.max", limitText(r.pids?.limit)],
  ];
}

function text(value: number | string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : String(value);
}

function limitText(value: number | undefined): string | undefined {
  return value === undefined ? undefined : value < 0 ? "max" : String(value);
}

function tryWrite(path: string, value: string | undefined): boolean {
  try {
    writeFileSync(path, value ?? "");
    return true;
  } catch {
    return false; // Named by the caller, if the other order does not help either.
  }
}
