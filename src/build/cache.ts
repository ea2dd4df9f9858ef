import { createHash } from "node:crypto";
import type { ChainId, LayerRecord, LayerStore } from "../layer/types.ts";
import type { Records, Table } from "../store/types.ts";
import type { Known } from "./sources.ts";

/** One entry of the build cache. Times in milliseconds since 1970, `size` in bytes. */
export interface CacheEntry {
  /** The layer that the step made; undefined: it changed the configuration only. */
  chain?: ChainId;
  created: number;
  lastUsed: number;
  size: number;
  /** The instruction, for people. */
  step: string;
  /** How often a build has found it. */
  uses?: number;
}

/** What a step made, and when; `hit` where it was there already. */
export interface Cached {
  chain?: ChainId;
  created: number;
  hit: boolean;
}

/** Hashes whatever a step's result depends on; the order of keys in `parts` counts. */
export function cacheKey(parts: unknown): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

/** Layers that the build cache wants kept. GC spares them until `pruneCache` drops their entries. */
export function cachedChains(records: Records): ChainId[] {
  return entriesOf(records).flatMap(([, e]) => (e.chain ? [e.chain] : []));
}

/** The whole cache, key and entry, in the order in which entries came. */
export function cacheEntries(records: Records): [string, CacheEntry][] {
  return entriesOf(records);
}

/** Which entries to drop; what is left open does not matter. */
export interface CachePrune {
  /** Milliseconds since 1970: only those last used before. */
  unusedSince?: number;
  wanted?: (key: string, entry: CacheEntry) => boolean;
  /** Bytes that may stay: those used last. */
  keepBytes?: number;
}

/** Drops entries of the cache. Returns their keys; the layers go at the next GC. */
export function pruneCache(records: Records, options: CachePrune = {}): string[] {
  const { unusedSince = Number.POSITIVE_INFINITY, wanted = () => true, keepBytes = 0 } = options;
  const spared = sparedBy(entriesOf(records), keepBytes);
  const old = entriesOf(records).filter(([key, e]) => e.lastUsed < unusedSince && wanted(key, e) && !spared.has(key));
  const table = records.table<CacheEntry>("buildcache");
  records.transaction(() => {
    for (const [key] of old) table.delete(key);
  });
  return old.map(([key]) => key);
}

/** The entries last used that take up no more than so many bytes together. */
function sparedBy(entries: [string, CacheEntry][], bytes: number): Set<string> {
  const spared = new Set<string>();
  if (bytes <= 0) return spared;
  let left = bytes;
  for (const [key, { size }] of [...entries].sort(([, a], [, b]) => b.lastUsed - a.lastUsed)) {
    if (size > left) break;
    left -= size;
    spared.add(key);
  }
  return spared;
}

function entriesOf(records: Records): [string, CacheEntry][] {
  return records.table<CacheEntry>("buildcache").entries();
}

/** Steps being solved now, by store and key, so that builds running at once share them. */
const RUNNING = new WeakMap<Records, Map<string, Promise<Cached>>>();

/**
 * One build's view of the cache. `hold` keeps a layer from GC from the moment that it is found; who makes one holds it. A layer entry is written as soon as its layer is whole, so that a later failure or a kill keeps it; uses and
 * configuration steps are written by `flush`, in one transaction.
 */
export class BuildCache {
  private readonly table: Table<CacheEntry>;
  private readonly touched = new Map<string, CacheEntry>();
  private readonly running: Map<string, Promise<Cached>>;

  constructor(
    private readonly records: Records,
    private readonly layers: LayerStore,
    private readonly options: { read: boolean; hold: (chain: ChainId) => void },
  ) {
    this.table = records.table<CacheEntry>("buildcache");
    this.running = RUNNING.get(records) ?? new Map();
    RUNNING.set(records, this.running);
  }

  /** A step that changes the configuration only: it is done either way, the cache tells since when it is known. */
  config(key: string, step: string, imported?: Known): Cached {
    const known = imported ?? this.find(key);
    const created = known?.created ?? Date.now();
    this.touched.set(key, { created, lastUsed: Date.now(), size: 0, step });
    return { created, hit: known !== undefined };
  }

  /** A layer that another image's history tells of, from now on an entry of this cache too; undefined where it is gone. */
  imported(key: string, step: string, { chain, created }: Known): Cached | undefined {
    if (!chain) return undefined;
    this.options.hold(chain);
    const layer = this.layers.get(chain);
    if (!layer) return undefined;
    const known = this.find(key);
    this.touched.set(key, {
      chain,
      created,
      lastUsed: Date.now(),
      size: layer.size,
      step,
      uses: (known?.uses ?? 0) + 1,
    });
    return { chain, created, hit: true };
  }

  /**
   * A step that makes a layer: found, or waited for where another build is at it, or made. `wait` is called before waiting. Where the other
   * build fails or is cancelled, this one makes it itself.
   */
  async layer(key: string, step: string, how: { make: () => Promise<LayerRecord>; wait: () => void }): Promise<Cached> {
    const known = this.find(key);
    if (known) {
      this.touched.set(key, { ...known, lastUsed: Date.now(), uses: (known.uses ?? 0) + 1 });
      return { ...known, hit: true };
    }
    const other = this.options.read ? this.running.get(key) : undefined;
    if (other) {
      how.wait();
      // Its failure is its own: this build looks again, and makes the layer itself where there is still none.
      await other.catch(() => undefined);
      return this.layer(key, step, how);
    }
    const made = this.make(key, step, how.make);
    this.running.set(key, made);
    try {
      return await made;
    } finally {
      if (this.running.get(key) === made) this.running.delete(key);
    }
  }

  /** Writes what this build used. */
  flush(): void {
    this.records.transaction(() => {
      for (const [key, entry] of this.touched) this.table.put(key, entry);
    });
    this.touched.clear();
  }

  private async make(key: string, step: string, body: () => Promise<LayerRecord>): Promise<Cached> {
    const layer = await body();
    const now = Date.now();
    this.table.put(key, { chain: layer.chainId, created: now, lastUsed: now, size: layer.size, step });
    return { chain: layer.chainId, created: now, hit: false };
  }

  /** An entry whose layer is gone is none. */
  private find(key: string): CacheEntry | undefined {
    if (!this.options.read) return undefined;
    const entry = this.touched.get(key) ?? this.table.get(key);
    if (!entry?.chain) return entry;
    this.options.hold(entry.chain);
    return this.layers.get(entry.chain) ? entry : undefined;
  }
}
