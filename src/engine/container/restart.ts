import { isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { endRestarting } from "./schedule.ts";
import { startLocked } from "./start.ts";
import { stopRun } from "./stop.ts";

/** Stops it where it runs or waits for its restart, and starts it. A kill in between leaves it stopped; one with AutoRemove is removed by the next daemon. */
export async function restartContainer(
  ctx: EngineContext,
  reference: string,
  options: { signal?: string; timeout?: number },
): Promise<void> {
  const container = ctx.containers.find(reference);
  container.restarting = true;
  try {
    if (await container.lock.run(() => endRestarting(ctx, container))) emitContainer(ctx.events, container, "stop");
    else if (isRunning(container)) await stopRun(ctx, container, options);
  } finally {
    container.restarting = false;
  }
  await container.lock.run(async () => {
    // Another's start in between has done it.
    if (!isRunning(container)) await startLocked(ctx, container, { byPolicy: false });
  });
  emitContainer(ctx.events, container, "restart");
}
