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
