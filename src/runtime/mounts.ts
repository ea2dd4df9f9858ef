import type { HostConfig } from "../spec/engine-api.ts";
import type { Mount } from "../spec/runtime-spec.ts";

/** The size of /dev/shm where nobody says otherwise, in bytes. */
export const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;
const MASKED = [
  "asound",
  "acpi",
  "interrupts",
  "kcore",
  "keys",
  "latency_stats",
  "timer_list",
  "timer_stats",
  "sched_debug",
  "scsi",
];
const READ_ONLY = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/** The file systems that every container has below /proc, /sys and /dev. Later mounts of the same destination take their place. `shm` is a folder to have as /dev/shm. */
export function systemMounts(host: HostConfig, shm?: string): Mount[] {
  const sysMode = host.Privileged ? "rw" : "ro";
  const mounts: Mount[] = [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", sysMode] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: [sysMode, "nosuid", "noexec", "nodev"],
    },
  ];
  mounts.push({
    destination: "/dev/mqueue",
    type: "mqueue",
    source: "mqueue",
    options: ["nosuid", "noexec", "nodev"],
  });
  if (host.IpcMode !== "none") mounts.push(sharedMemory(host, shm));
  return mounts;
}

function sharedMemory(host: HostConfig, shm: string | undefined): Mount {
  const shared = host.IpcMode === "host" ? "/dev/shm" : shm;
  if (shared !== undefined) {
    const options = ["rbind", "rw", ...(shm === undefined ? [] : ["nosuid", "noexec", "nodev"])];
    return { destination: "/dev/shm", type: "bind", source: shared, options };
  }
  const size = host.ShmSize || DEFAULT_SHM_BYTES;
  return {
    destination: "/dev/shm",
    type: "tmpfs",
    source: "shm",
    options: ["nosuid", "noexec", "nodev", "mode=1777", `size=${size}`],
  };
}

/** Paths of /proc and /sys that a container must not see. Empty where privileged. */
export function maskedPaths(host: HostConfig): string[] {
  if (host.Privileged) return [];
  return host.MaskedPaths ?? [...MASKED.map((p) => `/proc/${p}`), "/sys/firmware", "/sys/devices/virtual/powercap"];
}

/** Paths of /proc that a container must not change. Empty where privileged. */
export function readonlyPaths(host: HostConfig): string[] {
  if (host.Privileged) return [];
  return host.ReadonlyPaths ?? READ_ONLY.map((p) => `/proc/${p}`);
}

/** System mounts, then the container's own; one of the same destination replaces the system's. Parents come before children. */
export function mergeMounts(system: readonly Mount[], own: readonly Mount[]): Mount[] {
  const replaced = new Set(own.map((m) => m.destination));
  const depth = (m: Mount): number => m.destination.split("/").filter(Boolean).length;
  const sorted = [...own].sort((a, b) => depth(a) - depth(b));
  return [...system.filter((m) => !replaced.has(m.destination)), ...sorted];
}
