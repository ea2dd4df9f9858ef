import { readFileSync } from "node:fs";
import { signalMasks, waitsForSignals } from "../../host/proc.ts";
import { BerthError } from "../../spec/errors.ts";
import { parseSignal, signalName } from "../../spec/signals.ts";
import { type Container, isRunning, type Run } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { markStopped, sendSignal, stopSignalOf } from "./kill.ts";
import { endRestarting } from "./schedule.ts";

const SIGKILL = 9;
const DEFAULT_SECONDS = 10;
const MS = 1000;

/**
 * Stops a container: the stop signal, then SIGKILL after the timeout in seconds (its own, else 10; -1: never). Where its first process can
 * not receive the signal it is killed at once. Throws `not-modified` where it does not run.
 */
export async function stopContainer(
  ctx: EngineContext,
  reference: string,
  options: { signal?: string; timeout?: number },
): Promise<void> {
  const container = ctx.containers.find(reference);
  if (await container.lock.run(() => endRestarting(ctx, container))) {
    emitContainer(ctx.events, container, "stop");
    return;
  }
  if (!isRunning(container)) {
    throw new BerthError("not-modified", `container ${container.record.id} is already stopped`);
  }
  await stopRun(ctx, container, options);
}

/** Stops the present run of a running container and announces it; answers when its exit is recorded. */
export async function stopRun(
  ctx: EngineContext,
  container: Container,
  options: { signal?: string; timeout?: number },
): Promise<void> {
  const { run } = container;
  if (!run) return;
  markStopped(container);
  const signal = options.signal ? parseSignal(options.signal) : stopSignalOf(container);
  const seconds = options.timeout ?? container.record.config.StopTimeout ?? DEFAULT_SECONDS;
  const deaf = isDeaf(container.record.state.pid, signal);
  const reason = deaf ? { reason: `no handler for ${signalName(signal)}` } : {};
  run.ended ??= () => emitContainer(ctx.events, container, "stop", reason);
  // Clients count on the event of the signal also where nobody hears it.
  await sendSignal(ctx, container, { number: signal });
  if (deaf) await kill(ctx, container, reason);
  else if (!(await endsWithin(run, seconds)))
    await kill(ctx, container, { reason: `still running after ${seconds} s` });
  await run.done;
}

async function kill(ctx: EngineContext, container: Container, why: { reason?: string }): Promise<void> {
  if (!container.run) return;
  await sendSignal(ctx, container, { number: SIGKILL, ...why });
}

/**
 * True where the kernel would drop the signal: the first process of a pid namespace gets none that it has no handler for, and nobody
 * gets one that it ignores (pid_namespaces(7), signal(7)).
 */
function isDeaf(pid: number, signal: number): boolean {
  if (signal === SIGKILL) return false;
  const masks = signalMasks(pid);
  if (!masks) return false;
  const bit = 1n << BigInt(signal - 1);
  if ((masks.ignored & bit) !== 0n) return true;
  return ((masks.caught | masks.blocked) & bit) === 0n && isNamespaceInit(pid) && !waitsForSignals(pid);
}

function isNamespaceInit(pid: number): boolean {
  try {
    const ids = /^NSpid:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]?.split(/\s+/) ?? [];
    return ids.length > 1 && ids.at(-1) === "1";
  } catch {
    return false; // The process has ended.
  }
}

async function endsWithin(run: Run, seconds: number): Promise<boolean> {
  const ended = run.handle.exited.then(() => true);
  if (seconds < 0) return ended;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), seconds * MS);
  });
  return Promise.race([ended, late]).finally(() => clearTimeout(timer));
}
