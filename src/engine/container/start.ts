import { prepareMove } from "../../host/cgroup-move.ts";
import { BerthError, messageOf } from "../../spec/errors.ts";
import { type Container, isRunning, type Run, tellExit, type WaitResult } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { signal } from "../lock.ts";
import { connectLog, startSending } from "../logging/sending.ts";
import { endMonitor } from "../monitors.ts";
import { afterFailedStart, afterStart, type ContainerRecord } from "../record.ts";
import { runtimeFailure, type StartFailure } from "../start-error.ts";
import { followExit } from "./exit.ts";
import { startHealth } from "./health.ts";
import { leaveNetwork } from "./join.ts";
import { launchContainer } from "./launch.ts";
import { filesOwner } from "./modes.ts";
import { hostnameOf } from "./network-files.ts";
import { removeLocked } from "./remove-locked.ts";
import { cancelRestart } from "./schedule.ts";
import { emitVolumes, releaseVolumes } from "./volumes.ts";

/** The exit code of a container that was not even given to the OCI runtime. */
const NOT_STARTED = 128;

/** Carries the exit code with the error. */
class StartError extends Error {
  constructor(readonly failure: StartFailure) {
    super(failure.error.message);
  }
}

/** Starts a container that does not run. Throws `not-modified` where it does, `conflict` where it is being removed. */
export function startContainer(ctx: EngineContext, reference: string): Promise<void> {
  const container = ctx.containers.find(reference);
  return container.lock.run(async () => {
    if (container.record.state.paused)
      throw new BerthError("conflict", "cannot start a paused container, try unpause instead");
    if (isRunning(container) || container.record.state.status === "restarting")
      throw new BerthError("not-modified", `container ${container.record.id} is already running`);
    await startLocked(ctx, container, { byPolicy: false });
  });
}

/**
 * The start itself, with the container's lock held. One transaction when it runs. A failure undoes everything and is recorded as the state's
 * error and exit code; an AutoRemove container is then removed, as Docker does.
 */
export async function startLocked(ctx: EngineContext, container: Container, how: { byPolicy: boolean }): Promise<void> {
  if (container.removing) {
    throw new BerthError("conflict", "container is marked for removal and cannot be started");
  }
  if (ctx.closing.aborted) throw new BerthError("unavailable", "the daemon is shutting down");
  cancelRestart(container);
  prepareMove();
  await container.cleaned;
  try {
    const run = await launchAndRun(ctx, container, how);
    startHealth(ctx, container, run);
  } catch (thrown) {
    const { error, code } = thrown instanceof StartError ? thrown.failure : { error: thrown, code: NOT_STARTED };
    await recordFailure(ctx, container, { code, error: messageOf(error) });
    throw error;
  }
}

async function launchAndRun(ctx: EngineContext, container: Container, how: { byPolicy: boolean }): Promise<Run> {
  container.record = namedAsDonor(ctx, container.record);
  const { record } = container;
  // A restart by policy does not depend on the log's server.
  const connection = how.byPolicy ? undefined : await connectLog(record);
  const handle = await launchContainer(ctx, record).catch((error: unknown) => {
    connection?.close();
    throw error;
  });
  try {
    await Promise.all([...container.waiting].map((client) => client.connect(handle)));
    const { pid, startedAt } = await handle.start().catch((error: unknown) => {
      throw new StartError(runtimeFailure(error, record.argv[0] ?? ""));
    });
    container.waiting.clear();
    const done = signal<WaitResult>();
    const run: Run = { handle, done: done.promise };
    container.run = run;
    ctx.containers.saveRun(container, {
      state: afterStart(record.state, { pid, startedAt, byPolicy: how.byPolicy }),
    });
    emitContainer(ctx.events, container, "start");
    followExit(ctx, container, { run, done: done.resolve });
    await startSending(ctx, container, { run, connection });
    return run;
  } catch (error) {
    connection?.close();
    delete container.run;
    await endMonitor(handle);
    await ctx.runtime.cleanup(record.id);
    await leaveNetwork(ctx, record.id);
    emitVolumes(ctx, "unmount", record);
    await releaseVolumes(ctx, record);
    throw error;
  }
}

/** Who shares another's network has its host name too; recorded with the start. */
function namedAsDonor(ctx: EngineContext, record: ContainerRecord): ContainerRecord {
  const owner = filesOwner(ctx, record);
  return owner === record ? record : { ...record, config: { ...record.config, Hostname: hostnameOf(owner) } };
}

async function recordFailure(
  ctx: EngineContext,
  container: Container,
  failure: { code: number; error: string },
): Promise<void> {
  for (const client of container.waiting) client.abandon();
  container.waiting.clear();
  try {
    ctx.containers.saveRun(container, { state: afterFailedStart(container.record.state, failure) });
  } catch (error) {
    ctx.log("error", `container ${container.record.id}: the failed start could not be recorded: ${messageOf(error)}`);
  }
  // A wait that came before the start ends with the start's failure.
  tellExit(container, { code: failure.code });
  if (container.record.hostConfig.AutoRemove) await removeLocked(ctx, container, { volumes: true });
}
