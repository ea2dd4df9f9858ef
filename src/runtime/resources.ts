import type { HostConfig, ThrottleDevice } from "../spec/engine-api.ts";
import type { LinuxResources, ThrottleRate } from "../spec/runtime-spec.ts";

const CPU_PERIOD_US = 100_000;
const NANO = 1_000_000_000;

/** A device's numbers by its path on the host, or undefined where there is none. */
export type DeviceNumbers = (path: string) => { major: number; minor: number } | undefined;

/** HostConfig's limits in the OCI runtime's terms. Zero means "no limit" in Docker and is left out. */
export function linuxResources(host: HostConfig, numbers: DeviceNumbers): LinuxResources {
  const memory = memoryLimits(host);
  const cpu = cpuLimits(host);
  const blockIO = blockIoLimits(host, numbers);
  const pids = host.PidsLimit ?? 0;
  return {
    ...(memory ? { memory } : {}),
    ...(cpu ? { cpu } : {}),
    ...(blockIO ? { blockIO } : {}),
    ...(pids > 0 ? { pids: { limit: pids } } : {}),
  };
}

function memoryLimits(host: HostConfig): LinuxResources["memory"] | undefined {
  const limit = host.Memory ?? 0;
  const asked = host.MemorySwap ?? 0;
  // Docker: with a memory limit and no word about swap, memory and swap together are twice the memory.
  const swap = asked !== 0 ? Math.max(asked, -1) : limit > 0 ? 2 * limit : 0;
  const swappiness = host.MemorySwappiness ?? -1;
  return orNothing({
    ...(limit > 0 ? { limit } : {}),
    ...(swap !== 0 ? { swap } : {}),
    ...(host.MemoryReservation ? { reservation: host.MemoryReservation } : {}),
    ...(swappiness >= 0 ? { swappiness } : {}),
    ...(host.OomKillDisable ? { disableOOMKiller: true } : {}),
  });
}

function cpuLimits(host: HostConfig): LinuxResources["cpu"] | undefined {
  const nano = host.NanoCpus ?? 0;
  const period = nano > 0 ? CPU_PERIOD_US : (host.CpuPeriod ?? 0);
  const quota = nano > 0 ? Math.round((nano * CPU_PERIOD_US) / NANO) : (host.CpuQuota ?? 0);
  return orNothing({
    ...(host.CpuShares ? { shares: host.CpuShares } : {}),
    ...(period ? { period } : {}),
    ...(quota ? { quota } : {}),
    ...(host.CpuRealtimePeriod ? { realtimePeriod: host.CpuRealtimePeriod } : {}),
    ...(host.CpuRealtimeRuntime ? { realtimeRuntime: host.CpuRealtimeRuntime } : {}),
    ...(host.CpusetCpus ? { cpus: host.CpusetCpus } : {}),
    ...(host.CpusetMems ? { mems: host.CpusetMems } : {}),
  });
}

function blockIoLimits(host: HostConfig, numbers: DeviceNumbers): LinuxResources["blockIO"] | undefined {
  const rates = (list: ThrottleDevice[] | null | undefined): ThrottleRate[] =>
    (list ?? []).flatMap((d) => {
      const device = numbers(d.Path ?? "");
      return device ? [{ ...device, rate: d.Rate ?? 0 }] : [];
    });
  const weights = (host.BlkioWeightDevice ?? []).flatMap((d) => {
    const device = numbers(d.Path ?? "");
    return device ? [{ ...device, weight: d.Weight ?? 0 }] : [];
  });
  return orNothing({
    ...(host.BlkioWeight ? { weight: host.BlkioWeight } : {}),
    ...list("weightDevice", weights),
    ...list("throttleReadBpsDevice", rates(host.BlkioDeviceReadBps)),
    ...list("throttleWriteBpsDevice", rates(host.BlkioDeviceWriteBps)),
    ...list("throttleReadIOPSDevice", rates(host.BlkioDeviceReadIOps)),
    ...list("throttleWriteIOPSDevice", rates(host.BlkioDeviceWriteIOps)),
  });
}

function list<K extends string, T>(name: K, items: T[]): Partial<Record<K, T[]>> {
  return items.length > 0 ? ({ [name]: items } as Record<K, T[]>) : {};
}

function orNothing<T extends object>(value: T): T | undefined {
  return Object.keys(value).length > 0 ? value : undefined;
}
