import { isExiting } from "../../host/proc.ts";
import { durationText } from "../../spec/duration.ts";
import type { HealthConfig } from "../../spec/engine-api.ts";
import { messageOf } from "../../spec/errors.ts";
import { StdDemux } from "../../spec/stdcopy.ts";
import type { Container, Health, Run } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { execOf } from "../exec/create.ts";
import { launchExec, runExec } from "../exec/start.ts";
import type { HealthRecord } from "../record.ts";

const NANOS_PER_MS = 1e6;
const DEFAULT_MS = 30_000;
const DEFAULT_START_INTERVAL_MS = 5_000;
const DEFAULT_RETRIES = 3;
const LOG_ENTRIES = 5;
const OUTPUT_MAX = 4096;
const SIGKILL = 9;
/** How long a first process that is ending is given, before a failed check is believed after all. */
const ENDING_MS = 2_000;

interface Probe {
  argv: string[];
  interval: number;
  startInterval: number;
  timeout: number;
  startPeriod: number;
  retries: number;
}

interface Outcome {
  code: number;
  output: string;
}

/**
 * Begins the health checks of a run, where the configuration has one; they end with the run, and with a pause. `known` is what was found of the same run before a
 * pause, or by a former daemon. The log goes on over runs. Each check's result is recorded (one transaction; none for AutoRemove), so a kill loses the check that
 * is under way at most.
 */
export function startHealth(ctx: EngineContext, container: Container, run: Run, known?: HealthRecord): void {
  const probe = probeOf(container.record.config.Healthcheck, container.record.config.Shell);
  delete container.health;
  if (!probe) return;
  const end = new AbortController();
  const log = container.record.health?.log ?? [];
  const { status, failingStreak }: Omit<HealthRecord, "log"> = known ?? { status: "starting", failingStreak: 0 };
  const health: Health = { status, failingStreak, log: [...log], stop: () => end.abort() };
  container.health = health;
  if (container.record.state.paused) return;
  void run.done.then(() => end.abort());
  void checkAgainAndAgain(ctx, container, { probe, health, end: end.signal });
}

/** A paused container is not checked; one that goes on is unhealthy until its next good check. */
export function followPause(ctx: EngineContext, container: Container): void {
  const { health, run, record } = container;
  health?.stop();
  if (health && run && !record.state.paused) startHealth(ctx, container, run, { ...health, status: "unhealthy" });
}

/** `Test` of a HealthConfig as a command; undefined for NONE and for none. Times in milliseconds. */
export function probeOf(
  config: HealthConfig | undefined,
  shell: readonly string[] | null | undefined,
): Probe | undefined {
  const [kind, ...words] = config?.Test ?? [];
  if (!config || (kind !== "CMD" && kind !== "CMD-SHELL") || words.length === 0) return undefined;
  const millis = (nanos: number | undefined, otherwise: number): number => (nanos ? nanos / NANOS_PER_MS : otherwise);
  return {
    argv: kind === "CMD" ? words : [...(shell?.length ? shell : ["/bin/sh", "-c"]), words.join(" ")],
    interval: millis(config.Interval, DEFAULT_MS),
    startInterval: millis(config.StartInterval, DEFAULT_START_INTERVAL_MS),
    timeout: millis(config.Timeout, DEFAULT_MS),
    startPeriod: millis(config.StartPeriod, 0),
    retries: config.Retries || DEFAULT_RETRIES,
  };
}

async function checkAgainAndAgain(
  ctx: EngineContext,
  container: Container,
  of: { probe: Probe; health: Health; end: AbortSignal },
): Promise<void> {
  const { probe, health, end } = of;
  const begun = container.record.state.startedAt;
  while (!end.aborted) {
    const starting = health.status === "starting" && Date.now() - begun < probe.startPeriod;
    await pause(starting ? probe.startInterval : probe.interval, end);
    if (end.aborted) return;
    const start = new Date();
    const { code, output } = await check(ctx, container, probe);
    // All processes end with the first one: such a check says nothing.
    if (code !== 0 && isExiting(container.record.state.pid)) await pause(ENDING_MS, end);
    if (end.aborted) return;
    health.log.push({ Start: start.toISOString(), End: new Date().toISOString(), ExitCode: code, Output: output });
    if (health.log.length > LOG_ENTRIES) health.log.shift();
    const inStartPeriod = start.getTime() - begun < probe.startPeriod;
    judge(ctx, container, { health, code, retries: probe.retries, inStartPeriod });
    record(ctx, container, health);
  }
}

function judge(
  ctx: EngineContext,
  container: Container,
  of: { health: Health; code: number; retries: number; inStartPeriod: boolean },
): void {
  const { health, code } = of;
  const before = health.status;
  if (code === 0) {
    health.failingStreak = 0;
    health.status = "healthy";
  } else if (before !== "starting" || !of.inStartPeriod) {
    health.failingStreak++;
    if (health.failingStreak >= of.retries) health.status = "unhealthy";
  }
  if (health.status !== before) emitContainer(ctx.events, container, `health_status: ${health.status}`);
}

function record(ctx: EngineContext, container: Container, { status, failingStreak, log }: HealthRecord): void {
  ctx.containers.saveRun(container, { health: { status, failingStreak, log: [...log] } });
}

async function check(ctx: EngineContext, container: Container, probe: Probe): Promise<Outcome> {
  try {
    const body = { Cmd: probe.argv, AttachStdout: true, AttachStderr: true };
    const exec = execOf(ctx, container, body);
    for (const action of ["exec_create", "exec_start"])
      emitContainer(ctx.events, container, `${action}: ${probe.argv.join(" ")}`, { execID: exec.id });
    const handle = await launchExec(ctx, container, exec);
    const output = collect(await handle.attach(exec.attach));
    await runExec(ctx, container, { exec, handle });
    const timer = setTimeout(() => void handle.signal(SIGKILL), probe.timeout);
    const status = await handle.exited.finally(() => clearTimeout(timer));
    if (status.finishedAt - status.startedAt >= probe.timeout) {
      const late = `Health check exceeded timeout (${durationText(probe.timeout * NANOS_PER_MS)})`;
      return { code: -1, output: [late, await output].filter(Boolean).join(": ") };
    }
    return { code: status.code, output: await output };
  } catch (error) {
    return { code: -1, output: messageOf(error) };
  }
}

/** The first bytes of both streams, and three dots where there was more. */
async function collect(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const demux = new StdDemux();
  const kept: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    for (const { data } of demux.push(chunk)) {
      if (size < OUTPUT_MAX) kept.push(data.slice(0, OUTPUT_MAX - size));
      size += data.length;
    }
  }
  return Buffer.concat(kept).toString() + (size > OUTPUT_MAX ? "..." : "");
}

function pause(ms: number, end: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    end.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
