import { freezeCgroup } from "../../host/cgroup.ts";
import { BerthError } from "../../spec/errors.ts";
import { type Container, isRunning, refuseRestarting, runningOf } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { cgroupOf } from "./cgroup-path.ts";
import { followPause } from "./health.ts";

/** Freezes all processes of a running container. Throws `conflict` in Docker's words where it does not run or is paused. */
export function pauseContainer(ctx: EngineContext, reference: string): Promise<void> {
  const container = ctx.containers.find(reference);
  return container.lock.run(async () => {
    const { id, state } = container.record;
    refuseRestarting(container);
    // On cgroup v1 a frozen process does not die: one that was killed is left to its end.
    if (runningOf(container).killed) throw new BerthError("conflict", `container ${id} is not running`);
    if (state.paused) throw new BerthError("conflict", `Container ${id} is already paused`);
    await pauseLocked(ctx, container);
  });
}

/** Freezes a container that runs and is not paused, its lock held. */
export async function pauseLocked(ctx: EngineContext, container: Container): Promise<void> {
  await freezeCgroup(cgroupOf(container.record), true);
  setPaused(ctx, container, true);
}

/** Thaws a paused container. Throws `internal`, as Docker does, where it is not paused. */
export function unpauseContainer(ctx: EngineContext, reference: string): Promise<void> {
  const container = ctx.containers.find(reference);
  return container.lock.run(async () => {
    if (!(await thawLocked(ctx, container)))
      throw new BerthError("internal", `Container ${container.record.id} is not paused`);
  });
}

/** Thaws a container that is paused, its lock held. False where it is not. */
export async function thawLocked(ctx: EngineContext, container: Container): Promise<boolean> {
  if (!isRunning(container) || !container.record.state.paused) return false;
  await freezeCgroup(cgroupOf(container.record), false);
  setPaused(ctx, container, false);
  return true;
}

function setPaused(ctx: EngineContext, container: Container, paused: boolean): void {
  ctx.containers.saveRun(container, { state: { ...container.record.state, paused } });
  followPause(ctx, container);
  emitContainer(ctx.events, container, paused ? "pause" : "unpause");
}
