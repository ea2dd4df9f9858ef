import type { ChainId } from "../layer/types.ts";
import type { Digest } from "../spec/digest.ts";
import type { Records, Table } from "../store/types.ts";

/** How many unfinished pulls may keep what they brought; the oldest gives way. */
const MOST = 3;
const KEY = "unfinished-pulls";

/** What a pull brings: the blobs of its manifest, config and layers, and the stacks that these make. */
export interface PullContent {
  manifest: Digest;
  blobs: Digest[];
  chains: ChainId[];
}

/**
 * Pulls that have begun and not come to their end: what they have brought and verified so far is kept from GC, so that the next one of the same manifest goes on
 * from there. Noted before the first layer comes; a kill leaves the note, and so what is whole. A prune forgets all of them.
 */
export class UnfinishedPulls {
  readonly #records: Records;
  readonly #table: Table<{ pulls: PullContent[] }>;

  constructor(records: Records) {
    this.#records = records;
    this.#table = records.table("meta");
  }

  all(): readonly PullContent[] {
    return this.#table.get(KEY)?.pulls ?? [];
  }

  /** Notes the pull as the newest. Returns those that give way: what they brought is the caller's to sweep. */
  begin(pull: PullContent): PullContent[] {
    const pulls = [...this.#others(pull.manifest), pull];
    const gone = pulls.slice(0, Math.max(0, pulls.length - MOST));
    this.#records.unsynced(() => this.#table.put(KEY, { pulls: pulls.slice(gone.length) }));
    return gone;
  }

  /** The pull has ended, or is not to be gone on with. Joins an open transaction. */
  forget(manifest: Digest): void {
    const pulls = this.#others(manifest);
    if (pulls.length < this.all().length) this.#table.put(KEY, { pulls });
  }

  forgetAll(): void {
    if (this.all().length > 0) this.#table.delete(KEY);
  }

  #others(manifest: Digest): PullContent[] {
    return this.all().filter((pull) => pull.manifest !== manifest);
  }
}
