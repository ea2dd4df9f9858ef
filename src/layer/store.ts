import { createHash, randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { ensureDir, removeTree } from "../host/files.ts";
import type { OverlayMount } from "../host/monitor-types.ts";
import { type Digest, hexOf, shortId } from "../spec/digest.ts";
import { BerthError, errnoOf, fromErrno, isKind } from "../spec/errors.ts";
import { type Disk, openDisk } from "../store/disk.ts";
import type { Records, Table } from "../store/types.ts";
import { chainIdOf } from "./chain.ts";
import { digestTree, type Unpacked, unpackDigested } from "./digested.ts";
import { mergeLayers } from "./merge.ts";
import { packTree } from "./pack.ts";
import { Slots } from "./slots.ts";
import type { ApplyOptions, ChainId, LayerRecord, LayerStore, RootView } from "./types.ts";
import { UnpackProcesses } from "./unpack-process.ts";
import { isTouched, openView } from "./view.ts";

const SHORT = 8;
/** Folders of the root that are no layers. */
const TMP = "tmp";
const EMPTY = "empty";
const EMPTY_DIRS = [`${EMPTY}/diff`, `${EMPTY}/more`];

/**
 * Opens the layers below `root`, made where it is missing. What a killed daemon left half done is removed: `tmp`, folders without a record,
 * records without a folder. One process at a time.
 */
export function openLayerStore(options: { root: string; records: Records; disk?: Disk }): LayerStore {
  const { root, records } = options;
  const table = records.table<LayerRecord>("layers");
  ensureDir(root, 0o700);
  const disk = options.disk ?? openDisk(root);
  for (const [chainId, { short, unsynced = disk.boot }] of table.entries()) {
    // What another boot has not brought to the disk is for `recover`.
    if (unsynced === disk.boot && !existsSync(join(root, short, "diff"))) table.delete(chainId);
  }
  const kept = new Set([EMPTY, ...table.entries().map(([, r]) => r.short)]);
  for (const name of readdirSync(root)) if (!kept.has(name)) clear(root, name);
  mkdirSync(join(root, TMP), 0o700);
  for (const name of EMPTY_DIRS) ensureDir(join(root, name));
  return new Layers({ root, records, table, disk });
}

/** A killed daemon's worker may go on for a moment: its folder is moved out of the way first, and what it still puts there goes at the next open. */
function clear(root: string, name: string): void {
  const gone = join(root, `gone-${randomBytes(SHORT).toString("hex")}`);
  renameSync(join(root, name), gone);
  try {
    removeTree(gone);
  } catch (e) {
    if (errnoOf(e) !== "ENOTEMPTY") throw e;
  }
}

class Layers implements LayerStore {
  readonly #root: string;
  readonly #table: Table<LayerRecord>;
  readonly #inFlight = new Map<ChainId, Promise<LayerRecord>>();
  readonly #workers = new Slots(Math.max(2, availableParallelism()));
  readonly #unpackers = new UnpackProcesses();
  readonly #disk: Disk;
  readonly #records: Records;
  /** Folders of layers that have no record yet. */
  readonly #taken = new Set<string>();

  constructor({
    root,
    records,
    table,
    disk,
  }: { root: string; records: Records; table: Table<LayerRecord>; disk: Disk }) {
    this.#root = root;
    this.#records = records;
    this.#table = table;
    this.#disk = disk;
    for (const record of this.list()) if (record.unsynced === disk.boot) this.#settleLater(record);
  }

  applyFile(path: string, options: ApplyOptions): Promise<LayerRecord> {
    return this.#once(options, (target) =>
      this.#workers.run(() => this.#unpackers.run({ source: { tar: path }, target }, options.progress)),
    );
  }

  applyStream(tar: AsyncIterable<Uint8Array>, options: ApplyOptions): Promise<LayerRecord> {
    return this.#once(options, (target) => unpackDigested(tar, target));
  }

  async commit(
    upper: string,
    options: Pick<ApplyOptions, "parent" | "hold"> & { move: boolean },
  ): Promise<LayerRecord> {
    const { move, ...own } = options;
    if (!move) {
      return this.#once(own, (target) =>
        this.#workers.run(() => this.#unpackers.run({ source: { tree: upper }, target })),
      );
    }
    const { diffId, size } = await digestTree(upper);
    const record = await this.#once({ ...own, diffId }, async (target) => {
      try {
        renameSync(upper, target);
      } catch (e) {
        if (errnoOf(e) !== "EXDEV") throw e;
        await unpackDigested(packTree(upper, { whiteouts: "overlay" }), target);
      }
      return { diffId, size };
    });
    await rm(upper, { recursive: true, force: true });
    return record;
  }

  async squash(top: ChainId, options: { base?: ChainId; hold?: (chain: ChainId) => void }): Promise<LayerRecord> {
    const { base, ...held } = options;
    const stack = this.chain(top);
    const at = base === undefined ? stack.length : stack.findIndex(({ chainId }) => chainId === base);
    const [first, ...more] = at < 0 ? [] : stack.slice(0, at);
    if (!first) throw new BerthError("internal", `nothing to squash between ${base} and ${top}`);
    if (more.length === 0) return first;
    const below = this.view(base);
    const target = join(this.#root, TMP, `squash-${randomBytes(SHORT).toString("hex")}`);
    mkdirSync(target);
    mergeLayers(
      target,
      [first, ...more].reverse().map((record) => this.#dir(record)),
      (path) => below.lstat(`/${path}`) !== undefined,
    );
    return this.commit(target, { ...(base ? { parent: base } : {}), ...held, move: true });
  }

  keepBlob(chainId: ChainId, blob: Digest): void {
    const record = this.#table.get(chainId);
    if (record && record.blob !== blob) this.#table.put(chainId, { ...record, blob });
  }

  get(chainId: ChainId): LayerRecord | undefined {
    return this.#table.get(chainId);
  }

  list(): LayerRecord[] {
    return this.#table.entries().map(([, record]) => record);
  }

  chain(top: ChainId): LayerRecord[] {
    const out: LayerRecord[] = [];
    for (let id: ChainId | undefined = top; id !== undefined; ) {
      const record: LayerRecord = this.#known(id);
      out.push(record);
      id = record.parent;
    }
    return out;
  }

  mount(top: ChainId | undefined, rw?: { upper: string; work: string }): OverlayMount {
    const stack = top === undefined ? [] : this.chain(top).map((r) => `${r.short}/diff`);
    // overlay wants one lower folder below an upper one, and two, not the same twice, where there is none.
    const lower = [...stack, ...EMPTY_DIRS].slice(0, Math.max(stack.length, rw ? 1 : 2));
    return { base: this.#root, lower, ...(rw ?? {}) };
  }

  view(top: ChainId | undefined, upper?: string): RootView {
    return openView(top === undefined ? [] : this.chain(top).map((r) => this.#dir(r)), upper);
  }

  touched(upper: string, path: string): boolean {
    return isTouched(upper, path);
  }

  diff(chainId: ChainId): AsyncIterable<Uint8Array> {
    const record = this.#known(chainId);
    return verified(packTree(this.#dir(record), { whiteouts: "overlay" }), record);
  }

  async recover(blobPath: (digest: Digest) => string | undefined): Promise<ChainId[]> {
    const lost: ChainId[] = [];
    for (const record of this.#parentsFirst()) {
      const { chainId, parent, unsynced = this.#disk.boot } = record;
      const above = parent !== undefined && lost.includes(parent);
      if (!above && (unsynced === this.#disk.boot || (await this.#recovered(record, blobPath)))) continue;
      lost.push(chainId);
      this.#table.delete(chainId);
      removeTree(join(this.#root, record.short));
    }
    return lost;
  }

  async remove(chainId: ChainId): Promise<void> {
    const record = this.#known(chainId);
    const child = this.list().find((r) => r.parent === chainId);
    if (child) throw new BerthError("conflict", `layer ${chainId} is in use by layer ${child.chainId}`);
    this.#table.delete(chainId);
    const gone = this.#newTmp();
    renameSync(join(this.#root, record.short), gone);
    await rm(gone, { recursive: true, force: true });
  }

  #parentsFirst(): LayerRecord[] {
    const depth = ({ parent }: LayerRecord): number => {
      const below = parent === undefined ? undefined : this.#table.get(parent);
      return below ? depth(below) + 1 : 0;
    };
    return this.list()
      .map((record) => ({ record, at: depth(record) }))
      .sort((a, b) => a.at - b.at)
      .map(({ record }) => record);
  }

  /** Whether the layer is whole, or has been made so. The tree of a tar from elsewhere tells nothing of the tar: it is unpacked anew. */
  async #recovered(record: LayerRecord, blobPath: (digest: Digest) => string | undefined): Promise<boolean> {
    const { chainId, diffId } = record;
    const path = record.blob && blobPath(record.blob);
    const tmp = this.#newTmp();
    const target = join(tmp, "diff");
    try {
      if (path) {
        makeLayerFolder(target);
        const made = await this.#unpackers.run({ source: { tar: path }, target });
        if (made.diffId !== diffId) return false;
        removeTree(join(this.#root, record.short));
        renameSync(tmp, join(this.#root, record.short));
      } else if ((await digestTree(this.#dir(record))).diffId !== diffId) return false;
    } catch (error) {
      // A full disk says nothing of the layer.
      if (isKind(fromErrno(error, "layer"), "no-space")) throw fromErrno(error, "layer");
      return false;
    } finally {
      await rm(tmp, { recursive: true, force: true });
    }
    const whole = { ...record, unsynced: this.#disk.boot };
    this.#table.put(chainId, whole);
    this.#settleLater(whole);
    return true;
  }

  #known(chainId: ChainId): LayerRecord {
    const record = this.#table.get(chainId);
    if (record) return record;
    throw new BerthError("not-found", `layer ${chainId} does not exist`, { hint: "load or pull the image again" });
  }

  #dir(record: LayerRecord): string {
    return join(this.#root, record.short, "diff");
  }

  #newTmp(): string {
    return join(this.#root, TMP, randomBytes(8).toString("hex"));
  }

  /** Callers that want the same layer share one run of `produce`; one that is there already is returned as it is. */
  #once(options: ApplyOptions, produce: (target: string) => Promise<Unpacked>): Promise<LayerRecord> {
    if (options.diffId === undefined) return this.#apply(options, produce);
    const chainId = chainIdOf(options.parent, options.diffId);
    options.hold?.(chainId);
    const known = this.#table.get(chainId);
    if (known) return Promise.resolve(known);
    const running = this.#inFlight.get(chainId);
    if (running) return running;
    const run = this.#apply(options, produce).finally(() => this.#inFlight.delete(chainId));
    this.#inFlight.set(chainId, run);
    return run;
  }

  async #apply(options: ApplyOptions, produce: (target: string) => Promise<Unpacked>): Promise<LayerRecord> {
    const tmp = this.#newTmp();
    try {
      const target = join(tmp, "diff");
      makeLayerFolder(target);
      const made = await produce(target);
      if (options.diffId !== undefined && options.diffId !== made.diffId)
        throw wrongDiffId(options.diffId, made.diffId);
      return await this.#publish(tmp, options, made);
    } catch (e) {
      throw fromErrno(e, "layer");
    } finally {
      await rm(tmp, { recursive: true, force: true });
    }
  }

  /** Layers of one image are unpacked side by side; each becomes visible only after its parent. */
  async #parentDone(parent: ChainId | undefined): Promise<void> {
    if (parent === undefined) return;
    // The parent's failure is its own caller's to hear; here it is simply not there.
    await this.#inFlight.get(parent)?.catch(() => undefined);
    this.#known(parent);
  }

  /** A kill before the record is there leaves a folder without one, which `openLayerStore` removes. */
  async #publish(tmp: string, options: ApplyOptions, made: Unpacked): Promise<LayerRecord> {
    const chainId = chainIdOf(options.parent, made.diffId);
    options.hold?.(chainId);
    const short = this.#takeShort(chainId);
    const folder = join(this.#root, short);
    const { parent, blob } = options;
    const record: LayerRecord = {
      chainId,
      diffId: made.diffId,
      short,
      size: made.size,
      unsynced: this.#disk.boot,
      ...(parent === undefined ? {} : { parent }),
      ...(blob === undefined ? {} : { blob }),
    };
    try {
      if (!this.#table.get(chainId)) {
        removeTree(folder);
        renameSync(tmp, folder);
        await this.#parentDone(parent);
      }
      // Somebody else may have made the same one meanwhile.
      const known = this.#table.get(chainId);
      if (known) return known;
      // Whatever needs it, as an image does, has a record that comes after this one, and is synced with it.
      this.#records.unsynced(() => this.#table.put(chainId, record));
      this.#settleLater(record);
      return record;
    } finally {
      this.#taken.delete(short);
      // What has no record goes with `tmp`.
      if (this.#table.get(chainId)?.short !== short && existsSync(folder)) renameSync(folder, tmp);
    }
  }

  /** Takes the mark away once the disk has the layer. Should that not be recorded, the next start looks at it once more. */
  #settleLater({ chainId, short }: LayerRecord): void {
    this.#disk.later(() => {
      const now = this.#table.get(chainId);
      if (now?.unsynced === undefined || now.short !== short) return;
      const { unsynced: _mark, ...record } = now;
      this.#records.unsynced(() => this.#table.put(chainId, record));
    });
  }

  /** Eight hex digits that no other layer has, until they are given back: `short/diff` of 130 layers fits into the one page of mount(2)'s options. */
  #takeShort(chainId: ChainId): string {
    const taken = new Set([...this.#taken, ...this.list().map((r) => r.short)]);
    let name = hexOf(chainId).slice(0, SHORT);
    while (taken.has(name)) name = randomBytes(SHORT / 2).toString("hex");
    this.#taken.add(name);
    return name;
  }
}

/** The root folder of a layer, whatever the umask is. */
function makeLayerFolder(target: string): void {
  mkdirSync(target, { recursive: true });
  chmodSync(target, 0o755);
}

/** Ends by an error where the tar is not the one that the layer was made of: nobody gets an image that others would refuse. */
async function* verified(tar: AsyncIterable<Uint8Array>, { chainId, diffId }: LayerRecord): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  for await (const chunk of tar) {
    hash.update(chunk);
    yield chunk;
  }
  if (`sha256:${hash.digest("hex")}` === diffId) return;
  throw new BerthError("internal", `layer ${shortId(chainId)}: its files are not what it was made of any more`, {
    hint: "build the image again with --no-cache",
  });
}

function wrongDiffId(want: Digest, got: Digest): BerthError {
  return new BerthError(
    "invalid-argument",
    `layer verification failed: its tar has the digest ${got}, the image says ${want}`,
    {
      hint: "the archive is damaged: fetch or save it once more",
    },
  );
}
