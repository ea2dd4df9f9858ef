import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { cgroupMode, cgroupProcesses, readCgroup } from "../../host/cgroup.ts";
import type { ContainerStatsResponse } from "../../spec/engine-api.ts";
import { type Container, isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { cgroupOf } from "./cgroup-path.ts";
import { sharedWith } from "./modes.ts";
import { NEVER } from "./status.ts";

const INTERVAL_MS = 1000;
const NANOS_PER_MICRO = 1000;
const NANOS_PER_TICK = 10_000_000;
const MACHINE_MS = 5;
/** A limit of v1 that means none: 2^63 rounded down to a page. */
const NO_LIMIT = 2 ** 62;

const NO_BLKIO = {
  io_service_bytes_recursive: null,
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
};

type CpuStats = NonNullable<ContainerStatsResponse["cpu_stats"]>;

/** What Docker sends before there is a first sample. */
const NO_CPU: CpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

/** `GET /containers/{id}/stats`: with `stream` a sample a second until the container ends, else one, after a second unless `oneShot`. */
export async function* containerStats(
  ctx: EngineContext,
  container: Container,
  options: { stream: boolean; oneShot: boolean; signal: AbortSignal },
): AsyncGenerator<ContainerStatsResponse> {
  let before: { read: string; cpu: CpuStats } | undefined;
  if (!options.stream && !options.oneShot && isRunning(container)) {
    before = { read: new Date().toISOString(), cpu: cpuStats(cgroupOf(container.record)) };
    await pause(container, options.signal);
  }
  for (;;) {
    const sample = isRunning(container) ? sampleOf(ctx, container) : emptySample(container);
    yield { ...sample, preread: before?.read ?? NEVER, precpu_stats: before?.cpu ?? NO_CPU };
    if (!options.stream || options.signal.aborted) return;
    before = { read: sample.read ?? NEVER, cpu: sample.cpu_stats ?? {} };
    await pause(container, options.signal);
    if (options.signal.aborted || !ctx.containers.get(container.record.id)) return;
  }
}

function emptySample(container: Container): ContainerStatsResponse {
  const { id, name } = container.record;
  return {
    name: `/${name}`,
    id,
    read: NEVER,
    pids_stats: {},
    // The specification has no null for these lists, which is what Docker sends.
    blkio_stats: NO_BLKIO as unknown as NonNullable<ContainerStatsResponse["blkio_stats"]>,
    num_procs: 0,
    storage_stats: {},
    cpu_stats: NO_CPU,
    memory_stats: {},
  };
}

function sampleOf(ctx: EngineContext, container: Container): ContainerStatsResponse {
  const { id, name, state } = container.record;
  const path = cgroupOf(container.record);
  const { NetworkMode: mode = "" } = container.record.hostConfig;
  const networked = ctx.network.get(id)?.netns !== undefined || sharedWith(mode) !== undefined;
  return {
    name: `/${name}`,
    id,
    read: new Date().toISOString(),
    pids_stats: pidsStats(path),
    blkio_stats: blkioStats(path),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpuStats(path),
    memory_stats: memoryStats(path),
    ...(networked ? { networks: networkStats(state.pid) } : {}),
  };
}

function cpuStats(path: string): CpuStats {
  const common = machineCpu();
  if (cgroupMode() === "v2") {
    const stat = keyed(readCgroup("cpu", path, "cpu.stat"));
    const nanos = (key: string): number => (stat[key] ?? 0) * NANOS_PER_MICRO;
    return {
      cpu_usage: {
        total_usage: nanos("usage_usec"),
        usage_in_kernelmode: nanos("system_usec"),
        usage_in_usermode: nanos("user_usec"),
      },
      ...common,
      throttling_data: {
        periods: stat["nr_periods"] ?? 0,
        throttled_periods: stat["nr_throttled"] ?? 0,
        throttled_time: nanos("throttled_usec"),
      },
    };
  }
  const ticks = keyed(readCgroup("cpuacct", path, "cpuacct.stat"));
  const stat = keyed(readCgroup("cpu", path, "cpu.stat"));
  return {
    cpu_usage: {
      total_usage: number(readCgroup("cpuacct", path, "cpuacct.usage")),
      percpu_usage: (readCgroup("cpuacct", path, "cpuacct.usage_percpu") ?? "")
        .trim()
        .split(/\s+/)
        .filter(Boolean)
        .map(Number),
      usage_in_kernelmode: (ticks["system"] ?? 0) * NANOS_PER_TICK,
      usage_in_usermode: (ticks["user"] ?? 0) * NANOS_PER_TICK,
    },
    ...common,
    throttling_data: {
      periods: stat["nr_periods"] ?? 0,
      throttled_periods: stat["nr_throttled"] ?? 0,
      throttled_time: stat["throttled_time"] ?? 0,
    },
  };
}

function memoryStats(path: string): NonNullable<ContainerStatsResponse["memory_stats"]> {
  const stats = keyed(readCgroup("memory", path, "memory.stat"));
  if (cgroupMode() === "v2") {
    const limit = readCgroup("memory", path, "memory.max")?.trim();
    return {
      usage: number(readCgroup("memory", path, "memory.current")),
      stats,
      limit: limit === undefined || limit === "max" ? totalmem() : Number(limit),
    };
  }
  const limit = number(readCgroup("memory", path, "memory.limit_in_bytes"));
  return {
    usage: number(readCgroup("memory", path, "memory.usage_in_bytes")),
    max_usage: number(readCgroup("memory", path, "memory.max_usage_in_bytes")),
    failcnt: number(readCgroup("memory", path, "memory.failcnt")),
    stats,
    limit: limit > NO_LIMIT ? totalmem() : Math.min(limit, totalmem()),
  };
}

function pidsStats(path: string): NonNullable<ContainerStatsResponse["pids_stats"]> {
  const current = readCgroup("pids", path, "pids.current");
  const limit = readCgroup("pids", path, "pids.max")?.trim();
  return {
    current: current === undefined ? cgroupProcesses(path).length : number(current),
    ...pidsLimit(limit),
  };
}

/** No limit is left out on v1, and 2^64-1 on v2, as Docker has it: a number that only a raw text can write exactly. */
function pidsLimit(limit: string | undefined): { limit?: number } {
  if (limit === undefined || (limit === "max" && cgroupMode() !== "v2")) return {};
  return { limit: limit === "max" ? rawNumber("18446744073709551615") : Number(limit) };
}

/** A number that JSON.stringify writes as the text says (ECMA-262, JSON.rawJSON). */
function rawNumber(text: string): number {
  return (JSON as unknown as { rawJSON(text: string): number }).rawJSON(text);
}

function blkioStats(path: string): NonNullable<ContainerStatsResponse["blkio_stats"]> {
  const bytes: NonNullable<NonNullable<ContainerStatsResponse["blkio_stats"]>["io_service_bytes_recursive"]> = [];
  const add = (device: string, op: string, value: number): void => {
    const [major = 0, minor = 0] = device.split(":").map(Number);
    bytes.push({ major, minor, op, value });
  };
  const v2 = cgroupMode() === "v2";
  for (const line of (readCgroup("blkio", path, v2 ? "io.stat" : "blkio.throttle.io_service_bytes") ?? "")
    .trim()
    .split("\n")) {
    const [device = "", ...rest] = line.split(" ");
    if (!device.includes(":")) continue;
    if (!v2) add(device, (rest[0] ?? "").toLowerCase(), Number(rest[1]));
    for (const word of v2 ? rest : []) {
      const [key, value] = word.split("=");
      if (key === "rbytes" || key === "wbytes") add(device, key === "rbytes" ? "read" : "write", Number(value));
    }
  }
  // On v1 Docker lists them as empty.
  const others = v2 ? NO_BLKIO : Object.fromEntries(Object.keys(NO_BLKIO).map((key) => [key, []]));
  return { ...others, io_service_bytes_recursive: bytes };
}

/** Interfaces of the process's network namespace, without loopback (proc_pid_net(5), dev). */
function networkStats(pid: number): NonNullable<ContainerStatsResponse["networks"]> {
  const networks: NonNullable<ContainerStatsResponse["networks"]> = {};
  for (const line of read(`/proc/${pid}/net/dev`).split("\n")) {
    const [name = "", values] = line.trim().split(/:\s*/);
    if (values === undefined || name === "lo") continue;
    const n = values.split(/\s+/).map(Number);
    const at = (i: number): number => n[i] ?? 0;
    networks[name] = {
      rx_bytes: at(0),
      rx_packets: at(1),
      rx_errors: at(2),
      rx_dropped: at(3),
      tx_bytes: at(8),
      tx_packets: at(9),
      tx_errors: at(10),
      tx_dropped: at(11),
    };
  }
  return networks;
}

let machine: { at: number; cpu: { system_cpu_usage: number; online_cpus: number } } | undefined;

/**
 * CPU time of the whole machine in nanoseconds: user, nice, system, idle, iowait, irq, softirq of /proc/stat's first line; and how many
 * CPUs have a line there. Samples of one moment share a reading: it counts in ticks of 10 ms.
 */
function machineCpu(): { system_cpu_usage: number; online_cpus: number } {
  const at = performance.now();
  if (machine && at - machine.at < MACHINE_MS) return machine.cpu;
  const text = read("/proc/stat");
  const fields = text
    .slice(0, Math.max(0, text.indexOf("\n")))
    .split(/\s+/)
    .slice(1, 8)
    .map(Number);
  const cpu = {
    system_cpu_usage: fields.reduce((sum, n) => sum + n, 0) * NANOS_PER_TICK,
    online_cpus: text.match(/^cpu\d+ /gm)?.length ?? 1,
  };
  machine = { at, cpu };
  return cpu;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // The process has just ended: no numbers.
  }
}

function keyed(text: string | undefined): Record<string, number> {
  const rows = (text ?? "")
    .trim()
    .split("\n")
    .map((line) => line.split(" "));
  return Object.fromEntries(rows.filter((r) => r.length === 2).map(([k, v]) => [k, Number(v)]));
}

function number(text: string | undefined): number {
  return Number(text?.trim() ?? 0);
}

/** A second, the container's end or the client's, whichever comes first. */
function pause(container: Container, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, INTERVAL_MS);
    signal.addEventListener("abort", done, { once: true });
    void container.removed.promise.then(done);
  });
}
