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
  return ctx.containers.all().flatMap((c) => {
    const { id: containerId, image, top, mounts } = c.record;
    const mounted = mounts.flatMap((m) => (m.image ? [{ image: m.image, top: m.top }] : []));
    return [{ image, top }, ...mounted].map((used) => ({
      containerId,
      image: used.image,
      running: isRunning(c),
      ...(used.top ? { top: used.top } : {}),
    }));
  });
}
