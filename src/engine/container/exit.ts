import type { ExitStatus } from "../../host/monitor-types.ts";
import { messageOf } from "../../spec/errors.ts";
import { type Container, type Run, tellExit, type WaitResult } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { afterExit, awaitingRestart } from "../record.ts";
import { restartDelay, shouldRestart } from "../restart-policy.ts";
import { leaveNetwork } from "./join.ts";
import { removeLocked } from "./remove-locked.ts";
import { scheduleRestart } from "./schedule.ts";
import { emitVolumes, releaseVolumes } from "./volumes.ts";

const MS_PER_SECOND = 1000;

/** Handles the end of a run, once, whenever it comes, and that its memory runs out before. */
export function followExit(
  ctx: EngineContext,
  container: Container,
  of: { run: Run; done: (result: WaitResult) => void },
): void {
  of.run.handle.oom = () => void container.lock.run(async () => tellOom(ctx, container, of.run));
  void of.run.handle.exited
    .then((status) => container.lock.run(() => handleExit(ctx, container, { ...of, status })))
    .catch((error: unknown) => ctx.log("error", `container ${container.record.id}: exit: ${messageOf(error)}`));
}

/**
 * With the lock held. Afterwards ports and address are free, the exit is recorded (one transaction, none for AutoRemove) and announced, and
 * the container waits for its restart, is removed, or is at rest. The exit file stays until then, so a kill in the middle loses nothing.
 */
async function handleExit(
  ctx: EngineContext,
  container: Container,
  of: { run: Run; done: (result: WaitResult) => void; status: ExitStatus },
): Promise<void> {
  // A daemon that shuts down leaves its containers to the next one, which finds the exit file.
  if (ctx.closing.aborted) return;
  const { run, status } = of;
  container.health?.stop();
  const { record } = container;
  const result: WaitResult = { code: status.code, ...(status.error ? { error: status.error } : {}) };
  const left = leaveNetwork(ctx, record.id);
  // The next start waits for this; so does a removal.
  container.cleaned = finishRun(ctx, container, { run, left });
  // A failure is told by `finishRun`; whoever waits for the exit has it all the same, and the next start tries again.
  await left.catch(() => undefined);
  // Where the monitor was lost its container may run on: it is ended before anybody is told that it has.
  if (status.error) await container.cleaned;
  const ended = afterExit(record.state, status);
  const again = shouldRestart(record.hostConfig.RestartPolicy, ended) && !container.removing;
  const next = again ? awaitingRestart(ended) : ended;
  ctx.containers.saveRun(container, { state: next });
  delete container.run;
  run.ended?.();
  announceExit(ctx, container, { ...status, oomKilled: status.oomKilled && !record.state.oomKilled });
  of.done(result);
  tellExit(container, result);
  if (again) {
    container.restartDelay = restartDelay(container.restartDelay, status.finishedAt - status.startedAt);
    scheduleRestart(ctx, container);
  } else if (record.hostConfig.AutoRemove && !container.removing && !container.restarting) {
    ctx.containers.departed.add(record.id, result);
    await removeLocked(ctx, container, { volumes: true });
  }
}

/** The monitor has gone, its folder is removed, and no address is held. Never rejects: what could not be removed is removed at the next start-up. */
async function finishRun(
  ctx: EngineContext,
  container: Container,
  of: { run: Run; left: Promise<void> },
): Promise<void> {
  const { id } = container.record;
  try {
    await of.run.handle.gone;
    await releaseVolumes(ctx, container.record);
    await Promise.all([ctx.runtime.cleanup(id), of.left]);
  } catch (error) {
    ctx.log("warn", `container ${id}: clean-up: ${messageOf(error)}`);
  }
}

function tellOom(ctx: EngineContext, container: Container, run: Run): void {
  if (container.run !== run) return;
  const { state } = container.record;
  if (!state.oomKilled) ctx.containers.saveRun(container, { state: { ...state, oomKilled: true } });
  emitContainer(ctx.events, container, "oom");
}

/** The events of a run's end; `oomKilled`: also of what was not told while it ran. */
export function announceExit(ctx: EngineContext, container: Container, status: ExitStatus): void {
  emitVolumes(ctx, "unmount", container.record);
  if (status.oomKilled) emitContainer(ctx.events, container, "oom");
  const seconds = Math.max(0, Math.floor((status.finishedAt - status.startedAt) / MS_PER_SECOND));
  emitContainer(ctx.events, container, "die", { exitCode: String(status.code), execDuration: String(seconds) });
}
