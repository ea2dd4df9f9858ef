import { existsSync, writeFileSync } from "node:fs";
import { cgroupDir, cgroupMode } from "../../host/cgroup.ts";
import { linuxResources } from "../../runtime/resources.ts";
import type { HostConfig } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { type Container, isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { cgroupOf } from "./cgroup-path.ts";
import { cgroupWrites, type Write } from "./cgroup-writes.ts";
import { withoutNulls } from "./config.ts";
import { withoutUnsupported } from "./host-support.ts";
import { checkResources, checkRestart } from "./validate.ts";

const CHANGEABLE = [
  "BlkioWeight",
  "CpuShares",
  "CpuPeriod",
  "CpuQuota",
  "CpuRealtimePeriod",
  "CpuRealtimeRuntime",
  "CpusetCpus",
  "CpusetMems",
  "NanoCpus",
  "Memory",
  "MemoryReservation",
  "MemorySwap",
  "RestartPolicy",
] as const;

/** Files that kernels may lack: those without accounting of swap limit memory alone, and those without a scheduler that weighs. */
const OPTIONAL: ReadonlySet<string> = new Set([
  "memory.swap.max",
  "memory.memsw.limit_in_bytes",
  "io.bfq.weight",
  "io.weight",
]);

/**
 * Changes limits and restart policy, also of a running container: its cgroup first, then the record (one transaction). Zero means unchanged, but for
 * PidsLimit, where it and what is below mean no limit. Throws in Docker's words; `conflict` where the change does not fit what is set.
 */
export function updateContainer(
  ctx: EngineContext,
  reference: string,
  changes: HostConfig,
): Promise<{ Warnings: string[] | null }> {
  const container = ctx.containers.find(reference);
  return container.lock.run(async () => {
    if (container.removing) {
      const why = `Container ${container.record.id} is marked for removal and cannot be "update".`;
      throw new BerthError("conflict", why);
    }
    const { hostConfig: changed, warnings } = withoutUnsupported(changesOf(changes));
    checkResources({ ...changed, MemorySwap: 0 });
    checkRestart(changed);
    checkConflicts(container, changed);
    const next: HostConfig = { ...container.record.hostConfig, ...changed };
    const { Memory: memory = 0, MemorySwap: swap = 0 } = next;
    checkResources({ Memory: memory, MemorySwap: swap });
    if (isRunning(container)) applyToCgroup(container, changed, next);
    ctx.containers.save(container, { hostConfig: next });
    emitContainer(ctx.events, container, "update");
    return { Warnings: warnings.length > 0 ? warnings : null };
  });
}

function changesOf(body: HostConfig): HostConfig {
  const wanted = withoutNulls(body);
  const changed = Object.fromEntries(
    CHANGEABLE.filter((key) => wanted[key]).map((key) => [key, wanted[key]]),
  ) as HostConfig;
  const { RestartPolicy: policy, ...limits } = changed;
  return {
    ...limits,
    ...(wanted.PidsLimit === undefined ? {} : { PidsLimit: Math.max(wanted.PidsLimit ?? 0, 0) }),
    ...(policy?.Name ? { RestartPolicy: { Name: policy.Name, MaximumRetryCount: policy.MaximumRetryCount ?? 0 } } : {}),
  };
}

function checkConflicts(container: Container, changed: HostConfig): void {
  const { id, hostConfig: has } = container.record;
  const conflict = (why: string): BerthError => new BerthError("conflict", `Cannot update container ${id}: ${why}`);
  const options = (what: string, other: string): BerthError =>
    conflict(`Conflicting options: ${what} cannot be updated as ${other} has already been set`);
  if (changed.NanoCpus && has.CpuPeriod) throw options("Nano CPUs", "CPU Period");
  if (changed.NanoCpus && has.CpuQuota) throw options("Nano CPUs", "CPU Quota");
  if (changed.CpuPeriod && has.NanoCpus) throw options("CPU Period", "NanoCPUs");
  if (changed.CpuQuota && has.NanoCpus) throw options("CPU Quota", "NanoCPUs");
  if (changed.Memory && changed.Memory > (has.MemorySwap ?? 0) && !changed.MemorySwap) {
    throw conflict(
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
  }
  const policy = changed.RestartPolicy?.Name ?? "no";
  if (has.AutoRemove && policy !== "no")
    throw conflict("Restart policy cannot be updated because AutoRemove is enabled for the container");
}

function applyToCgroup(container: Container, changed: HostConfig, next: HostConfig): void {
  const { RestartPolicy: _policy, ...limits } = changed;
  if (Object.keys(limits).length === 0) return;
  const path = cgroupOf(container.record);
  const fileOf = ([controller, file]: Write): string => `${cgroupDir(controller, path)}/${file}`;
  const resources = linuxResources(next, () => undefined);
  if (changed.PidsLimit === 0) resources.pids = { limit: -1 };
  let pending = cgroupWrites(resources, cgroupMode()).filter(
    (write) => !OPTIONAL.has(write[1]) || existsSync(fileOf(write)),
  );
  // Limits bound each other (memory and memory with swap): what is refused in one order is taken in the other.
  for (let round = 0; pending.length > 0; round++) {
    const failed = pending.filter((write) => !tryWrite(fileOf(write), write[2]));
    if (failed.length === pending.length || round > 2) {
      const [controller, file, value] = failed[0] ?? ["", "", ""];
      const why = `${controller}: ${file} does not take ${value}`;
      throw new BerthError("internal", `Cannot update container ${container.record.id}: ${why}`);
    }
    pending = failed;
  }
}

function tryWrite(path: string, value: string): boolean {
  try {
    writeFileSync(path, value);
    return true;
  } catch {
    return false; // Named by the caller, if the other order does not help either.
  }
}
