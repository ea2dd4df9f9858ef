import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, statfsSync } from "node:fs";
import { arch, cpus, hostname, release, totalmem } from "node:os";
import { cgroupMode } from "../../host/cgroup.ts";
import { run } from "../../host/spawn.ts";
import { firewallWarnings, type Publisher } from "../../network/firewall.ts";
import { API_VERSION, MIN_API_VERSION } from "../../spec/api-version.ts";
import type { SystemInfo, SystemVersion } from "../../spec/engine-api.ts";
import { hostPlatform } from "../../spec/platform.ts";
import type { EngineContext } from "../context.ts";
import { LOG_DRIVERS } from "../logging/drivers.ts";
import { logBound } from "../logging/files.ts";
import { registryInfo } from "./registry-info.ts";

const MACHINES: Record<string, string> = { x64: "x86_64", arm64: "aarch64", arm: "armv7l" };
/** statfs(2) magic numbers of what a data root usually is on, in Docker's names. */
const FILE_SYSTEMS: Record<number, string> = {
  61267: "extfs",
  2435016766: "btrfs",
  1481003842: "xfs",
  16914836: "tmpfs",
  801189825: "zfs",
  4076150800: "f2fs",
  2035054128: "overlayfs",
};

/** `GET /info`. */
export async function systemInfo(ctx: EngineContext): Promise<SystemInfo> {
  const logs = logBound(ctx.config.logDriver || "json-file", ctx.config.logOpts);
  const warnings = [
    ...ctx.runtime.runtimes().warnings,
    ...(logs.warning ? [logs.warning] : []),
    ...(await firewallWarnings(publishing(ctx))),
    ...ctx.network.warnings().map((line) => `WARNING: ${line}`),
  ];
  const shown = {
    ID: installationId(ctx),
    ...counts(ctx),
    Images: ctx.images.list({ all: false, filters: {} }).length,
    Driver: "overlay2",
    DriverStatus: [
      ["Backing Filesystem", FILE_SYSTEMS[statfsSync(ctx.dataRoot).type] ?? "unknown"],
      ["Supports d_type", "true"],
      ["Using metacopy", "false"],
      ["Native Overlay Diff", "true"],
      ["userxattr", "false"],
      ["Container Logs", logs.text],
      ...(ctx.network.hostNames.text ? [["Host Names", ctx.network.hostNames.text]] : []),
    ],
    Plugins: {
      Volume: ctx.volumes.drivers(),
      Network: ["bridge", "host", "ipvlan", "macvlan", "null"],
      Authorization: null,
      Log: LOG_DRIVERS,
    },
    ...limits(),
    Debug: ctx.config.debug,
    NFd: readdirSync("/proc/self/fd").length,
    NGoroutines: readdirSync("/proc/self/task").length,
    SystemTime: new Date().toISOString(),
    ...hostInfo(ctx),
    HttpProxy: process.env["HTTP_PROXY"] ?? process.env["http_proxy"] ?? "",
    HttpsProxy: process.env["HTTPS_PROXY"] ?? process.env["https_proxy"] ?? "",
    NoProxy: process.env["NO_PROXY"] ?? process.env["no_proxy"] ?? "",
    Name: hostname(),
    Labels: ctx.config.labels,
    ExperimentalBuild: ctx.config.experimental,
    ...addressPools(ctx),
    ServerVersion: ctx.version.version,
    ...runtimeInfo(ctx),
    Warnings: warnings.length > 0 ? warnings : null,
  };
  return shown as unknown as SystemInfo;
}

/** The running containers with their published ports. */
export function publishing(ctx: EngineContext): Publisher[] {
  return ctx.containers.all().flatMap(({ record: { id, name } }) => {
    const ports = ctx.network.get(id)?.ports;
    return ports ? [{ name, ports }] : [];
  });
}

function hostInfo(ctx: EngineContext): object {
  return {
    LoggingDriver: ctx.config.logDriver || "json-file",
    CgroupDriver: "cgroupfs",
    CgroupVersion: cgroupMode() === "v2" ? "2" : "1",
    NEventsListener: ctx.events.listeners,
    KernelVersion: release(),
    ...operatingSystem(),
    OSType: "linux",
    Architecture: MACHINES[arch()] ?? arch(),
    IndexServerAddress: "https://index.docker.io/v1/",
    RegistryConfig: registryInfo(ctx.registry),
    NCPU: cpus().length,
    MemTotal: totalmem(),
    GenericResources: null,
    DockerRootDir: ctx.dataRoot,
  };
}

function runtimeInfo(ctx: EngineContext): object {
  const { default: defaultRuntime, all } = ctx.runtime.runtimes();
  return {
    Runtimes: Object.fromEntries(Object.entries(all).map(([name, { path }]) => [name, { path }])),
    DefaultRuntime: defaultRuntime,
    Swarm: {
      NodeID: "",
      NodeAddr: "",
      LocalNodeState: "inactive",
      ControlAvailable: false,
      Error: "",
      RemoteManagers: null,
    },
    // Containers always outlive the daemon.
    LiveRestoreEnabled: true,
    Isolation: "",
    InitBinary: ctx.config.initPath ?? "docker-init",
    ContainerdCommit: { ID: "" },
    RuncCommit: { ID: "" },
    InitCommit: { ID: "" },
    SecurityOptions: ["name=seccomp,profile=builtin", "name=cgroupns"],
    FirewallBackend: { Driver: "nftables" },
    CDISpecDirs: [...ctx.runtime.runtimes().cdiDirs],
  };
}

/** Docker tells only of pools that a person gave. */
function addressPools(ctx: EngineContext): Pick<SystemInfo, "DefaultAddressPools"> {
  const pools = ctx.config.addressPools.map(({ base, size }) => ({ Base: base, Size: size }));
  return pools.length > 0 ? { DefaultAddressPools: pools } : {};
}

/** `GET /version`. */
export async function systemVersion(ctx: EngineContext): Promise<SystemVersion> {
  const { version, gitCommit, buildTime } = ctx.version;
  const { architecture } = hostPlatform();
  const engine = {
    ApiVersion: API_VERSION,
    Arch: architecture,
    BuildTime: buildTime,
    Experimental: String(ctx.config.experimental),
    GitCommit: gitCommit,
    GoVersion: `bun ${process.versions["bun"] ?? ""}`.trim(),
    KernelVersion: release(),
    MinAPIVersion: MIN_API_VERSION,
    Os: "linux",
  };
  const shown = {
    Platform: { Name: "Berth" },
    Components: [{ Name: "Engine", Version: version, Details: engine }, ...(await runtimeComponents(ctx))],
    Version: version,
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    GitCommit: gitCommit,
    GoVersion: engine.GoVersion,
    Os: "linux",
    Arch: architecture,
    KernelVersion: release(),
    ...(ctx.config.experimental ? { Experimental: true } : {}),
    BuildTime: buildTime,
  };
  return shown as SystemVersion;
}

const runtimeVersions = new Map<string, string>();

async function runtimeComponents(
  ctx: EngineContext,
): Promise<{ Name: string; Version: string; Details: Record<string, string> }[]> {
  const { default: name, all } = ctx.runtime.runtimes();
  const path = all[name]?.path;
  if (!path) return [];
  let version = runtimeVersions.get(path);
  if (version === undefined) {
    const { stdout } = await run([path, "--version"]).catch(() => ({ stdout: "" })); // A version that cannot be asked is shown as unknown.
    version = /version\s+(\S+)/.exec(stdout)?.[1] ?? "unknown";
    runtimeVersions.set(path, version);
  }
  return [{ Name: name, Version: version, Details: { GitCommit: "" } }];
}

/** Random, made at the first question and kept. */
export function installationId(ctx: EngineContext): string {
  const meta = ctx.records.table<{ id: string }>("meta");
  const known = meta.get("installation")?.id;
  if (known) return known;
  const id = randomUUID();
  meta.put("installation", { id });
  return id;
}

function counts(ctx: EngineContext): {
  Containers: number;
  ContainersRunning: number;
  ContainersPaused: number;
  ContainersStopped: number;
} {
  const all = ctx.containers.all();
  const running = all.filter(
    (c) => c.record.state.status === "running" || c.record.state.status === "restarting",
  ).length;
  return {
    Containers: all.length,
    ContainersRunning: running,
    ContainersPaused: 0,
    ContainersStopped: all.length - running,
  };
}

function limits(): Partial<SystemInfo> {
  return {
    MemoryLimit: true,
    SwapLimit: true,
    KernelMemoryTCP: false,
    CpuCfsPeriod: true,
    CpuCfsQuota: true,
    CPUShares: true,
    CPUSet: true,
    PidsLimit: true,
    OomKillDisable: cgroupMode() === "v1",
    IPv4Forwarding: readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim() === "1",
  };
}

function operatingSystem(): { OperatingSystem: string; OSVersion: string } {
  let text = "";
  try {
    text = readFileSync("/etc/os-release", "utf8");
  } catch {
    return { OperatingSystem: "Linux", OSVersion: "" }; // os-release(5) is optional.
  }
  const value = (key: string): string => new RegExp(`^${key}="?(.*?)"?$`, "m").exec(text)?.[1] ?? "";
  return { OperatingSystem: value("PRETTY_NAME") || "Linux", OSVersion: value("VERSION_ID") };
}
