import { existsSync, rmSync, writeFileSync } from "node:fs";
import { freezeCgroup } from "../../../host/cgroup.ts";
import { type Container, isRunning, type Run } from "../../container.ts";
import { containerDir, type EngineContext } from "../../context.ts";
import { cgroupOf } from "../cgroup-path.ts";
import { pauseLocked, thawLocked } from "../pause.ts";

interface Held {
  count: number;
  /** The run that was paused for them; undefined: none, it stood still or did not run. */
  run: Run | undefined;
}

/** How many want a container to stand still now: the last one of them lets it go on. */
const HELD = new WeakMap<Container, Held>();

/**
 * Runs `work` while a running container is paused for it, as Docker does: its lock is free meanwhile, so it can be inspected, killed and
 * removed. What a person has paused stays paused; what a person lets go on meanwhile goes on. A mark in the container's folder, there before the first process
 * stops, tells the next start-up of a killed daemon to thaw it.
 */
export async function whileFrozen<R>(ctx: EngineContext, container: Container, work: () => Promise<R>): Promise<R> {
  await container.lock.run(() => hold(ctx, container));
  try {
    return await work();
  } finally {
    await container.lock.run(() => release(ctx, container));
  }
}

async function hold(ctx: EngineContext, container: Container): Promise<void> {
  const held: Held = HELD.get(container) ?? { count: 0, run: undefined };
  HELD.set(container, held);
  if (isRunning(container) && !container.record.state.paused && container.run?.killed !== true) {
    writeFileSync(markOf(ctx, container), "");
    try {
      await pauseLocked(ctx, container);
      held.run = container.run;
    } catch (error) {
      if (held.count === 0) rmSync(markOf(ctx, container), { force: true });
      throw error;
    }
  }
  held.count++;
}

async function release(ctx: EngineContext, container: Container): Promise<void> {
  const held = HELD.get(container);
  if (held && --held.count === 0) await letGo(ctx, container, held);
}

async function letGo(ctx: EngineContext, container: Container, held: Held): Promise<void> {
  HELD.delete(container);
  // One that was killed meanwhile has no cgroup any more.
  if (held.run === container.run) await thawLocked(ctx, container).catch(() => undefined);
  rmSync(markOf(ctx, container), { force: true });
}

/** Ends the standing still when the daemon does, the lock held; whoever wanted it goes without. */
export async function endFreeze(ctx: EngineContext, container: Container): Promise<void> {
  const held = HELD.get(container);
  if (held) await letGo(ctx, container, held);
}

/** Thaws a container that a killed daemon had frozen for a moment. Repeatable. */
export async function thawAfterKill(ctx: EngineContext, container: Container): Promise<void> {
  if (!existsSync(markOf(ctx, container))) return;
  await freezeCgroup(cgroupOf(container.record), false).catch(() => undefined);
  rmSync(markOf(ctx, container), { force: true });
}

function markOf(ctx: EngineContext, container: Container): string {
  return `${containerDir(ctx, container.record.id)}/frozen`;
}
