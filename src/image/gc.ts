import type { ChainId, LayerStore } from "../layer/types.ts";
import type { Digest } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import { leasedIds } from "../store/leases.ts";
import type { Catalog } from "./catalog.ts";
import type { ImageRecord } from "./types.ts";

/** What must stay besides what images and leases need. Read again before each removal: a getter tells of what has come meanwhile. */
export interface Keep {
  chains: Iterable<ChainId>;
  blobs: Iterable<Digest>;
}

/** What may go, if nothing needs it: everything in the store, or what one operation brought or let go of. */
export interface Candidates {
  chains: Iterable<ChainId>;
  blobs: Iterable<Digest>;
}

/** What a sweep took away. Sizes in bytes. */
export interface Swept {
  chains: ChainId[];
  bytes: number;
}

const NOTHING: Keep = { chains: [], blobs: [] };

/** Sweeps the whole store, what unfinished pulls have brought included. Returns the bytes freed. */
export async function collectGarbage(catalog: Catalog, keep: Keep): Promise<number> {
  catalog.unfinished.forgetAll();
  return sweepAll(catalog, keep);
}

/** Sweeps the whole store but for what unfinished pulls have brought: what kills left. */
export async function sweepAll(catalog: Catalog, keep: Keep): Promise<number> {
  const { blobs, layers } = catalog.deps;
  const chains = layers.list().map((layer) => layer.chainId);
  const all = { chains, blobs: [...blobs.list(), ...blobs.partials()] };
  return (await sweep(catalog, all, keep)).bytes;
}

/**
 * Removes those candidates that no image, lease, unfinished pull or `keep` needs, upper layers before those below. What is needed is looked up again before each removal, without
 * giving way in between, so that work going on at the same time only has to take its lease first. A kill anywhere leaves whole blobs and layers, which
 * the next sweep takes.
 */
export async function sweep(catalog: Catalog, candidates: Candidates, keep: Keep = NOTHING): Promise<Swept> {
  const { blobs, layers } = catalog.deps;
  const swept: Swept = { chains: [], bytes: 0 };
  const chains = topDown(layers, candidates.chains);
  let needed = mark(catalog, keep);
  for (const chain of chains) {
    const layer = layers.get(chain);
    if (!layer || needed.has(chain)) continue;
    await layers.remove(chain);
    swept.chains.push(chain);
    swept.bytes += layer.size;
    needed = mark(catalog, keep);
  }
  for (const digest of candidates.blobs) {
    const size = blobs.size(digest) ?? blobs.partial(digest);
    if (size === undefined || needed.has(digest)) continue;
    blobs.remove(digest);
    swept.bytes += size;
  }
  return swept;
}

/** Every digest, of blob or stack, that has to stay: for images, leases, pulls to be gone on with, and `keep`. */
function mark(catalog: Catalog, keep: Keep): Set<Digest> {
  const { records, layers } = catalog.deps;
  const leased = leasedIds(records);
  const needed = new Set<Digest>([...keep.blobs, ...leased]);
  for (const id of catalog.ids()) {
    const record = catalog.record(id);
    if (!record) continue;
    needed.add(id).add(record.manifest);
    for (const digest of layerBlobs(catalog, record)) needed.add(digest);
    markChain(layers, record.top, needed);
  }
  const unfinished = catalog.unfinished.all();
  for (const digest of unfinished.flatMap((pull) => pull.blobs)) needed.add(digest);
  const kept = unfinished.flatMap((pull) => pull.chains);
  for (const chain of [...keep.chains, ...leased, ...kept]) markChain(layers, chain, needed);
  return needed;
}

/** The blobs that an image's manifest names. Where the manifest is lost these are those that its layers came from: the image cannot be pushed any more, but it runs. */
export function layerBlobs(catalog: Catalog, record: ImageRecord): Digest[] {
  try {
    return catalog.manifest(record).layers.map((layer) => layer.digest);
  } catch (error) {
    if (!(error instanceof BerthError)) throw error;
    catalog.warnOnce(record.id, error.message);
    return [];
  }
}

/** A stack needs all that is below it, and the blobs it was unpacked from. */
function markChain(layers: LayerStore, top: ChainId | undefined, needed: Set<Digest>): void {
  for (let chain = top; chain; ) {
    needed.add(chain);
    const layer = layers.get(chain);
    if (layer?.blob) needed.add(layer.blob);
    chain = layer?.parent;
  }
}

function topDown(layers: LayerStore, chains: Iterable<ChainId>): ChainId[] {
  const depth = (chain: ChainId): number => {
    let n = 0;
    for (let at = layers.get(chain); at; at = at.parent && layers.get(at.parent)) n++;
    return n;
  };
  return [...new Set(chains)]
    .filter((chain) => layers.get(chain))
    .map((chain) => ({ chain, depth: depth(chain) }))
    .sort((a, b) => b.depth - a.depth)
    .map(({ chain }) => chain);
}
