import { BerthError } from "../../spec/errors.ts";
import { type Container, isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { sendSignal } from "./kill.ts";
import { removeLink } from "./remove-link.ts";
import { removeLocked } from "./remove-locked.ts";
import { cancelRestart } from "./schedule.ts";
import { shownStatus } from "./status.ts";

const SIGKILL = 9;

/** Removes a container; a running one only with `force`, which kills it. Answers when it is gone. Throws `conflict` in Docker's words. */
export async function removeContainer(
  ctx: EngineContext,
  reference: string,
  options: { force: boolean; volumes: boolean; link: boolean },
): Promise<void> {
  if (options.link) return removeLink(ctx, reference);
  const container = ctx.containers.find(reference);
  if (container.removing) {
    // A forced removal is content with another one's work; AutoRemove is such another one.
    if (options.force) return void (await container.removed.promise);
    throw new BerthError("conflict", `removal of container ${reference} is already in progress`);
  }
  refuseRunning(container, reference, options.force);
  container.removing = true;
  try {
    cancelRestart(container);
    await killAndWait(ctx, container);
    await container.lock.run(() => removeOnce(ctx, container, options.volumes));
  } catch (error) {
    container.removing = false;
    throw error;
  }
}

function refuseRunning(container: Container, reference: string, force: boolean): void {
  const status = shownStatus(container);
  if (force || !["running", "paused", "restarting"].includes(status)) return;
  if (status === "paused") {
    throw new BerthError(
      "conflict",
      `cannot remove container "${reference}": container is paused and must be unpaused first`,
    );
  }
  const advice = "stop the container before removing or force remove";
  throw new BerthError("conflict", `cannot remove container "${reference}": container is ${status}: ${advice}`);
}

/** A start that is under way is waited for, then its run is killed. */
async function killAndWait(ctx: EngineContext, container: Container): Promise<void> {
  await container.lock.run(async () => undefined);
  const { run } = container;
  if (!run || !isRunning(container)) return;
  await sendSignal(ctx, container, { number: SIGKILL });
  await run.done;
}

async function removeOnce(ctx: EngineContext, container: Container, volumes: boolean): Promise<void> {
  if (!ctx.containers.get(container.record.id)) return;
  await removeLocked(ctx, container, { volumes });
}
