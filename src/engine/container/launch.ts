import { chownSync, existsSync } from "node:fs";
import { ensureDir } from "../../host/files.ts";
import type { MonitorHandle, OverlayMount } from "../../host/monitor-types.ts";
import type { LaunchRequest } from "../../runtime/types.ts";
import { BerthError, errnoOf, fromErrno } from "../../spec/errors.ts";
import { goErrno } from "../../spec/go-errno.ts";
import type { Mount } from "../../spec/runtime-spec.ts";
import { containerDir, type EngineContext } from "../context.ts";
import { withInitLayer } from "../init-layer.ts";
import { logFiles } from "../logging/files.ts";
import type { ContainerRecord } from "../record.ts";
import { resolveUser } from "../user.ts";
import { processEnv } from "./config.ts";
import { type Joined, joinNetwork, leaveNetwork } from "./join.ts";
import { linkedEnv } from "./links.ts";
import { joinsOf } from "./modes.ts";
import { checkSource } from "./mount-config.ts";
import { onTree, workingFolder } from "./mount-targets.ts";
import { hostnameOf, writeNetworkFiles } from "./network-files.ts";
import { checkPropagation } from "./propagation.ts";
import { mountsOf } from "./stages.ts";
import { emitVolumes, holdVolumes, releaseVolumes } from "./volumes.ts";
import { renewWork } from "./writable-layer.ts";

const INIT_TARGET = "/sbin/docker-init";

/**
 * Network, files, user, bundle, monitor: a container that is ready to run. Where any step fails all before it are undone and
 * nothing is left.
 */
export async function launchContainer(ctx: EngineContext, before: ContainerRecord): Promise<MonitorHandle> {
  await using undo = new AsyncDisposableStack();
  undo.defer(() => releaseVolumes(ctx, before));
  const record = await holdVolumes(ctx, before);
  undo.defer(() => emitVolumes(ctx, "unmount", record));
  emitVolumes(ctx, "mount", record);
  prepareSources(record);
  const joined = await joinNetwork(ctx, record);
  undo.defer(() => leaveNetwork(ctx, record.id));
  const handle = await ctx.runtime.launch(requestOf(ctx, record, joined));
  undo.move();
  return handle;
}

function requestOf(ctx: EngineContext, record: ContainerRecord, joined: Joined): LaunchRequest {
  const { config, hostConfig, id } = record;
  const dir = containerDir(ctx, id);
  const upper = `${dir}/upper`;
  const view = ctx.layers.view(record.top, upper);
  const user = resolveUser(ctx.accounts.of(record.top, upper), config.User ?? "", hostConfig.GroupAdd ?? []);
  const hostname = hostnameOf(record);
  const init = initOf(ctx, record);
  const log = logFiles(ctx, record);
  const [rows = 0, cols = 0] = hostConfig.ConsoleSize ?? [];
  const own = mountsOf(ctx, record, user);
  const mounts = [
    ...onTree(view, [...own.mounts, ...init.mounts]),
    ...writeNetworkFiles(ctx, record, joined.attachment),
  ];
  return {
    id,
    config,
    hostConfig,
    args: [...init.args, ...record.argv],
    env: processEnv(
      { ...config, Env: linkedEnv(ctx, record) },
      { hostname, home: user.home, tty: config.Tty === true },
    ),
    cwd: workingFolder(view, config.WorkingDir || "/"),
    user,
    hostname,
    rootfs: rootfsOf(ctx, record, upper),
    mounts: mounts.sort((a, b) => (a.destination < b.destination ? -1 : 1)),
    ...(own.stages ? { stages: own.stages } : {}),
    ...(joined.netns ? { netns: joined.netns } : {}),
    joins: { ...joinsOf(ctx, record), ...(joined.shared ? { network: joined.shared } : {}) },
    ...(log ? { log } : {}),
    ...(hostConfig.Runtime ? { runtime: hostConfig.Runtime } : {}),
    ...(rows > 0 && cols > 0 ? { consoleSize: { rows, cols } } : {}),
  };
}

/** Nobody keeps what an AutoRemove container writes: it is mounted `volatile`. */
function rootfsOf(ctx: EngineContext, record: ContainerRecord, upper: string): OverlayMount {
  const work = `${containerDir(ctx, record.id)}/work`;
  const mount = withInitLayer(ctx, ctx.layers.mount(record.top, { upper, work }));
  if (!record.hostConfig.AutoRemove) return mount;
  if (record.state.startedAt > 0) renewWork(work);
  return { ...mount, volatile: true };
}

function initOf(ctx: EngineContext, record: ContainerRecord): { args: string[]; mounts: Mount[] } {
  if (!record.hostConfig.Init || record.hostConfig.PidMode === "host") return { args: [], mounts: [] };
  const source = ctx.config.initPath;
  if (!source || !existsSync(source)) {
    throw new BerthError("invalid-argument", "--init: no init program on this host", {
      hint: "install the package tini or catatonit, or set init-path in the daemon's configuration",
    });
  }
  const mount = { destination: INIT_TARGET, type: "bind", source, options: ["bind", "ro", "rprivate"] };
  return { args: [INIT_TARGET, "--"], mounts: [mount] };
}

/** Folders of `-v host:container` that are missing are made, as Docker does; those of `--mount`, there at create, have to be there still. */
function prepareSources(record: ContainerRecord): void {
  for (const mount of record.mounts) {
    checkPropagation(mount);
    if (mount.mustExist) checkSource(mount.source);
    if (mount.type === "tmpfs" || mount.type === "image" || mount.type === "secret" || existsSync(mount.source))
      continue;
    try {
      ensureDir(mount.source);
      if (mount.map) chownSync(mount.source, mount.map.host.uid, mount.map.host.gid);
    } catch (error) {
      const what = `error while creating mount source path '${mount.source}'`;
      if (errnoOf(error) === "ENOSPC") throw fromErrno(error, what);
      throw new BerthError("internal", `${what}: mkdir ${mount.source}: ${goErrno(error)}`, { cause: error });
    }
  }
}
