import type { ImageUser } from "../../image/types.ts";
import { isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";

/** An image's event, with its name. */
export function emitImage(ctx: EngineContext, action: string, image: { id: string; name: string }): void {
  const labels = ctx.images.resolve(image.id).config.config?.Labels;
  ctx.events.emit("image", action, { id: image.id, attributes: { ...labels, name: image.name } });
}

/** The containers that use images, for conflicts. */
export function imageUsers(ctx: EngineContext): ImageUser[] {
  return ctx.containers.all().map((c) => ({
    containerId: c.record.id,
    image: c.record.image,
    running: isRunning(c),
    ...(c.record.top ? { top: c.record.top } : {}),
  }));
}

/**
 * Leases the layers of containers whose image has been removed by force: no image record keeps them any more. A daemon's leases end with it, so this
 * is called at start-up as well as after a removal.
 */
export function holdOrphanedLayers(ctx: EngineContext): void {
  const tops = ctx.containers
    .all()
    .flatMap(({ record }) => (record.top && !ctx.images.get(record.image) ? [record.top] : []));
  if (tops.length === 0) return;
  const lease = ctx.leases.acquire();
  for (const top of tops) lease.add(top);
}
