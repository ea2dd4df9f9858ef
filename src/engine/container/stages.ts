import { lstatSync, statSync } from "node:fs";
import { join } from "node:path";
import type { StageMount } from "../../host/monitor-types.ts";
import type { LaunchRequest } from "../../runtime/types.ts";
import { BerthError } from "../../spec/errors.ts";
import { type IdMap, kernelMap, type Owner } from "../../spec/id-map.ts";
import type { EngineContext } from "../context.ts";
import type { ContainerRecord, MountRecord } from "../record.ts";
import { runtimeMount } from "./mounts.ts";
import { secretOwner } from "./secrets.ts";

/**
 * A container's mounts for the OCI runtime, and the sources among them that its monitor makes: trees of images, paths below a volume, which other
 * containers may change at any time, binds whose mounts reach the host or that leave out what is mounted below, all whose owners are mapped, and secrets. Throws `not-found` in Docker's words for a path that is not there.
 */
export function mountsOf(
  ctx: EngineContext,
  record: ContainerRecord,
  user: Owner,
): Pick<LaunchRequest, "mounts" | "stages"> {
  const stages: StageMount[] = [];
  const mounts = record.mounts.map((mount) => {
    const { isFolder, stage } = sourceOf(ctx, mount, user);
    return runtimeMount(mount, { path: stage ? `stage/${stages.push(stage) - 1}` : mount.source, isFolder });
  });
  return { mounts, ...(stages.length > 0 ? { stages } : {}) };
}

interface Source {
  isFolder: boolean;
  stage?: StageMount;
}

function sourceOf(ctx: EngineContext, mount: MountRecord, user: Owner): Source {
  const { type, source, subpath } = mount;
  if (mount.secret) return { isFolder: false, stage: { source, secret: secretOwner(mount.secret, user) } };
  if (type === "image") return imageSource(ctx, mount);
  const path = join(source, subpath ?? "");
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const owners = mount.map ? { owners: kernelOwners(mount.map) } : {};
  if (subpath !== undefined) {
    if (!lstatSync(path, { throwIfNoEntry: false })) throw missing(path);
    return { isFolder, stage: { source, subpath, ...owners } };
  }
  const shared = type === "bind" && /^r?shared$/.test(mount.propagation);
  // crun 1.8 takes `bind` for `rbind`.
  const alone = mount.nonRecursive === true;
  return { isFolder, ...(shared || alone || mount.map ? { stage: { source, shared, alone, ...owners } } : {}) };
}

/** A map in the kernel's form. */
export function kernelOwners({ host, container }: IdMap): { uids: string; gids: string } {
  return { uids: kernelMap(host.uid, container.uid), gids: kernelMap(host.gid, container.gid) };
}

/** Links of the image are followed as inside of it. */
function imageSource(ctx: EngineContext, { top, source, subpath }: MountRecord): Source {
  const { base, lower } = ctx.layers.mount(top);
  if (subpath === undefined) return { isFolder: true, stage: { source: { base, lower } } };
  const view = ctx.layers.view(top);
  const real = view.resolve(`/${subpath}`);
  const entry = view.lstat(real);
  if (!entry) throw missing(join(source, subpath));
  const stage = { source: { base, lower }, ...(real === "/" ? {} : { subpath: real.slice(1) }) };
  return { isFolder: entry.type === "dir", stage };
}

function missing(path: string): BerthError {
  return new BerthError("not-found", `cannot access path ${path}: lstat ${path}: no such file or directory`);
}
