import { BerthError, messageOf } from "../../spec/errors.ts";
import type { EngineContext } from "../context.ts";
import type { ContainerRecord, MountRecord } from "../record.ts";
import type { PlannedMount } from "./planned-mount.ts";

/** A container's mounts with all their volumes made, and how to take the new anonymous ones back. */
export interface MadeVolumes {
  mounts: MountRecord[];
  /** Volumes that were empty and take the image's content of their destination. */
  fill: { name: string; path: string; destination: string }[];
  /** Anonymous ones that were made here: they settle with the container's record. */
  anonymous: string[];
  undo(): Promise<void>;
}

/**
 * Makes the volumes that a plan needs. Named ones that exist are used as they are. A kill leaves new named volumes, as if a person had made them; new anonymous ones are
 * not settled before the container's record is there, and go at the next start.
 */
export async function makeVolumes(ctx: EngineContext, plans: readonly PlannedMount[]): Promise<MadeVolumes> {
  const made: string[] = [];
  const undo = async (): Promise<void> => {
    for (const name of made) await ctx.volumes.remove(name, { force: true, usedBy: [] });
  };
  const unsettled: string[] = [];
  const mounts: MountRecord[] = [];
  const fill: MadeVolumes["fill"] = [];
  try {
    for (const { mount, volume } of plans) {
      if (!volume) {
        mounts.push(mount);
        continue;
      }
      const { copy, ...wanted } = volume;
      const isNew = wanted.name === undefined || !exists(ctx, wanted.name);
      const anonymous = wanted.name === undefined;
      const { Name: name, Driver: driver } = await ctx.volumes.make({ ...wanted, anonymous, unsettled: anonymous });
      const local = driver === "local";
      if (anonymous && local) unsettled.push(name);
      if (isNew) {
        made.push(name);
        ctx.events.emit("volume", "create", { id: name, attributes: { driver } });
      }
      const path = ctx.volumes.path(name);
      mounts.push({ ...mount, name, source: path, ...(local ? {} : { driver }) });
      // The image's owners would be others through the map.
      if (copy && !mount.map) fill.push({ name, path, destination: mount.destination });
    }
  } catch (error) {
    await undo();
    throw error;
  }
  return { mounts, fill, anonymous: unsettled, undo };
}

/** Names of all containers' volumes → ids of the containers that use them. */
export function volumeUsers(ctx: EngineContext, name: string): string[] {
  return ctx.containers
    .all()
    .filter((c) => c.record.mounts.some((m) => m.type === "volume" && m.name === name))
    .map((c) => c.record.id);
}

/** Removes the anonymous volumes among `mounts` that no other container uses. Repeatable. */
export async function removeAnonymousVolumes(
  ctx: EngineContext,
  mounts: readonly MountRecord[],
  except: string,
): Promise<void> {
  for (const { type, name } of mounts) {
    if (type !== "volume" || name === undefined || !exists(ctx, name) || !ctx.volumes.isAnonymous(name)) continue;
    if (volumeUsers(ctx, name).some((id) => id !== except)) continue;
    try {
      const driver = ctx.volumes.driverOf(name);
      await ctx.volumes.remove(name, { force: true, usedBy: [] });
      ctx.events.emit("volume", "destroy", { id: name, attributes: { driver } });
    } catch (error) {
      ctx.log("warn", `volume ${name}: ${messageOf(error)}`);
    }
  }
}

function exists(ctx: EngineContext, name: string): boolean {
  try {
    ctx.volumes.path(name);
    return true;
  } catch (error) {
    if (error instanceof BerthError && error.kind === "not-found") return false;
    throw error;
  }
}

/** Mounts what a run's volumes are configured to have mounted. Answers the record, with where plugins have mounted theirs. Repeatable. */
export async function holdVolumes(ctx: EngineContext, record: ContainerRecord): Promise<ContainerRecord> {
  const { id } = record;
  const mounts: MountRecord[] = [];
  for (const mount of record.mounts) {
    const source = mount.type === "volume" && mount.name ? await ctx.volumes.hold(mount.name, id) : mount.source;
    mounts.push(mount.driver === undefined ? mount : { ...mount, source });
  }
  const container = ctx.containers.get(id);
  if (!container || mounts.every((mount, i) => mount.source === record.mounts[i]?.source)) return record;
  ctx.containers.save(container, { mounts });
  return container.record;
}

/** The run has ended: what no other one holds is unmounted. Repeatable. */
export async function releaseVolumes(ctx: EngineContext, { id, mounts }: ContainerRecord): Promise<void> {
  for (const { type, name } of mounts) if (type === "volume" && name) await ctx.volumes.release(name, id);
}

/** Announces that a run's volumes are in use, or no longer. */
export function emitVolumes(ctx: EngineContext, action: "mount" | "unmount", record: ContainerRecord): void {
  for (const { type, name, destination, rw, propagation, driver = "local" } of record.mounts) {
    if (type !== "volume" || name === undefined) continue;
    const use = action === "mount" ? { destination, propagation, "read/write": String(rw) } : {};
    ctx.events.emit("volume", action, { id: name, attributes: { container: record.id, driver, ...use } });
  }
}
