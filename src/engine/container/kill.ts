import { BerthError } from "../../spec/errors.ts";
import { parseSignal } from "../../spec/signals.ts";
import { type Container, type Run, runningOf } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";

const SIGKILL = 9;

/** Sends a signal to a running container's first process (default SIGKILL). Throws `conflict` in Docker's words where it does not run. */
export async function killContainer(
  ctx: EngineContext,
  reference: string,
  options: { signal?: string },
): Promise<void> {
  const { container, run, number } = targetOf(ctx, reference, options.signal);
  if (number === SIGKILL || number === stopSignalOf(container)) markStopped(container);
  await sendSignal(container, number);
  emitContainer(ctx.events, container, "kill", { signal: String(number) });
  // Docker answers a SIGKILL when the container has ended.
  if (number === SIGKILL) await run.done;
}

function targetOf(
  ctx: EngineContext,
  reference: string,
  signal: string | undefined,
): { container: Container; run: Run; number: number } {
  try {
    const number = signal ? parseSignal(signal) : SIGKILL;
    const container = ctx.containers.find(reference);
    return { container, run: runningOf(container), number };
  } catch (error) {
    if (!(error instanceof BerthError)) throw error;
    throw new BerthError(error.kind, `cannot kill container: ${reference}: ${error.message}`, { cause: error });
  }
}

/** Sends a signal to the run; one that has just ended is fine. */
export async function sendSignal(container: Container, number: number): Promise<void> {
  await runningOf(container).handle.signal(number);
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
