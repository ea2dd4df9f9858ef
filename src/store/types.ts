import type { Digest } from "../spec/digest.ts";

/** A collection of JSON documents by key, in one SQLite table. Reads come from memory after the first; writes join the open transaction or make their own. */
export interface Table<T> {
  get(key: string): T | undefined;
  put(key: string, value: T): void;
  delete(key: string): void;
  entries(): [string, T][];
}

/** All of Berth's records: SQLite, WAL, synchronous=FULL, one transaction per state change. A newer schema than ours is refused. */
export interface Records {
  table<T>(name: TableName): Table<T>;
  /** All or nothing, also in memory: a throw inside rolls both back. Not nested, not async. */
  transaction<R>(body: () => R): R;
  /**
   * Writes inside `body` outlive a kill of the daemon, but not surely one of the host: for what is void or repeated after a reboot. Saves
   * the wait for the disk. Not inside a transaction, not async.
   */
  unsynced<R>(body: () => R): R;
  close(): void;
}

/** The tables of schema version 1. */
export type TableName =
  | "containers"
  | "images"
  | "tags"
  | "layers"
  | "networks"
  | "endpoints"
  | "volumes"
  | "buildcache"
  | "meta";

/** A finished blob. `size` in bytes. */
export interface BlobInfo {
  digest: Digest;
  size: number;
}

/**
 * Content by digest in OCI layout, `<root>/blobs/sha256/<hex>`. A blob is whole and verified, or absent: ingest streams into `tmp/`, hashes on the
 * way, compares, renames. It can be used at once, and reaches the disk a little later (see `Disk`).
 */
export interface BlobStore {
  has(digest: Digest): boolean;
  /** Absolute path, whether it exists or not. */
  path(digest: Digest): string;
  size(digest: Digest): number | undefined;
  /** Throws `invalid-argument` where digest or size differ from what was expected; nothing is left then. A `lease` gets the digest before the blob can be seen, so that a GC at the same time leaves it alone. */
  ingest(
    source: AsyncIterable<Uint8Array>,
    expected?: { digest?: Digest; size?: number; lease?: Lease },
  ): Promise<BlobInfo>;
  /**
   * Takes in a blob from a source that can begin anywhere in it. What has come is kept in `<root>/partial/<hex>` over failures of the source and kills, and gone on from the
   * next time, until it is removed. Throws `invalid-argument` where all of it has come and is not that blob, `no-space`; nothing is left then. One at a time for each digest.
   */
  complete(
    source: (from: number) => Promise<AsyncIterable<Uint8Array>>,
    expected: { digest: Digest; size: number; lease?: Lease },
  ): Promise<BlobInfo>;
  /** How many bytes of it have come; undefined where none was begun. */
  partial(digest: Digest): number | undefined;
  partials(): Digest[];
  ingestBytes(bytes: Uint8Array): Promise<BlobInfo>;
  /** The whole blob, at most `limit` bytes (default 4 MiB; more throws). */
  read(digest: Digest, limit?: number): Promise<Buffer>;
  list(): Digest[];
  /** After a crash of the host: removes the blobs that had not reached the disk and are not whole, and answers which are not there. To be called before the store is used. */
  recover(): Promise<Digest[]>;
  /** The blob, and what has come of it where it is not whole. */
  remove(digest: Digest): void;
}

/** Protects what is in flight from GC: blobs and chain ids named in it are kept until released. In memory: what a killed daemon was at is nobody's any more. */
export interface Leases {
  acquire(): Lease;
}

/** One lease. `await using` releases it. */
export interface Lease extends AsyncDisposable {
  add(id: Digest): void;
}
