import type { Backend, ContainerBackend, ExecBackend, FilesBackend, SystemBackend } from "../api/backend.ts";
import { ensurePrivateDir } from "../host/files.ts";
import { openPortsWarning } from "../network/firewall.ts";
import { buildBackend } from "./build/builds.ts";
import { attachContainer } from "./container/attach.ts";
import { createContainer } from "./container/create.ts";
import { exportContainer, readPath, statPath, writePath } from "./container/files/archive.ts";
import { containerChanges } from "./container/files/changes.ts";
import { commitContainer } from "./container/files/commit.ts";
import { endFreeze } from "./container/files/freeze.ts";
import { inspectContainer } from "./container/inspect.ts";
import { killContainer } from "./container/kill.ts";
import { listContainers } from "./container/list.ts";
import { containerLogs } from "./container/logs.ts";
import { pauseContainer, unpauseContainer } from "./container/pause.ts";
import { pruneContainers } from "./container/prune.ts";
import { removeContainer } from "./container/remove.ts";
import { renameContainer } from "./container/rename.ts";
import { resizeContainer } from "./container/resize.ts";
import { restartContainer } from "./container/restart.ts";
import { cancelRestart } from "./container/schedule.ts";
import { startContainer, startLocked } from "./container/start.ts";
import { containerStats } from "./container/stats.ts";
import { stopContainer } from "./container/stop.ts";
import { topContainer } from "./container/top.ts";
import { updateContainer } from "./container/update.ts";
import { waitContainer } from "./container/wait.ts";
import { ContainerIndex } from "./container.ts";
import type { EngineContext, EngineDeps } from "./context.ts";
import { EventBus } from "./events.ts";
import { createExec } from "./exec/create.ts";
import { inspectExec, resizeExec } from "./exec/inspect.ts";
import { startExec } from "./exec/start.ts";
import { imageBackend } from "./image/images.ts";
import { sweepLeftovers } from "./image/prune.ts";
import { makeInitLayer } from "./init-layer.ts";
import { networkBackend } from "./network/networks.ts";
import { reconcile, startByPolicies } from "./reconcile.ts";
import { registryBackend } from "./registry/registries.ts";
import { diskUsage } from "./system/disk-usage.ts";
import { publishing, systemInfo, systemVersion } from "./system/info.ts";
import { type Reloadable, reloadSettings } from "./system/reload.ts";
import { AccountsCache } from "./user.ts";
import { volumeBackend } from "./volume/volumes.ts";

export type { EngineConfig, EngineDeps } from "./context.ts";

/** The composed engine. */
export interface Engine {
  /** What the API serves. */
  backend: Backend;
  /** Starts what restart policies want started with the daemon; for when requests are served. Answers when all were tried; never rejects. */
  resume(): Promise<void>;
  /** Takes over what may change while it runs. */
  reload(next: Reloadable): void;
  /** Ends streams and timers and closes the connections to monitors. Running containers go on. */
  shutdown(): Promise<void>;
  /** True while a daemon has to stay: something is about to be restarted, or a container with a restart policy, a health check or names that the daemon answers runs. */
  busy(): boolean;
}

/** Composes the engine and brings records and reality together. */
export async function openEngine(deps: EngineDeps): Promise<Engine> {
  const closing = new AbortController();
  const ctx: EngineContext = {
    ...deps,
    containers: new ContainerIndex(deps.records),
    events: new EventBus(),
    execs: new Map(),
    accounts: new AccountsCache(deps.layers),
    logSenders: new Map(),
    closing: closing.signal,
    startByPolicy: (container) => startLocked(ctx, container, { byPolicy: true }),
  };
  ensurePrivateDir(`${ctx.dataRoot}/containers`);
  makeInitLayer(ctx);
  await reconcile(ctx);
  let resuming: Promise<void> | undefined;
  return {
    backend: backendOf(ctx),
    resume: () => {
      resuming ??= Promise.all([startByPolicies(ctx), sweepLeftovers(ctx)])
        .then(() => undefined)
        .finally(() => (resuming = undefined));
      return resuming;
    },
    reload: (next) => reloadSettings(ctx, next),
    busy: () => resuming !== undefined || ctx.network.serving() || isBusy(ctx),
    shutdown: async () => {
      closing.abort();
      for (const container of ctx.containers.all()) {
        cancelRestart(container);
        container.health?.stop();
        for (const client of container.waiting) client.abandon();
        // Transitions that are under way end first: they may wait for their monitor.
        await container.lock.run(() => endFreeze(ctx, container));
        container.run?.handle.disconnect();
      }
      await Promise.all([...ctx.logSenders.values()].map((sender) => sender.stop()));
    },
  };
}

function isBusy(ctx: EngineContext): boolean {
  if ([...ctx.logSenders.values()].some((sender) => sender.isBusy)) return true;
  return ctx.containers.all().some(({ record, health }) => {
    if (record.state.status === "restarting") return true;
    const policy = record.hostConfig.RestartPolicy?.Name ?? "no";
    return (
      record.state.status === "running" &&
      (policy !== "no" || record.hostConfig.AutoRemove === true || health !== undefined)
    );
  });
}

function backendOf(ctx: EngineContext): Backend {
  return {
    container: containerBackend(ctx),
    files: filesBackend(ctx),
    exec: execBackend(ctx),
    image: imageBackend(ctx),
    build: buildBackend(ctx),
    network: networkBackend(ctx),
    volume: volumeBackend(ctx),
    system: systemBackend(ctx),
    registry: registryBackend(ctx),
  };
}

function containerBackend(ctx: EngineContext): ContainerBackend {
  return {
    list: (options) => listContainers(ctx, options),
    listWarning: () => openPortsWarning(publishing(ctx)),
    create: (name, body, options) => createContainer(ctx, name, body, options),
    inspect: (id, options) => inspectContainer(ctx, id, options),
    start: async (id) => startContainer(ctx, id),
    stop: (id, options) => stopContainer(ctx, id, options),
    restart: (id, options) => restartContainer(ctx, id, options),
    kill: (id, options) => killContainer(ctx, id, options),
    pause: async (id) => pauseContainer(ctx, id),
    unpause: async (id) => unpauseContainer(ctx, id),
    rename: async (id, name) => renameContainer(ctx, id, name),
    wait: (id, options) => waitContainer(ctx, id, options),
    remove: (id, options) => removeContainer(ctx, id, options),
    logs: (id, options) => containerLogs(ctx, id, options),
    attach: (id, options, ready) => attachContainer(ctx, id, options, ready),
    resize: (id, size) => resizeContainer(ctx, id, size),
    top: (id, psArgs) => topContainer(ctx, id, psArgs),
    update: async (id, changes) => updateContainer(ctx, id, changes),
    prune: (filters) => pruneContainers(ctx, filters),
    stats: async (id, options) => containerStats(ctx, ctx.containers.find(id), options),
  };
}

function filesBackend(ctx: EngineContext): FilesBackend {
  return {
    stat: (id, options) => statPath(ctx, id, options),
    read: (id, options) => readPath(ctx, id, options),
    write: (id, options, tar) => writePath(ctx, id, options, tar),
    export: (id, options) => exportContainer(ctx, id, options),
    changes: (id) => containerChanges(ctx, id),
    commit: (id, options) => commitContainer(ctx, id, options),
  };
}

function execBackend(ctx: EngineContext): ExecBackend {
  return {
    create: async (id, body) => ({ Id: createExec(ctx, id, body).id }),
    start: (id, options, ready) => startExec(ctx, id, options, ready),
    resize: (id, size) => resizeExec(ctx, id, size),
    inspect: async (id) => inspectExec(ctx, id),
  };
}

function systemBackend(ctx: EngineContext): SystemBackend {
  return {
    info: () => systemInfo(ctx),
    version: () => systemVersion(ctx),
    events: (options) => ctx.events.stream({ ...options, signal: AbortSignal.any([options.signal, ctx.closing]) }),
    diskUsage: (types) => diskUsage(ctx, types),
  };
}
