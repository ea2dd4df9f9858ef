import { renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { ensureDir } from "../../host/files.ts";
import { errnoOf, messageOf } from "../../spec/errors.ts";
import { type Container, tellExit } from "../container.ts";
import { containerDir, type EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { inUse } from "../image/prune.ts";
import { layersOf } from "../record.ts";
import { cancelRestart } from "./schedule.ts";
import { removeAnonymousVolumes } from "./volumes.ts";
import { releaseWritableLayer } from "./writable-layer.ts";

/**
 * Removes a container that does not run, its lock held: one transaction. The folder is renamed into `tmp` before the record goes, and deleted
 * after the answer; a kill in between leaves a record without a folder, which start-up removes. Repeatable.
 */
export async function removeLocked(
  ctx: EngineContext,
  container: Container,
  options: { volumes: boolean },
): Promise<void> {
  const { id, mounts, hostConfig } = container.record;
  container.removing = true;
  cancelRestart(container);
  await container.cleaned;
  await ctx.logSenders.get(id)?.drain();
  try {
    tellIntent(ctx, container, options.volumes);
    moveAway(ctx, id, hostConfig.StorageOpt !== undefined);
    if (options.volumes) await removeAnonymousVolumes(ctx, mounts, id);
    for (const exec of container.execs) ctx.execs.delete(exec);
    ctx.containers.delete(container);
  } catch (error) {
    container.removing = false;
    throw error;
  }
  for (const client of container.waiting) client.abandon();
  const result = { code: container.record.state.exitCode };
  tellExit(container, result);
  emitContainer(ctx.events, container, "destroy");
  await releaseLayers(ctx, container);
  container.removed.resolve(result);
}

/** Layers whose image was removed by force, from under this container, go with it. A kill before that leaves them to the next prune. */
async function releaseLayers(ctx: EngineContext, { record }: Container): Promise<void> {
  const images = [record.image, ...record.mounts.flatMap((mount) => mount.image ?? [])];
  if (images.every((image) => ctx.images.get(image))) return;
  await ctx.images.release(layersOf(record), inUse(ctx)).catch((error: unknown) => {
    ctx.log("warn", `layers of container ${record.id}: ${messageOf(error)}; 'prune' removes them`);
  });
}

/** A removal that a kill cuts off is finished with its volumes, or without. AutoRemove says so itself. */
function tellIntent(ctx: EngineContext, container: Container, volumes: boolean): void {
  const { record } = container;
  if (record.hostConfig.AutoRemove || (record.removeVolumes ?? false) === volumes) return;
  if (!record.mounts.some((m) => m.type === "volume")) return;
  ctx.records.unsynced(() => ctx.containers.save(container, { removeVolumes: volumes }));
}

function moveAway(ctx: EngineContext, id: string, limited: boolean): void {
  const trash = `${ctx.dataRoot}/tmp/removed-${id}`;
  ensureDir(`${ctx.dataRoot}/tmp`);
  try {
    if (limited) releaseWritableLayer(containerDir(ctx, id));
    renameSync(containerDir(ctx, id), trash);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return; // A former daemon got this far.
    throw error;
  }
  void rm(trash, { recursive: true, force: true }).catch((error: unknown) => {
    ctx.log("warn", `${trash}: ${messageOf(error)}; it is removed at the next start`);
  });
}
