import { existsSync } from "node:fs";
import { isFrozen } from "../host/cgroup.ts";
import { ensurePrivateDir, listIfThere, removeTree } from "../host/files.ts";
import type { ExitStatus, MonitorHandle } from "../host/monitor-types.ts";
import { messageOf } from "../spec/errors.ts";
import { cgroupOf } from "./container/cgroup-path.ts";
import { announceExit, followExit } from "./container/exit.ts";
import { thawAfterKill } from "./container/files/freeze.ts";
import { startHealth } from "./container/health.ts";
import { removeLocked } from "./container/remove-locked.ts";
import { scheduleRestart } from "./container/schedule.ts";
import { holdVolumes } from "./container/volumes.ts";
import { releaseWritableLayer } from "./container/writable-layer.ts";
import type { Container, Run, WaitResult } from "./container.ts";
import { containerDir, type EngineContext } from "./context.ts";
import { signal } from "./lock.ts";
import { sendsAway, startSending } from "./logging/sending.ts";
import { endMonitor } from "./monitors.ts";
import { finishConnects } from "./network/connect.ts";
import { afterExit, afterStart } from "./record.ts";
import { startsWithDaemon } from "./restart-policy.ts";

/** How many containers are started at the same time when the daemon starts. */
const STARTS_AT_ONCE = 4;

/** What is said of a container whose monitor left no exit file: it was killed, or the machine went down. */
const LOST: Pick<ExitStatus, "code" | "oomKilled"> = { code: 255, oomKilled: false };

/**
 * Brings records, monitors and files together, before any request is served; repeatable. Running containers stay running and are followed
 * again; what ended meanwhile gets its exit code, times and event; whatever was half done is finished or undone.
 */
export async function reconcile(ctx: EngineContext): Promise<void> {
  const handles = await reconnectAll(ctx);
  // After the end of a build's steps, which write there.
  removeTree(`${ctx.dataRoot}/tmp`);
  ensurePrivateDir(`${ctx.dataRoot}/tmp`);
  await ctx.network.start(new Set(handles.keys()));
  await finishRemovals(ctx);
  await removeUnsettledVolumes(ctx);
  removeOrphanFolders(ctx);
  for (const container of ctx.containers.all()) {
    const handle = handles.get(container.record.id);
    if (handle) {
      await thawAfterKill(ctx, container);
      takeUp(ctx, container, handle);
      await holdVolumes(ctx, container.record);
      await finishConnects(ctx, container);
    } else await settle(ctx, container);
  }
  await ctx.volumes.releaseOthers();
}

/**
 * After the reconciliation, requests being served already: starts what restart policies want started, a few at a time, the oldest first. Answers
 * when all were tried.
 */
export async function startByPolicies(ctx: EngineContext): Promise<void> {
  const wanted = ctx.containers.all().filter(isWanted).reverse();
  const next = async (): Promise<void> => {
    for (let container = wanted.shift(); container; container = wanted.shift()) await startOne(ctx, container);
  };
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, next));
}

function isWanted({ record, removing }: Container): boolean {
  const { status } = record.state;
  return status !== "running" && !removing && startsWithDaemon(record.hostConfig.RestartPolicy, record.state);
}

/** A person may have started, stopped or removed it by now. */
async function startOne(ctx: EngineContext, container: Container): Promise<void> {
  if (container.record.state.status === "restarting") return scheduleRestart(ctx, container);
  try {
    await container.lock.run(async () => {
      if (isWanted(container) && ctx.containers.get(container.record.id) && !ctx.closing.aborted)
        await ctx.startByPolicy(container);
    });
  } catch (error) {
    ctx.log("warn", `container ${container.record.id}: ${messageOf(error)}`);
  }
}

/** Live monitors whose container runs and has a record. All others, build steps' too, are ended and their folders removed. */
async function reconnectAll(ctx: EngineContext): Promise<Map<string, MonitorHandle>> {
  const live = new Map<string, MonitorHandle>();
  const one = async (id: string): Promise<void> => {
    const handle = await ctx.runtime.reconnect(id);
    if (handle && ctx.containers.get(id) && (await runs(handle))) return void live.set(id, handle);
    if (handle) await endMonitor(handle);
    // An exit file is read first, by `settle`, which then removes the folder.
    if (!ctx.containers.get(id)) await ctx.runtime.cleanup(id);
  };
  await Promise.all(
    ctx.runtime
      .known()
      .map((id) => one(id).catch((error: unknown) => ctx.log("warn", `container ${id}: ${messageOf(error)}`))),
  );
  return live;
}

/**
 * True where the container runs. One whose start is under way is undone, since nobody is left who waits for it and the OCI runtime may take
 * however long, unless it comes to run at that very moment.
 */
async function runs(handle: MonitorHandle): Promise<boolean> {
  return handle.pid > 0 || (!(await handle.discard?.()) && handle.pid > 0);
}

function takeUp(ctx: EngineContext, container: Container, handle: MonitorHandle): void {
  const { state, health } = container.record;
  const isSameRun = state.status === "running" && state.pid === handle.pid;
  // Launched and running, but the daemon was killed before it could record the start.
  if (!isSameRun) {
    const { pid, startedAt } = handle;
    ctx.containers.saveRun(container, {
      state: afterStart(state, { pid, startedAt, byPolicy: state.status === "restarting" }),
    });
  }
  const paused = isFrozenNow(container);
  if (paused !== (container.record.state.paused === true))
    ctx.containers.saveRun(container, { state: { ...container.record.state, paused } });
  const done = signal<WaitResult>();
  const run: Run = { handle, done: done.promise };
  container.run = run;
  followExit(ctx, container, { run, done: done.resolve });
  void startSending(ctx, container, { run });
  startHealth(ctx, container, run, isSameRun ? health : undefined);
}

/** As the kernel says: a kill between freezing and its record leaves a record that does not know. */
function isFrozenNow({ record }: Container): boolean {
  try {
    return isFrozen(cgroupOf(record));
  } catch {
    return false; // It has just ended.
  }
}

async function settle(ctx: EngineContext, container: Container): Promise<void> {
  const { record } = container;
  const { id, state } = record;
  const exit = ctx.runtime.exitStatus(id);
  // An exit that is newer than the record: the daemon was killed before it could record the start.
  if (state.status === "running" || (exit && exit.startedAt > state.startedAt)) {
    const status = exit ?? {
      ...LOST,
      startedAt: state.startedAt,
      finishedAt: Date.now(),
      error: "the container's monitor was lost",
    };
    const ended = afterExit(state, status);
    ctx.containers.saveRun(container, { state: ended });
    const isTold = state.status === "running" && state.oomKilled;
    announceExit(ctx, container, { ...status, oomKilled: status.oomKilled && !isTold });
  }
  if (ctx.runtime.known().includes(id)) await ctx.runtime.cleanup(id);
  // What was not sent before it ended, or before its server went away.
  if (sendsAway(record) && existsSync(containerDir(ctx, id))) await startSending(ctx, container);
  const ran = container.record.state.startedAt > 0 || existsSync(`${containerDir(ctx, id)}/hosts`);
  if (record.hostConfig.AutoRemove && ran) await removeLocked(ctx, container, { volumes: true });
}

/** A record without a folder: the removal had renamed it away. */
async function finishRemovals(ctx: EngineContext): Promise<void> {
  for (const container of ctx.containers.all()) {
    if (existsSync(containerDir(ctx, container.record.id))) continue;
    if (container.record.state.status === "running") continue;
    const { hostConfig, removeVolumes } = container.record;
    await removeLocked(ctx, container, { volumes: hostConfig.AutoRemove === true || removeVolumes === true });
  }
}

/** Anonymous volumes of a creation that did not come to its record. */
async function removeUnsettledVolumes(ctx: EngineContext): Promise<void> {
  for (const name of ctx.volumes.unsettled()) {
    // What cannot go now is tried again at the next start.
    await ctx.volumes
      .remove(name, { force: true, usedBy: [] })
      .catch((error) => ctx.log("warn", `volume ${name}: ${messageOf(error)}`));
  }
}

/** A folder without a record: the creation had not got so far. */
function removeOrphanFolders(ctx: EngineContext): void {
  const root = `${ctx.dataRoot}/containers`;
  for (const id of listIfThere(root)) {
    if (ctx.containers.get(id)) continue;
    releaseWritableLayer(`${root}/${id}`);
    removeTree(`${root}/${id}`);
  }
}
