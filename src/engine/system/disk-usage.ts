import { listBuildCache } from "../build/prune.ts";
import { listContainers } from "../container/list.ts";
import { treeSize } from "../container/sizes.ts";
import { volumeUsers } from "../container/volumes.ts";
import type { EngineContext } from "../context.ts";
import { imageUsers } from "../image/users.ts";

/** `GET /system/df`; `types` empty: all of container, image, volume, build-cache. Sizes in bytes. */
export async function diskUsage(ctx: EngineContext, types: string[]): Promise<object> {
  const wanted = (type: string): boolean => types.length === 0 || types.includes(type);
  return {
    LayersSize: wanted("image") ? ctx.layers.list().reduce((sum, layer) => sum + layer.size, 0) : 0,
    Images: wanted("image") ? images(ctx) : null,
    Containers: wanted("container") ? await listContainers(ctx, { all: true, size: true, filters: {} }) : null,
    Volumes: wanted("volume") ? await volumes(ctx) : null,
    BuildCache: wanted("build-cache") ? listBuildCache(ctx) : null,
  };
}

function images(ctx: EngineContext): object[] {
  return ctx.images.list({ all: false, filters: {}, users: imageUsers(ctx), sharedSize: true });
}

async function volumes(ctx: EngineContext): Promise<object[]> {
  // Docker leaves out what mounts something: its size is not the volume's.
  const rows = ctx.volumes.list({}).filter((volume) => volume.Options?.["device"] === undefined);
  return Promise.all(
    rows.map(async (volume) => ({
      ...volume,
      UsageData: { Size: await treeSize(volume.Mountpoint), RefCount: volumeUsers(ctx, volume.Name).length },
    })),
  );
}
