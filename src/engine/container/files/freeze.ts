import { existsSync, rmSync, writeFileSync } from "node:fs";
import { freezeCgroup } from "../../../host/cgroup.ts";
import { type Container, isRunning } from "../../container.ts";
import { containerDir, type EngineContext } from "../../context.ts";
import { emitContainer } from "../../events.ts";
import { cgroupOf } from "../cgroup-path.ts";

/**
 * Runs `work` while the processes of a running container stand still, its lock held. What a person has paused stays paused. A mark in the container's
 * folder, there before the first process stops, tells the next start-up of a killed daemon to thaw it.
 */
export function whileFrozen<R>(ctx: EngineContext, container: Container, work: () => Promise<R>): Promise<R> {
  return container.lock.run(async () => {
    if (!isRunning(container) || container.record.state.paused) return work();
    await using undo = new AsyncDisposableStack();
    undo.defer(() => thaw(ctx, container));
    writeFileSync(markOf(ctx, container), "");
    await freezeCgroup(cgroupOf(container.record), true);
    emitContainer(ctx.events, container, "pause");
    undo.defer(() => emitContainer(ctx.events, container, "unpause"));
    return await work();
  });
}

/** Thaws a container that a killed daemon had frozen for a moment. Repeatable. */
export async function thawAfterKill(ctx: EngineContext, container: Container): Promise<void> {
  if (existsSync(markOf(ctx, container))) await thaw(ctx, container);
}

async function thaw(ctx: EngineContext, container: Container): Promise<void> {
  // One that was killed meanwhile has no cgroup any more.
  await freezeCgroup(cgroupOf(container.record), false).catch(() => undefined);
  rmSync(markOf(ctx, container), { force: true });
}

function markOf(ctx: EngineContext, container: Container): string {
  return `${containerDir(ctx, container.record.id)}/frozen`;
}
