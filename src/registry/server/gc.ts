import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { allEntries, type Generation, generationsOf, live, segmentsOf } from "./generations.ts";
import { CONDEMNED, decoded, KEYS, partsOf, uploadOf } from "./keys.ts";
import type { Manifests } from "./manifests.ts";
import { isContentDigest } from "./names.ts";
import type { Reliance } from "./reliance.ts";
import type { Storage } from "./types.ts";
import type { Uploads } from "./uploads.ts";

/** Ages in milliseconds. */
export interface CollectOptions {
  /** What is younger stays, whether it is needed or not: a client may be about to name it. */
  graceMs: number;
  /** Uploads that nobody has gone on with for so long end. */
  uploadMs: number;
}

/** What a collection took away. `bytes` are those of blobs and of uploads. */
export interface Collected {
  presences: number;
  blobs: number;
  bytes: number;
  uploads: number;
  strays: number;
}

/** By their keys: what nobody needs; what is needed, but served by another that is not condemned; what is needed and has only condemned ones. */
interface Sorted {
  spare: Map<string, Generation>;
  doubles: Map<string, Generation>;
  pardoned: Map<string, Generation>;
}

const sorted = (): Sorted => ({ spare: new Map(), doubles: new Map(), pardoned: new Map() });

interface CollectorDeps {
  storage: Storage;
  manifests: Manifests;
  reliance: Reliance;
  uploads: Uploads;
}

/**
 * Online garbage collection: pushes and pulls go on. A repository's presences that none of its manifests names go, then bytes that no presence names, then what kills left: uploads,
 * data without a record, tags and referrers without a manifest. On a storage of several machines what is to go is condemned, and taken only after all who may have looked
 * before have written (`Reliance`), if it is still not needed. Several collections at once are safe; a kill anywhere leaves work for the next.
 */
export class Collector {
  constructor(private readonly deps: CollectorDeps) {}

  async collect(options: CollectOptions): Promise<Collected> {
    const collected: Collected = { presences: 0, blobs: 0, bytes: 0, uploads: 0, strays: 0 };
    await this.#uploads(options, collected);
    collected.presences = (await this.#presences(options)).length;
    for (const { id, size } of await this.#blobs(options)) {
      await this.deps.storage.data.remove(id);
      collected.blobs += 1;
      collected.bytes += size;
    }
    await this.#strayData(options, collected);
    await this.#strayRecords(options, collected);
    return collected;
  }

  async #presences(options: CollectOptions): Promise<Generation[]> {
    const { metadata } = this.deps.storage;
    const look = async (): Promise<Sorted> => {
      const found = sorted();
      for await (const segment of segmentsOf(metadata, "presences/")) {
        const repository = decoded(segment);
        // Listed before it is marked: what comes meanwhile is in neither.
        const generations = await this.#generations(KEYS.presences(repository));
        const needed = new Set<string>();
        for await (const { blobs } of this.deps.manifests.all(repository))
          for (const { digest } of blobs) needed.add(KEYS.presences(repository, digest));
        this.#sort(generations, (prefix) => needed.has(prefix), found);
      }
      return found;
    };
    return this.#take(look, options);
  }

  async #blobs(options: CollectOptions): Promise<Generation[]> {
    const { metadata } = this.deps.storage;
    const look = async (): Promise<Sorted> => {
      const found = sorted();
      const generations = await this.#generations(KEYS.blobs());
      const needed = new Set<string>();
      for await (const { key } of allEntries(metadata, "presences/")) {
        const digest = partsOf(key)[1];
        if (isContentDigest(digest)) needed.add(KEYS.blobs(digest));
      }
      this.#sort(generations, (prefix) => needed.has(prefix), found);
      return found;
    };
    return this.#take(look, options);
  }

  /** What may go, and what is needed although it was condemned, by a collection that has ended early or still runs. */
  #sort(generations: readonly Generation[], needed: (prefix: string) => boolean, into: Sorted): void {
    for (const [prefix, all] of Map.groupBy(generations, (g) => prefixOf(g.key))) {
      const kept = live(all);
      if (!needed(prefix)) for (const g of all) into.spare.set(g.key, g);
      else if (kept) for (const g of all) if (g !== kept) into.doubles.set(g.key, g);
      if (needed(prefix) && !kept && all[0]) into.pardoned.set(all[0].key, all[0]);
    }
  }

  /**
   * Removes the records of what is not needed and old enough; returns them. Between machines each collection writes a mark of its own on what it takes, and on what it pardons: it does
   * either `settleMs` later, where the mark is still its own. So nothing is taken that was not condemned all the time since, whatever other collections do and however long the
   * taking of many takes; and of two collections that keep different doubles of one digest neither takes the last.
   */
  async #take(look: () => Promise<Sorted>, { graceMs }: CollectOptions): Promise<Generation[]> {
    const { settleMs, metadata } = this.deps.storage;
    using watch = this.deps.reliance.watch();
    const oldest = Date.now() - graceMs;
    const { spare, doubles, pardoned } = await look();
    const taken = [...spare.values(), ...doubles.values()].filter((g) => g.modified <= oldest);
    if (settleMs === 0) {
      await metadata.write([...pardoned.keys()].map((key) => ({ remove: key + CONDEMNED })));
      // Elsewhere whoever relies on it has seen the mark.
      return this.#remove(taken, async (g) => !watch.has(prefixOf(g.key)));
    }
    if (taken.length === 0 && pardoned.size === 0) return [];
    const mark = randomUUID();
    for (const { key } of [...taken, ...pardoned.values()])
      await metadata.write([{ put: key + CONDEMNED, value: mark }]);
    await delay(settleMs);
    const now = await look();
    const own = async (key: string): Promise<boolean> => (await metadata.get(key + CONDEMNED))?.toString() === mark;
    for (const key of pardoned.keys())
      if (now.pardoned.has(key) && (await own(key))) await metadata.write([{ remove: key + CONDEMNED }]);
    return this.#remove(taken, async ({ key }) => {
      if (!now.spare.has(key) && !now.doubles.has(key)) return false;
      if (now.doubles.has(key) && !live(await generationsOf(metadata, prefixOf(key)))) return false;
      return own(key);
    });
  }

  /** The record first, then its mark: never is one there again that somebody saw condemned. `may` is asked at the moment of taking. */
  async #remove(generations: readonly Generation[], may: (g: Generation) => Promise<boolean>): Promise<Generation[]> {
    const { metadata } = this.deps.storage;
    const gone: Generation[] = [];
    for (const generation of generations) {
      if (!(await may(generation))) continue;
      await metadata.write([{ remove: generation.key }, { remove: generation.key + CONDEMNED }]);
      gone.push(generation);
    }
    return gone;
  }

  async #generations(prefix: string): Promise<Generation[]> {
    const strays: string[] = [];
    const found = await generationsOf(this.deps.storage.metadata, prefix, strays);
    await this.deps.storage.metadata.write(strays.map((key) => ({ remove: key })));
    return found;
  }

  async #uploads({ uploadMs }: CollectOptions, collected: Collected): Promise<void> {
    const { storage, uploads } = this.deps;
    const oldest = Date.now() - uploadMs;
    const idle = new Map<string, string>();
    for await (const { key, modified } of allEntries(storage.metadata, "uploads/")) {
      const [segment = "", id = ""] = partsOf(key);
      if (modified <= oldest) idle.set(id, decoded(segment));
    }
    if (idle.size === 0) return;
    for await (const { id, modified } of storage.data.list()) if (modified > oldest) idle.delete(id);
    for (const [id, repository] of idle) {
      const bytes = (await storage.data.size(id)) ?? 0;
      if (!(await uploads.expire(repository, id))) continue;
      collected.bytes += bytes;
      collected.uploads += 1;
    }
  }

  /**
   * Data that no record names. Data is listed first, then uploads, then blobs: whatever is between two of them is in the later. Where another machine may be about to name what it
   * has just sealed, what is younger than `settleMs` stays.
   */
  async #strayData({ graceMs }: CollectOptions, collected: Collected): Promise<void> {
    const { metadata, data, settleMs } = this.deps.storage;
    const oldest = Date.now() - Math.max(graceMs, settleMs);
    const strays = new Set<string>();
    const young = new Set<string>();
    for await (const { id, modified } of data.list()) (modified <= oldest ? strays : young).add(id);
    for (const id of young) strays.delete(id);
    for await (const { key } of allEntries(metadata, "uploads/")) strays.delete(partsOf(key)[1] ?? "");
    for (const { id } of await generationsOf(metadata, KEYS.blobs())) strays.delete(uploadOf(id));
    for (const id of strays) await data.remove(id);
    collected.strays += strays.size;
  }

  /** Tags and referrers without their manifest, repositories without any; and repositories that are not listed yet. */
  async #strayRecords({ graceMs }: CollectOptions, collected: Collected): Promise<void> {
    const { storage, manifests, reliance } = this.deps;
    const { metadata } = storage;
    const oldest = Date.now() - graceMs;
    using watch = reliance.watch();
    const drop = async (key: string): Promise<void> => {
      if (watch.has(key)) return;
      await metadata.write([{ remove: key }]);
      collected.strays += 1;
    };
    for await (const { key, modified } of allEntries(metadata, "tags/")) {
      const [segment = "", tag = ""] = partsOf(key);
      const digest = modified <= oldest ? await manifests.tag(decoded(segment), tag) : undefined;
      if (digest && !(await manifests.byDigest(decoded(segment), digest))) await drop(key);
    }
    for await (const { key, modified } of allEntries(metadata, "referrers/")) {
      const [segment = "", , digest] = partsOf(key);
      if (modified > oldest || !isContentDigest(digest)) continue;
      if (!(await manifests.byDigest(decoded(segment), digest))) await drop(key);
    }
    const used = new Set<string>();
    for await (const segment of segmentsOf(metadata, "manifests/")) used.add(segment);
    for await (const { key, modified } of allEntries(metadata, KEYS.catalog())) {
      if (!used.delete(partsOf(key)[0] ?? "") && modified <= oldest) await drop(key);
    }
    for (const segment of used) await metadata.write([{ put: KEYS.catalog(decoded(segment)), value: "" }]);
  }
}

/** `presences/REPO/DIGEST/` or `blobs/DIGEST/`: what writers say that they rely on. */
function prefixOf(key: string): string {
  return key.slice(0, key.lastIndexOf("/") + 1);
}
