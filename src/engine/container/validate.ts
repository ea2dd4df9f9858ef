import { cpus } from "node:os";
import { capabilitySet } from "../../runtime/capabilities.ts";
import { ULIMIT_NAMES } from "../../runtime/limits.ts";
import type { ContainerConfig, HostConfig } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { parseSignal } from "../../spec/signals.ts";
import type { EngineContext } from "../context.ts";
import { checkLog } from "../logging/drivers.ts";
import { checkCpusets } from "./validate-isolation.ts";

const MIN_MEMORY = 6 * 1024 * 1024;
const NAME = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const NANOS = 1e9;
const NANOS_PER_MS = 1e6;
const MAX_PERIOD_US = 1_000_000;
const MIN_CFS_US = 1000;
const ALL_CAPABILITIES = (1n << 64n) - 1n;

const bad = (message: string): BerthError => new BerthError("invalid-argument", message);

/** Throws `invalid-argument` in Docker's words; returns the name without slash. */
export function checkName(name: string): string {
  if (!NAME.test(name)) throw bad(`Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  return name.replace(/^\//, "");
}

/** Checks a merged configuration. */
export function checkConfig(config: ContainerConfig): void {
  if (config.WorkingDir && !config.WorkingDir.startsWith("/")) {
    throw bad(`the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`);
  }
  for (const word of config.Env ?? [])
    if (word.startsWith("=") || word === "") throw bad(`invalid environment variable: ${word}`);
  if (config.StopSignal) parseSignal(config.StopSignal);
  for (const key of Object.keys(config.ExposedPorts ?? {})) checkPortKey(key);
  const hostname = config.Hostname ?? "";
  if (hostname.length > 64) throw bad(`invalid hostname: ${hostname}`);
  checkHealth(config.Healthcheck ?? {});
  const words = [config.WorkingDir ?? "", ...(config.Env ?? []), ...listOf(config.Cmd), ...listOf(config.Entrypoint)];
  const cut = words.find((word) => word.includes("\0"));
  if (cut !== undefined) throw bad(`invalid argument ${JSON.stringify(cut.slice(0, 80))}: contains a NUL byte`);
}

function listOf(value: string | readonly string[] | null | undefined): readonly string[] {
  return typeof value === "string" ? [value] : (value ?? []);
}

function checkHealth(health: NonNullable<ContainerConfig["Healthcheck"]>): void {
  for (const field of ["Interval", "Timeout", "StartPeriod", "StartInterval"] as const) {
    const nanos = health[field] ?? 0;
    if (nanos !== 0 && nanos < NANOS_PER_MS) throw bad(`${field} in Healthcheck cannot be less than 1ms`);
  }
  if ((health.Retries ?? 0) < 0) throw bad("Retries in Healthcheck cannot be negative");
}

/** Checks a normalised host configuration. Returns warnings. */
export function checkHostConfig(ctx: EngineContext, host: HostConfig): string[] {
  ctx.runtime.checkRuntime(host.Runtime ?? "");
  checkRestart(host);
  checkCapabilities(host);
  checkLog(host);
  checkPorts(host);
  checkResources(host);
  checkOtherSystems(host);
  if (Object.hasOwn(host.Annotations ?? {}, ""))
    throw bad("invalid Annotations: the empty string is not permitted as an annotation key");
  return [...resourceWarnings(host), ...portWarnings(host)];
}

/** Settings of other systems than Linux. */
function checkOtherSystems(host: HostConfig): void {
  const invalid = (what: string): BerthError =>
    bad(`invalid option: QoS maximum ${what} configuration is not supported on linux`);
  if (host.IOMaximumIOps) throw invalid("IOPs");
  if (host.IOMaximumBandwidth) throw invalid("bandwidth");
}

function resourceWarnings(host: HostConfig): string[] {
  const killer =
    "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.";
  return [
    ...(host.OomKillDisable && !host.Memory ? [killer] : []),
    ...(host.CpuPercent ? ["linux does not support CPU percent. Percent discarded."] : []),
  ];
}

function portWarnings(host: HostConfig): string[] {
  const mode = host.NetworkMode ?? "bridge";
  if (mode === "host" && Object.keys(host.PortBindings ?? {}).length > 0) {
    return ["Published ports are discarded when using host network mode"];
  }
  return [];
}

/** Memory, swap and CPU limits, as create and update check them. */
export function checkResources(host: HostConfig): void {
  const { Memory: memory = 0, MemorySwap: swap = 0, CpuShares: shares = 0 } = host;
  if (shares < 0) throw bad(`invalid CPU shares (${shares}): value must be a positive integer`);
  if (memory !== 0 && memory < MIN_MEMORY) throw bad("Minimum memory limit allowed is 6MB");
  if (memory === 0 && swap > 0)
    throw bad("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (memory > 0 && swap > 0 && swap < memory)
    throw bad("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (memory > 0 && (host.MemoryReservation ?? 0) > memory) {
    throw bad("Minimum memory limit can not be less than memory reservation limit, see usage");
  }
  const { MemoryReservation: reservation = 0, MemorySwappiness: swappiness = 0 } = host;
  if (reservation !== 0 && reservation < MIN_MEMORY) throw bad("Minimum memory reservation allowed is 6MB");
  if (swappiness < -1 || swappiness > 100)
    throw bad(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  if ((host.ShmSize ?? 0) < 0) throw bad("SHM size can not be less than 0");
  checkCpu(host);
  const adjust = host.OomScoreAdj ?? 0;
  if (adjust < -1000 || adjust > 1000) {
    throw bad(`Invalid value ${adjust}, range for oom score adj is [-1000, 1000]`);
  }
}

function checkCpu(host: HostConfig): void {
  const { NanoCpus: nano = 0, CpuPeriod: period = 0, CpuQuota: quota = 0 } = host;
  const count = cpus().length;
  if (nano < 0 || nano > count * NANOS) {
    throw bad(`range of CPUs is from 0.01 to ${count}.00, as there are only ${count} CPUs available`);
  }
  if (nano > 0 && (host.CpuQuota ?? 0) > 0)
    throw bad("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  if (nano > 0 && (host.CpuPeriod ?? 0) > 0)
    throw bad("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  if (period !== 0 && (period < MIN_CFS_US || period > MAX_PERIOD_US))
    throw bad("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if (quota > 0 && quota < MIN_CFS_US) throw bad("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  const { CpuRealtimePeriod: realtime = 0, CpuRealtimeRuntime: runtime = 0 } = host;
  if (realtime !== 0 && runtime > realtime)
    throw bad("cpu real-time runtime cannot be higher than cpu real-time period");
  checkCpusets(host);
}

/** Ulimits, which the OCI runtime would refuse only at the start. */
export function checkUlimits(host: HostConfig): void {
  for (const { Name: name = "" } of host.Ulimits ?? [])
    if (!ULIMIT_NAMES.has(name.toLowerCase())) throw bad(`invalid ulimit type: ${name.slice(0, 40)}`);
}

/** Restart policy, alone and together with AutoRemove. */
export function checkRestart(host: HostConfig): void {
  const name = host.RestartPolicy?.Name ?? "no";
  const retries = host.RestartPolicy?.MaximumRetryCount ?? 0;
  if (!["", "no", "always", "on-failure", "unless-stopped"].includes(name)) {
    throw bad(
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (name !== "on-failure" && retries !== 0)
    throw bad("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  if (retries < 0) throw bad("invalid restart policy: maximum retry count cannot be negative");
  if (host.AutoRemove && name !== "no" && name !== "")
    throw bad("can't create 'AutoRemove' container with restart policy");
}

function checkCapabilities(host: HostConfig): void {
  const known = new Set(capabilitySet({ add: ["ALL"], drop: [], privileged: true, held: ALL_CAPABILITIES }));
  for (const [field, list] of [
    ["CapAdd", host.CapAdd],
    ["CapDrop", host.CapDrop],
  ] as const) {
    for (const name of list ?? []) {
      const upper = name.toUpperCase();
      const full = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
      if (upper !== "ALL" && !known.has(full)) throw bad(`invalid ${field}: unknown capability: "${full}"`);
    }
  }
}

function checkPorts(host: HostConfig): void {
  for (const [key, bindings] of Object.entries(host.PortBindings ?? {})) {
    checkPortKey(key);
    for (const { HostPort: port = "" } of bindings ?? []) {
      const parts = port === "" ? [] : port.split("-");
      if (parts.length > 2 || parts.some((p) => !/^\d+$/.test(p) || Number(p) > 65535)) {
        throw bad(`invalid port specification: "${port}"`);
      }
    }
  }
}

function checkPortKey(key: string): void {
  const [port = "", protocol = "tcp"] = key.split("/");
  if (!/^\d+(-\d+)?$/.test(port) || Number(port.split("-")[0]) > 65535)
    throw bad(`invalid port specification: "${key}"`);
  if (!["tcp", "udp", "sctp"].includes(protocol.toLowerCase())) throw bad(`invalid proto: ${protocol}`);
}
