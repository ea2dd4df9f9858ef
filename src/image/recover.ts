import { shortId } from "../spec/digest.ts";
import { familiarString } from "../spec/reference.ts";
import type { Catalog } from "./catalog.ts";
import type { ImageRecord } from "./types.ts";

/**
 * Puts right what a crash of the host has hurt, before anything else is asked of the store: content that was to reach the disk a moment later. What can be had from the rest is made
 * anew; an image that cannot is dropped with its names, so that the next use of it gets it again. Nothing to do, and fast, after all else.
 */
export async function recoverImages(catalog: Catalog): Promise<void> {
  const { blobs, layers, records } = catalog.deps;
  const lostBlobs = new Set(await blobs.recover());
  const lostChains = await layers.recover((digest) => (blobs.has(digest) ? blobs.path(digest) : undefined));
  if (lostBlobs.size === 0 && lostChains.length === 0) return;
  const isLost = ({ id, top }: ImageRecord): boolean =>
    lostBlobs.has(id) || !blobs.has(id) || (top !== undefined && layers.get(top) === undefined);
  for (const id of catalog.ids()) {
    const record = catalog.record(id);
    if (!record || !isLost(record)) continue;
    const names = catalog.names(id);
    records.transaction(() => {
      for (const name of names) catalog.dropName(name);
      catalog.drop(record);
    });
    const called = names.map(familiarString).join(", ") || shortId(id);
    catalog.deps.warn?.(`image ${called} had not reached the disk when the machine stopped: pull or build it again`);
  }
}
