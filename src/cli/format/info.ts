import type { SystemInfo } from "../../spec/engine-api.ts";
import { binarySize } from "./units.ts";

type Line = string | undefined | false;

/** The server's part of `info`, in Docker's layout. */
export function infoText(info: SystemInfo): string {
  const lines: Line[] = [
    `Containers: ${info.Containers ?? 0}`,
    ` Running: ${info.ContainersRunning ?? 0}`,
    ` Paused: ${info.ContainersPaused ?? 0}`,
    ` Stopped: ${info.ContainersStopped ?? 0}`,
    `Images: ${info.Images ?? 0}`,
    field("Server Version", info.ServerVersion),
    field("Storage Driver", info.Driver),
    ...(info.DriverStatus ?? []).map(([k, v]) => ` ${k}: ${v}`),
    field("Logging Driver", info.LoggingDriver),
    field("Cgroup Driver", info.CgroupDriver),
    field("Cgroup Version", info.CgroupVersion),
    ...pluginLines(info),
    ...cdiLines(info),
    `Swarm: ${info.Swarm?.LocalNodeState || "inactive"}`,
    ...runtimeLines(info),
    ...securityLines(info),
    ...hostLines(info),
    ...endLines(info),
  ];
  return lines
    .filter((l) => typeof l === "string")
    .map((l) => ` ${l}\n`)
    .join("");
}

function field(name: string, value: string | number | undefined): Line {
  return value === undefined || value === "" ? undefined : `${name}: ${value}`;
}

function pluginLines(info: SystemInfo): Line[] {
  const { Volume = [], Network = [], Log = [], Authorization } = info.Plugins ?? {};
  return [
    "Plugins:",
    ` Volume: ${Volume.join(" ")}`,
    ` Network: ${Network.join(" ")}`,
    Authorization && Authorization.length > 0 && ` Authorization: ${Authorization.join(" ")}`,
    ` Log: ${Log.join(" ")}`,
  ];
}

function cdiLines(info: SystemInfo): Line[] {
  const dirs = info.CDISpecDirs ?? [];
  return dirs.length === 0 ? [] : ["CDI spec directories:", ...dirs.map((d) => ` ${d}`)];
}

function runtimeLines(info: SystemInfo): Line[] {
  const names = Object.keys(info.Runtimes ?? {}).sort();
  return [
    names.length > 0 && `Runtimes: ${names.join(" ")}`,
    field("Default Runtime", info.DefaultRuntime),
    field("Init Binary", info.InitBinary),
    info.ContainerdCommit && `containerd version: ${info.ContainerdCommit.ID ?? ""}`,
    info.RuncCommit && `runc version: ${info.RuncCommit.ID ?? ""}`,
    info.InitCommit && `init version: ${info.InitCommit.ID ?? ""}`,
  ];
}

/** `name=seccomp,profile=builtin` is shown as the name with its settings below. */
function securityLines(info: SystemInfo): Line[] {
  const options = info.SecurityOptions ?? [];
  if (options.length === 0) return [];
  const lines = options.flatMap((option) => {
    const pairs = option.split(",").map((p) => p.split("=", 2));
    const name = pairs.find(([k]) => k === "name")?.[1] ?? option;
    const rest = pairs.filter(([k]) => k !== "name").map(([k = "", v = ""]) => `  ${title(k)}: ${v}`);
    return [` ${name}`, ...rest];
  });
  return ["Security Options:", ...lines];
}

const title = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

function hostLines(info: SystemInfo): Line[] {
  return [
    field("Kernel Version", info.KernelVersion),
    field("Operating System", info.OperatingSystem),
    field("OSType", info.OSType),
    field("Architecture", info.Architecture),
    field("CPUs", info.NCPU),
    info.MemTotal !== undefined && `Total Memory: ${binarySize(info.MemTotal)}`,
    field("Name", info.Name),
    field("ID", info.ID),
    field("Docker Root Dir", info.DockerRootDir),
    `Debug Mode: ${info.Debug ?? false}`,
    field("HTTP Proxy", info.HttpProxy),
    field("HTTPS Proxy", info.HttpsProxy),
    field("No Proxy", info.NoProxy),
  ];
}

/** What Docker does not have: which mirror serves each registry, the default registry, short names. */
function resolutionLines({ RegistryConfig }: SystemInfo): Line[] {
  const { MirrorStates = [], DefaultRegistry, ShortNames = {} } = RegistryConfig ?? {};
  const names = Object.entries(ShortNames);
  const states = MirrorStates.flatMap(({ Registry, LastServedBy, LastServedAt, Mirrors = [] }) => [
    ` ${Registry}: ${LastServedBy ? `last served by ${LastServedBy} at ${LastServedAt}` : "not asked yet"}`,
    ...Mirrors.map(({ URL, State, FailingSince, NextTry, LastError }) => {
      const failing = State === "failing" ? ` since ${FailingSince}, next try at ${NextTry}` : "";
      return `  ${URL}: ${State}${failing}${LastError ? ` (last error: ${LastError})` : ""}`;
    }),
  ]);
  return [
    ...(states.length > 0 ? ["Mirror States:", ...states] : []),
    field("Default Registry", DefaultRegistry),
    ...(names.length > 0 ? ["Short Names:", ...names.map(([short, long]) => ` ${short}: ${long}`)] : []),
  ];
}

function endLines(info: SystemInfo): Line[] {
  const labels = info.Labels ?? [];
  const insecure = Object.entries(info.RegistryConfig?.IndexConfigs ?? {}).filter(([, i]) => i?.Secure === false);
  const ranges = info.RegistryConfig?.InsecureRegistryCIDRs ?? [];
  const mirrors = info.RegistryConfig?.Mirrors ?? [];
  const pools = info.DefaultAddressPools ?? [];
  return [
    ...(labels.length > 0 ? ["Labels:", ...labels.map((l) => ` ${l}`)] : []),
    `Experimental: ${info.ExperimentalBuild ?? false}`,
    ...(insecure.length + ranges.length > 0
      ? ["Insecure Registries:", ...insecure.map(([name]) => ` ${name}`), ...ranges.map((r) => ` ${r}`)]
      : []),
    ...(mirrors.length > 0 ? ["Registry Mirrors:", ...mirrors.map((m) => ` ${m}`)] : []),
    ...resolutionLines(info),
    `Live Restore Enabled: ${info.LiveRestoreEnabled ?? false}`,
    ...(pools.length > 0 ? ["Default Address Pools:", ...pools.map((p) => `  Base: ${p.Base}, Size: ${p.Size}`)] : []),
  ];
}
