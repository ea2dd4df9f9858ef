import { DEFAULT_SHM_BYTES, maskedPaths, readonlyPaths } from "../../runtime/mounts.ts";
import type { HostConfig } from "../../spec/engine-api.ts";
import type { EngineContext } from "../context.ts";
import { withoutNulls } from "./config.ts";
import { resolveModes } from "./modes.ts";

/** The host configuration with every default that Docker fills in at create. What is left open stays open. */
export function normaliseHostConfig(ctx: EngineContext, body: HostConfig | undefined): HostConfig {
  const own = resolveModes(ctx, withoutUnset(withoutNulls(body ?? {})));
  const memory = own.Memory ?? 0;
  const mode = own.NetworkMode && own.NetworkMode !== "default" ? own.NetworkMode : defaultNetwork(ctx);
  return {
    ...own,
    NetworkMode: mode,
    LogConfig: logConfigOf(ctx, own),
    RestartPolicy: {
      Name: own.RestartPolicy?.Name || "no",
      MaximumRetryCount: own.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    IpcMode: own.IpcMode || "private",
    CgroupnsMode: own.CgroupnsMode || "private",
    ShmSize: own.ShmSize || DEFAULT_SHM_BYTES,
    Runtime: own.Runtime || ctx.runtime.runtimes().default,
    MemorySwap: memory > 0 && !own.MemorySwap ? memory * 2 : (own.MemorySwap ?? 0),
    ...(own.Init === undefined && ctx.config.init ? { Init: true } : {}),
    ...(own.Ulimits?.length || ctx.config.defaultUlimits.length === 0
      ? {}
      : { Ulimits: [...ctx.config.defaultUlimits] }),
  };
}

/** Without the values that the docker command sends for "not given". */
function withoutUnset(host: HostConfig): HostConfig {
  const { MemorySwappiness: swappiness, PidsLimit: pids, ...rest } = host;
  return {
    ...rest,
    ...(swappiness === undefined || swappiness === -1 ? {} : { MemorySwappiness: swappiness }),
    ...(pids === undefined || pids === null || pids <= 0 ? {} : { PidsLimit: pids }),
  };
}

/** `bridge`; `none` for a daemon that was told to have no bridge. */
export function defaultNetwork(ctx: EngineContext): string {
  return ctx.network.nameOf("default");
}

function logConfigOf(ctx: EngineContext, own: HostConfig): NonNullable<HostConfig["LogConfig"]> {
  const type =
    own.LogConfig?.Type || (ctx.config.logDriver as NonNullable<HostConfig["LogConfig"]>["Type"]) || "json-file";
  const defaults = own.LogConfig?.Type && own.LogConfig.Type !== ctx.config.logDriver ? {} : ctx.config.logOpts;
  const options = Object.entries({ ...defaults, ...own.LogConfig?.Config });
  return { Type: type, Config: Object.fromEntries(options.sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/** As inspect shows it: every key that Docker shows, null or empty where nothing is set. */
export function renderHostConfig(host: HostConfig): HostConfig {
  const given = Object.entries(host).filter(
    ([key, value]) => !LEFT_OUT.has(key) || Object.keys(value ?? {}).length > 0,
  );
  const shown = {
    ...NOTHING_SET,
    ...Object.fromEntries(given),
    MaskedPaths: host.Privileged ? null : maskedPaths(host),
    ReadonlyPaths: host.Privileged ? null : readonlyPaths(host),
  };
  // The specification's types have no null for lists that Docker shows as null.
  return shown as unknown as HostConfig;
}

/** What Docker leaves out where it is empty. */
const LEFT_OUT = new Set(["Annotations", "StorageOpt", "Tmpfs", "Sysctls", "Mounts"]);

const NOTHING_SET = {
  Binds: null,
  ContainerIDFile: "",
  PortBindings: {},
  AutoRemove: false,
  VolumeDriver: "",
  VolumesFrom: null,
  ConsoleSize: [0, 0],
  CapAdd: null,
  CapDrop: null,
  Dns: [],
  DnsOptions: [],
  DnsSearch: [],
  ExtraHosts: null,
  GroupAdd: null,
  Cgroup: "",
  Links: null,
  OomScoreAdj: 0,
  PidMode: "",
  Privileged: false,
  PublishAllPorts: false,
  ReadonlyRootfs: false,
  SecurityOpt: null,
  UTSMode: "",
  UsernsMode: "",
  Isolation: "",
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: "",
  BlkioWeight: 0,
  BlkioWeightDevice: [],
  BlkioDeviceReadBps: [],
  BlkioDeviceWriteBps: [],
  BlkioDeviceReadIOps: [],
  BlkioDeviceWriteIOps: [],
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: "",
  CpusetMems: "",
  Devices: [],
  DeviceCgroupRules: null,
  DeviceRequests: null,
  MemoryReservation: 0,
  MemorySwappiness: null,
  OomKillDisable: false,
  PidsLimit: null,
  Ulimits: [],
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
};
