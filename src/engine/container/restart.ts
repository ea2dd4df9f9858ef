import { isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { startLocked } from "./start.ts";
import { stopRun } from "./stop.ts";

/** Stops it where it runs, and starts it. */
export async function restartContainer(
  ctx: EngineContext,
  reference: string,
  options: { signal?: string; timeout?: number },
): Promise<void> {
  const container = ctx.containers.find(reference);
  // AutoRemove must not take it away between stop and start.
  const { AutoRemove: autoRemove } = container.record.hostConfig;
  const setAutoRemove = (value: boolean): void => {
    const { record } = container;
    container.record = { ...record, hostConfig: { ...record.hostConfig, AutoRemove: value } };
  };
  if (autoRemove) setAutoRemove(false);
  try {
    if (isRunning(container)) await stopRun(ctx, container, options);
  } finally {
    if (autoRemove) setAutoRemove(true);
  }
  await container.lock.run(async () => {
    // Another's start in between has done it.
    if (!isRunning(container)) await startLocked(ctx, container, { byPolicy: false });
  });
  emitContainer(ctx.events, container, "restart");
}
