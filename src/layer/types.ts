import type { OverlayMount } from "../host/monitor-types.ts";
import type { Digest } from "../spec/digest.ts";

/** The identity of a stack of layers (OCI image-spec, config.md, "Layer ChainID"). */
export type ChainId = Digest;

/** An unpacked layer. `short` is its folder's name below the layer root; `size` the sum of its regular files' bytes. */
export interface LayerRecord {
  chainId: ChainId;
  diffId: Digest;
  parent?: ChainId;
  short: string;
  size: number;
  /** The compressed blob it came from, where there was one. */
  blob?: Digest;
  /** The boot in which it was made, until the disk has it. */
  unsynced?: string;
}

/** One entry of a merged view. Sizes in bytes, times in milliseconds since 1970. */
export interface ViewEntry {
  type: "file" | "dir" | "symlink" | "char" | "block" | "fifo";
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtimeMs: number;
  link?: string;
  rdev?: number;
  /** The same for all names of one file, where it has more than one. */
  inode?: string;
  /** Where they were asked for, and there are any: those that belong to an image, as a layer's tar has them. */
  xattrs?: Map<string, Buffer>;
  /** Where the bytes are on the host. Opened only through the view's own functions. */
  hostPath: string;
}

/** A read-only merged view of layers (and a container's upper folder), without mounting. Symbolic links resolve inside the root, as in a chroot. */
export interface RootView {
  /** The entry itself (no following of the last component), or undefined. `path` is absolute inside the root. */
  lstat(path: string, more?: { xattrs: boolean }): ViewEntry | undefined;
  /** `path` with all symbolic links followed inside the root; the missing tail is kept as it is. */
  resolve(path: string): string;
  /** The whole of a regular file, at most `limit` bytes (default 1 MiB); undefined where there is none. */
  readFile(path: string, limit?: number): Buffer | undefined;
  readdir(path: string): string[];
}

/** Progress of one layer: bytes of the compressed source so far. */
export type LayerProgress = (done: number, total: number | undefined) => void;

/** Options of `apply`. */
export interface ApplyOptions {
  parent?: ChainId;
  /** Refused with `invalid-argument` where the uncompressed stream's digest differs. */
  diffId?: Digest;
  /** The blob to remember as the layer's source. */
  blob?: Digest;
  progress?: LayerProgress;
  /** Called with the stack's id before the layer can be seen, and where it is there already: whoever leases it here need not fear a GC. */
  hold?: (chain: ChainId) => void;
}

/**
 * Layers by chain id, each unpacked once into `<root>/<short>/diff`. A layer is either whole, verified and recorded, or absent:
 * unpacking happens in `<root>/tmp`, is renamed, then recorded. A kill anywhere leaves only `tmp` and unrecorded folders, which
 * `open` removes. The disk gets it a little later (see `Disk`); what a crash of the host has hurt is for `recover`.
 */
export interface LayerStore {
  /** Unpacks a tar (none, gzip or zstd, detected by its magic) from a file, in a worker process; returns the existing record where the chain is there already. */
  applyFile(path: string, options: ApplyOptions): Promise<LayerRecord>;
  /** The same from a stream of tar bytes (uncompressed), in this process: for small layers (COPY, init). */
  applyStream(tar: AsyncIterable<Uint8Array>, options: ApplyOptions): Promise<LayerRecord>;
  /** Takes an overlay upper folder as a new layer on `parent`: moves it where `move` is true and the file system allows, else copies it, in a worker process. The diff id is that of `diff`'s tar. */
  commit(upper: string, options: Pick<ApplyOptions, "parent" | "hold"> & { move: boolean }): Promise<LayerRecord>;
  /** One layer on `base` of all that lie above it up to `top`, in their place; `top` itself where it is the only one. Throws `internal` where `base` is not below `top`. */
  squash(top: ChainId, options: { base?: ChainId; hold?: (chain: ChainId) => void }): Promise<LayerRecord>;
  /** Remembers a compressed blob of the layer: its source from now on. Nothing where the layer is gone. */
  keepBlob(chainId: ChainId, blob: Digest): void;
  get(chainId: ChainId): LayerRecord | undefined;
  list(): LayerRecord[];
  /** The stack from top to bottom. */
  chain(top: ChainId): LayerRecord[];
  /** What the monitor mounts. Without `rw` the mount is read-only. `top` undefined: an empty image (scratch). */
  mount(top: ChainId | undefined, rw?: { upper: string; work: string }): OverlayMount;
  /** `upper` (a container's or build step's) over the stack. */
  view(top: ChainId | undefined, upper?: string): RootView;
  /** Whether an upper folder, in use or not, may change what is at `path` (absolute) in the stack below: it has the entry, or its way there is hidden or no folder. */
  touched(upper: string, path: string): boolean;
  /** The layer's tar, uncompressed, byte-identical to its diff id where it was committed here; whiteouts in OCI form, names sorted. */
  diff(chainId: ChainId): AsyncIterable<Uint8Array>;
  /**
   * After a crash of the host: layers that had not reached the disk are unpacked once more from their blobs, where `blobPath` knows them; one without is compared with its
   * digest. Those that are lost, with all above them, are removed: answers which. To be called before the store is used.
   */
  recover(blobPath: (digest: Digest) => string | undefined): Promise<ChainId[]>;
  /** Removes one layer that nothing references; callers hold no mount of it. */
  remove(chainId: ChainId): Promise<void>;
}
