import { existsSync } from "node:fs";
import { type CgroupMode, cgroupMode } from "../../host/cgroup.ts";
import type { HostConfig } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";

const V1_WEIGHT = "/sys/fs/cgroup/blkio/blkio.weight";

/**
 * The configuration without what this host's cgroups cannot do, which OCI runtimes would refuse at start, and Docker's warnings about it.
 * cgroup v2 has neither swappiness nor a switch for the OOM killer, and no realtime bandwidth: asking for the last throws `invalid-argument`.
 */
export function withoutUnsupported(
  host: HostConfig,
  mode: CgroupMode = cgroupMode(),
): { hostConfig: HostConfig; warnings: string[] } {
  if (mode === "v1") return withoutWeight(host);
  if (host.CpuRealtimePeriod || host.CpuRealtimeRuntime)
    throw new BerthError("invalid-argument", "kernel does not support CPU real-time scheduler");
  const { MemorySwappiness: swappiness, OomKillDisable: disable, ...hostConfig } = host;
  const warnings: string[] = [];
  if (disable) warnings.push("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
  if (swappiness !== undefined && swappiness !== null && swappiness >= 0)
    warnings.push(
      "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
    );
  return { hostConfig, warnings };
}

/** The weight of cgroup v1 is the scheduler's: of CFQ, which kernels since 5.0 do not have. */
function withoutWeight(host: HostConfig): { hostConfig: HostConfig; warnings: string[] } {
  const { BlkioWeight: weight, BlkioWeightDevice: weights, ...hostConfig } = host;
  if ((!weight && !weights?.length) || existsSync(V1_WEIGHT)) return { hostConfig: host, warnings: [] };
  const lacks = (what: string, discarded: string): string =>
    `Your kernel does not support Block I/O ${what} or the cgroup is not mounted. ${discarded} discarded.`;
  const warnings = [
    ...(weight ? [lacks("weight", "Weight")] : []),
    ...(weights?.length ? [lacks("weight_device", "Weight-device")] : []),
  ];
  return { hostConfig, warnings };
}
