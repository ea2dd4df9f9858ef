import { BerthError } from "../../spec/errors.ts";
import { parseSignal } from "../../spec/signals.ts";
import { type Container, type Run, runningOf } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { thawLocked } from "./pause.ts";
import { endRestarting } from "./schedule.ts";

const SIGKILL = 9;
const LAST_SIGNAL = 64;

/**
 * Sends a signal to a running container's first process (default SIGKILL). As with Docker, no restart policy starts it again, and a paused one
 * is thawed, unless its configuration names a stop signal and this is another one (then `unless-stopped` alone minds it). Throws `conflict` in Docker's words where it does not run.
 */
export async function killContainer(
  ctx: EngineContext,
  reference: string,
  options: { signal?: string },
): Promise<void> {
  const { container, number } = targetOf(ctx, reference, options.signal);
  // What waits for its restart needs no signal, and gets no event: it stays at rest.
  if (await container.lock.run(() => endRestarting(ctx, container))) return;
  const run = refusing(reference, () => runningOf(container));
  const ends = !container.record.config.StopSignal || number === SIGKILL || number === stopSignalOf(container);
  if (ends || container.record.hostConfig.RestartPolicy?.Name === "unless-stopped") markStopped(container);
  await (ends ? sendSignal(ctx, container, { number }) : signalRun(ctx, container, { run, number }));
  // Docker answers a SIGKILL when the container has ended.
  if (number === SIGKILL) await run.done;
}

function targetOf(
  ctx: EngineContext,
  reference: string,
  signal: string | undefined,
): { container: Container; number: number } {
  return refusing(reference, () => {
    if (/^-?\d+$/.test(signal ?? "") && (Number(signal) < 0 || Number(signal) > LAST_SIGNAL))
      throw new BerthError("invalid-argument", `the linux daemon does not support signal ${signal}`);
    const number = signal ? parseSignal(signal) : SIGKILL;
    return { container: ctx.containers.find(reference), number };
  });
}

/** Every refusal begins with Docker's words. */
function refusing<T>(reference: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof BerthError)) throw error;
    throw new BerthError(error.kind, `cannot kill container: ${reference}: ${error.message}`, { cause: error });
  }
}

/**
 * Sends a signal that shall end it to the run, announces that, and thaws what is paused: it could not take the signal. A run that has just
 * ended is fine.
 */
export async function sendSignal(
  ctx: EngineContext,
  container: Container,
  of: { number: number; reason?: string },
): Promise<void> {
  const run = runningOf(container);
  const { number, ...why } = of;
  if (number === SIGKILL) run.killed = true;
  await signalRun(ctx, container, { run, number, why });
  if (container.record.state.paused || number === SIGKILL) await container.lock.run(() => thawLocked(ctx, container));
}

async function signalRun(
  ctx: EngineContext,
  container: Container,
  of: { run: Run; number: number; why?: { reason?: string } },
): Promise<void> {
  await of.run.handle.signal(of.number);
  emitContainer(ctx.events, container, "kill", { signal: String(of.number), ...of.why });
}

/** A person wants it to end: no restart policy starts it again. Recorded together with the exit. */
export function markStopped(container: Container): void {
  const { record } = container;
  container.record = { ...record, state: { ...record.state, manualStop: true } };
}

/** The signal that asks it to stop. */
export function stopSignalOf(container: Container): number {
  return parseSignal(container.record.config.StopSignal || "SIGTERM");
}
