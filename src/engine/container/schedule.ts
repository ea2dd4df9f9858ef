import { messageOf } from "../../spec/errors.ts";
import { type Container, tellExit } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { awaitingRestart } from "../record.ts";
import { restartDelay, shouldRestart } from "../restart-policy.ts";

/** Starts a container in state `restarting` again, after its delay; a stop, start or removal in between takes it back. */
export function scheduleRestart(ctx: EngineContext, container: Container): void {
  clearTimeout(container.restartTimer);
  container.restartTimer = setTimeout(() => {
    void container.lock
      .run(() => restartNow(ctx, container))
      .catch((error: unknown) => {
        ctx.log("error", `container ${container.record.id}: restart: ${messageOf(error)}`);
      });
  }, container.restartDelay);
}

/** Takes back a restart that waits. */
export function cancelRestart(container: Container): void {
  clearTimeout(container.restartTimer);
  delete container.restartTimer;
}

/** With the lock held: a container that waits for its restart is simply not started again. False where it did not wait for one. */
export async function endRestarting(ctx: EngineContext, container: Container): Promise<boolean> {
  if (container.record.state.status !== "restarting") return false;
  cancelRestart(container);
  ctx.containers.saveRun(container, { state: { ...container.record.state, status: "exited", manualStop: true } });
  tellExit(container, { code: container.record.state.exitCode });
  return true;
}

async function restartNow(ctx: EngineContext, container: Container): Promise<void> {
  if (container.record.state.status !== "restarting" || ctx.closing.aborted || container.removing) return;
  try {
    await ctx.startByPolicy(container);
  } catch (error) {
    ctx.log("warn", `container ${container.record.id}: restart failed: ${messageOf(error)}`);
    const { state, hostConfig } = container.record;
    if (!shouldRestart(hostConfig.RestartPolicy, state)) return;
    ctx.containers.saveRun(container, { state: awaitingRestart(state) });
    container.restartDelay = restartDelay(container.restartDelay, 0);
    scheduleRestart(ctx, container);
  }
}
