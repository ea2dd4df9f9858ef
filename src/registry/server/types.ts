import type { ResponseBody } from "../../host/http-server.ts";

/** A content digest as registries take it: `sha256:` with 64 or `sha512:` with 128 lower-case hex digits (OCI image-spec, descriptor.md). */
export type ContentDigest = `sha256:${string}` | `sha512:${string}`;

/** One record's key, and when it was last written, in milliseconds since 1970 by the storage's clock. */
export interface Entry {
  key: string;
  modified: number;
}

/** One change of records. */
export type Change = { put: string; value: Uint8Array | string } | { remove: string };

/**
 * Small records under keys of `[a-zA-Z0-9._:~/-]`. A write that has returned is durable and seen by all who ask afterwards, on every machine. Errors: BerthError,
 * `no-space`, `unavailable` where the storage cannot be reached.
 */
export interface Metadata {
  get(key: string): Promise<Buffer | undefined>;
  /** All keys that begin with `prefix`, in the order of their bytes, those greater than `after` only, at most `limit` (default 1000). */
  list(prefix: string, options?: { after?: string; limit?: number }): Promise<Entry[]>;
  /** In this order; where the storage is exclusive all or nothing, and done before the call returns its promise. `volatile`: may be lost with the host. */
  write(changes: readonly Change[], options?: { volatile?: boolean }): Promise<void>;
  /** False, and nothing done, where the key is there. Of several callers at once one succeeds, where `Storage.atomicCreate` is true. */
  create(key: string, value: Uint8Array | string): Promise<boolean>;
}

/** A span of bytes, `end` exclusive. */
export interface Span {
  start: number;
  end: number;
}

/**
 * Large things, appended to until they are sealed, then never changed. An id is `[a-z0-9-]+`. A kill in the middle of `append` leaves a prefix of what was sent; nobody sees
 * data before a record names it.
 */
export interface DataStore {
  /** Appends at `offset`, which must be the present size; data that is not there has the size 0. Returns the new size. A source that fails leaves what had come, or a part of it. */
  append(id: string, offset: number, source: AsyncIterable<Uint8Array>): Promise<number>;
  /** Bytes so far; undefined where there is none. */
  size(id: string): Promise<number | undefined>;
  /**
   * Fixes what is there, durably; returns the id of that, which may be another. `own`: every byte of it was appended by this process. Throws where it has not this size.
   * Repeatable.
   */
  seal(id: string, size: number): Promise<{ data: string; own: boolean }>;
  /** A response's body. Throws `not-found` where the data has gone. */
  body(id: string, span: Span): Promise<ResponseBody>;
  read(id: string, span: Span): AsyncIterable<Uint8Array>;
  /** Of an upload, or sealed. Repeatable. */
  remove(id: string): Promise<void>;
  /** All uploads' ids that have data, sealed or not, with the time of the last write. */
  list(): AsyncIterable<{ id: string; modified: number }>;
}

/** Where a registry keeps everything. */
export interface Storage extends AsyncDisposable {
  readonly metadata: Metadata;
  readonly data: DataStore;
  /** True: no other process writes here, so what this one remembers stays true. */
  readonly exclusive: boolean;
  /** True: `create` is safe between machines. */
  readonly atomicCreate: boolean;
  /** How long a writer on another machine may take between looking and writing, in milliseconds; 0 where there is none. GC waits this long between condemning and deleting. */
  readonly settleMs: number;
  /** For people: `folder /srv/registry`. */
  readonly name: string;
}

/** A kind of access to a repository; `*` on the registry itself is for administrators. */
export type Action = "pull" | "push" | "delete" | "catalog" | "admin";

/** What a request wants to do. `repository` is empty for the registry itself. */
export interface Wish {
  repository: string;
  action: Action;
}

/** Who is asking, as far as is known. */
export interface Caller {
  /** Empty: anonymous. */
  user: string;
  /** May this caller do that as well? For lists, which show what one may pull. */
  may(wish: Wish): boolean;
}

/** Who may do what. Answers requests that have to prove more with 401 or 403 by throwing a RegistryError. */
export interface Gate {
  admit(request: Request, wishes: readonly Wish[]): Promise<Caller>;
  /** `/token` of the registry's own issuer; undefined where it has none. */
  token?(request: Request): Promise<Response>;
}

/** Rules about content that are no matter of who asks. */
export interface Policy {
  /** True: a tag that is there keeps its meaning, and is not deleted. */
  immutable(repository: string, tag: string): boolean;
  /** The most bytes of blobs in a repository; undefined: no limit. */
  quota(repository: string): number | undefined;
}

/** Repositories that stand for others elsewhere: what is missing here, or old, is fetched from there. */
export interface PullThrough {
  /** True where the repository is a cache of another, or may become one when somebody pulls from it. */
  covers(repository: string): Promise<boolean>;
  /** The repository here that stands for `repository` of the registry `namespace`, as clients of a mirror ask for it (`?ns=`); undefined where none does. */
  named(repository: string, namespace: string): string | undefined;
  /** True where nobody may push. */
  closed(repository: string): Promise<boolean>;
  /** Brings the manifest in, if it is not here or its tag is not fresh. Where the other side cannot be reached what is here has to do. */
  manifest(repository: string, target: string): Promise<void>;
  /** The blob's bytes on their way in, or undefined where it is here by now. */
  blob(repository: string, digest: ContentDigest, request: Request): Promise<Response | undefined>;
}

/** A request's body on its way in. `cancel` ends it at once: whoever reads it sees its end. */
export interface Body extends AsyncIterable<Uint8Array> {
  cancel(): void;
}
