import { Catalog, type ImageStoreDeps } from "./catalog.ts";
import { createImage } from "./create.ts";
import { collectGarbage, sweepAll } from "./gc.ts";
import { imageHistory } from "./history.ts";
import { importImage } from "./import.ts";
import { inspectImage } from "./inspect.ts";
import { listImages } from "./list.ts";
import { loadImages } from "./load.ts";
import { pullImage } from "./pull.ts";
import { pushImages } from "./push.ts";
import { recoverImages } from "./recover.ts";
import { releaseStacks, removeImage } from "./remove.ts";
import { resolveImage } from "./resolve.ts";
import { saveImages } from "./save.ts";
import { tagImage } from "./tag.ts";
import type { ImageStore } from "./types.ts";

/** Images over records, blobs and layers. All state is in these; opening costs nothing. One file of this folder for each operation. */
export function openImageStore(deps: ImageStoreDeps): ImageStore {
  const catalog = new Catalog(deps);
  return {
    resolve: (name) => resolveImage(catalog, name),
    get: (id) => catalog.get(id),
    list: (options) => listImages(catalog, options),
    inspect: (name, options) => inspectImage(catalog, name, options),
    history: (name, options) => imageHistory(catalog, name, options),
    tag: (source, ...targets) => tagImage(catalog, source, targets),
    remove: (name, options) => removeImage(catalog, name, options),
    release: (tops, keep) => releaseStacks(catalog, tops, keep),
    load: (archive, options) => loadImages(catalog, archive, options),
    pull: (registry, ref, options) => pullImage(catalog, registry, ref, options),
    push: (registry, ref, options) => pushImages(catalog, registry, ref, options),
    save: (names, options) => saveImages(catalog, names, options),
    importTar: (tar, options) => importImage(catalog, tar, options),
    create: (image, reference) => createImage(catalog, image, reference),
    recover: () => recoverImages(catalog),
    settle: () => deps.disk.flush(),
    gc: (keep) => collectGarbage(catalog, keep),
    sweepLeftovers: (keep) => sweepAll(catalog, keep),
  };
}
