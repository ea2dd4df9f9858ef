import { runningOf } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";

/** Sets the size of a running container's terminal. */
export async function resizeContainer(
  ctx: EngineContext,
  reference: string,
  size: { rows: number; cols: number },
): Promise<void> {
  const container = ctx.containers.find(reference);
  await runningOf(container).handle.resize(size.rows, size.cols);
  emitContainer(ctx.events, container, "resize", { height: String(size.rows), width: String(size.cols) });
}
