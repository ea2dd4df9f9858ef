import { isKind } from "../../spec/errors.ts";
import { generationsOf } from "./generations.ts";
import { KEYS, partsOf } from "./keys.ts";
import { hasherFor, isContentDigest } from "./names.ts";
import type { Storage } from "./types.ts";

/** What a scrub found. `damaged` are digests whose bytes were wrong or missing: they are no more, so that the next push of them brings them again. */
export interface Scrubbed {
  blobs: number;
  bytes: number;
  damaged: string[];
}

/** Reads every blob's bytes and compares them with its digest. Runs beside pushes and pulls; `progress` is told after each. */
export async function scrub(storage: Storage, progress: (so: Scrubbed) => void = () => undefined): Promise<Scrubbed> {
  const so: Scrubbed = { blobs: 0, bytes: 0, damaged: [] };
  for (const { key, id, size } of await generationsOf(storage.metadata, KEYS.blobs())) {
    const digest = partsOf(key)[0];
    if (!isContentDigest(digest)) continue;
    const hash = hasherFor(digest);
    const sound = await readAll(storage, { id, size }, hash).catch((error: unknown) => {
      // Only what is not there is damage: a storage that cannot be reached or read now may be well again.
      if (isKind(error, "not-found")) return false;
      throw error;
    });
    so.blobs += 1;
    so.bytes += size;
    const whole = sound && `${digest.split(":")[0]}:${hash.digest("hex")}` === digest;
    if (!whole && (await storage.metadata.get(key))) {
      so.damaged.push(digest);
      await storage.metadata.write([{ remove: key }]);
      await storage.data.remove(id);
    }
    progress(so);
  }
  return so;
}

async function readAll(
  { data }: Storage,
  { id, size }: { id: string; size: number },
  hash: { update(chunk: Uint8Array): unknown },
): Promise<boolean> {
  if (((await data.size(id)) ?? 0) !== size) return false;
  if (size > 0) for await (const chunk of data.read(id, { start: 0, end: size })) hash.update(chunk);
  return true;
}
