import { runningOf } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";

/** Sets the size of a running container's terminal; without one nothing is to be done, as with Docker. */
export async function resizeContainer(
  ctx: EngineContext,
  reference: string,
  size: { rows: number; cols: number },
): Promise<void> {
  const container = ctx.containers.find(reference);
  const { handle } = runningOf(container);
  if (container.record.config.Tty) await handle.resize(size.rows, size.cols);
  emitContainer(ctx.events, container, "resize", { height: String(size.rows), width: String(size.cols) });
}
