import type { ChainId } from "../layer/types.ts";
import type { Credentials, RegistryClient } from "../registry/types.ts";
import type { Digest } from "../spec/digest.ts";
import type { ImageHistoryResponseItem, ImageInspect, ImageSummary } from "../spec/engine-api.ts";
import type { History, ImageConfigFile, ImageRunConfig } from "../spec/oci.ts";
import type { Reference } from "../spec/reference.ts";

/** One image in the store. The id is the digest of its config blob. Times in milliseconds since 1970. */
export interface ImageRecord {
  id: Digest;
  /** The manifest blob that it was loaded with or that Berth wrote. */
  manifest: Digest;
  /** Top of its stack; undefined for an image without layers. */
  top?: ChainId;
  /** Sum of its layers' unpacked sizes in bytes. */
  size: number;
  /** When it came into this store. */
  added: number;
  /** The last time a tag was put on it; 0: never. */
  tagged: number;
  /** The image it was built from here, if any. */
  parent?: Digest;
}

/** An image with its config. A read-only view. */
export interface Image extends ImageRecord {
  readonly config: ImageConfigFile;
  /** Familiar names, `busybox:latest`. */
  readonly tags: string[];
  /** Familiar names with digest, `busybox@sha256:…`. */
  readonly digests: string[];
}

/** A message of `load`, `import` or `bootstrap`, in the shape of Docker's JSON stream. */
export interface ImageProgress {
  status?: string;
  stream?: string;
  id?: string;
  progressDetail?: { current?: number; total?: number };
}

/** What a new image is made of (build, commit, import, bootstrap). `history` has one entry for each step, those with layers first to last as in `layers`. */
export interface NewImage {
  parent?: Digest;
  top?: ChainId;
  run: ImageRunConfig;
  history: History[];
  created: string;
  author?: string;
  platform?: { os: string; architecture: string; variant?: string };
}

/** What to list, and what to say of each. */
export interface ListOptions {
  all: boolean;
  filters: Filters;
  /** They fill in the count of containers; without them it is -1. */
  users?: ImageUser[];
  /** Say what the listed images share, which needs a look at all of their layers. */
  sharedSize?: boolean;
  /** Say which manifests each has, with their sizes. */
  manifests?: boolean;
}

/** How far the download of one layer is; `detail` in bytes. */
export interface LayerState {
  status: string;
  detail?: { current: number; total: number };
}

/** Filters of `list`, as in Docker: dangling, label, before, since, reference, until. */
export type Filters = Record<string, string[]>;

/** What `remove` did, in order. */
export type RemovedItem = { Untagged: string } | { Deleted: string };

/** What a removal took: names and images, in the order in which they went, and then the layers that nobody needs any more. */
export interface Removed {
  items: RemovedItem[];
  layers: ChainId[];
}

/** Images by id, tag, digest. All names that come in are as a person writes them. */
export interface ImageStore {
  /** By id (`sha256:…`, 64 hex, a unique prefix), `name[:tag]`, `name@digest`. Throws `not-found` ("No such image: x:latest") or `invalid-argument` where a prefix is ambiguous. */
  resolve(name: string): Image;
  get(id: Digest): Image | undefined;
  list(options: ListOptions): ImageSummary[];
  /** `platform`: throws `not-found` where the image is of another, as `history` and `remove` do. `users`: also the manifests, with the containers of each. */
  inspect(name: string, options?: { platform?: string; users?: ImageUser[] }): ImageInspect;
  history(name: string, options?: { platform?: string }): ImageHistoryResponseItem[];
  /** All names or none. */
  tag(source: string, ...targets: string[]): void;
  /** Docker's rules: untag first; delete when the last name goes; conflicts name the container. `users` are containers with the image ids they use; layers and blobs that `keep` names stay. */
  remove(
    name: string,
    options: {
      force: boolean;
      prune: boolean;
      users: ImageUser[];
      platform?: string;
      keep?: { chains: Iterable<ChainId>; blobs: Iterable<Digest> };
    },
  ): Promise<Removed>;
  /** Frees what of these stacks nobody needs any more, blobs included: for the last user of an image that was removed from under it. */
  release(tops: Iterable<ChainId>, keep: { chains: Iterable<ChainId>; blobs: Iterable<Digest> }): Promise<void>;
  /** docker-archive or OCI layout, uncompressed or gzip, bzip2, xz or zstd (detected). Yields progress; the last messages are `Loaded image: x`. */
  load(
    archive: AsyncIterable<Uint8Array>,
    options: { quiet: boolean; platform?: string },
  ): AsyncIterable<ImageProgress>;
  /**
   * Brings the image of that name, which has a tag or a digest, from its registry. Yields Docker's messages. Throws `not-found` in Docker's words. Where it fails for other
   * reasons than what the registry sent, the layers that are here stay for the next pull of the same; `keep` is for the sweep of older ones.
   */
  pull(
    registry: RegistryClient,
    ref: Reference,
    options: {
      platform?: string;
      credentials?: Credentials;
      signal?: AbortSignal;
      keep?: { chains: Iterable<ChainId>; blobs: Iterable<Digest> };
      /** Where it is one of several: told whether the name has come to mean another image, instead of the line that says so. */
      ended?: (fresh: boolean) => void;
    },
  ): AsyncIterable<ImageProgress>;
  /** Sends the image of that name, or all tags of the repository, to its registry. The last message of each has tag, digest and size in `aux`. */
  push(
    registry: RegistryClient,
    ref: Reference,
    options: { platform?: string; credentials?: Credentials; signal?: AbortSignal },
  ): AsyncIterable<ImageProgress & { aux?: { Tag: string; Digest: Digest; Size: number } }>;
  /** A tar of these images, in OCI layout with Docker's `manifest.json`. `platform`: refuse images of another. `saved` is told of each when all has been read. Throws `not-found` before the first byte. */
  save(
    names: readonly string[],
    options: { platform?: string; saved?: (id: Digest) => void },
  ): AsyncIterable<Uint8Array>;
  /** A root file system tar (same compressions) as a new one-layer image. Returns its id. `changes` are Dockerfile instructions already folded into `run`. */
  importTar(
    tar: AsyncIterable<Uint8Array>,
    options: { reference?: string; message?: string; run: ImageRunConfig; platform?: string },
  ): Promise<Digest>;
  /** Writes config and manifest blobs and the record, in that order; puts `reference` on it. */
  create(image: NewImage, reference?: string): Promise<Image>;
  /** Puts right what a crash of the host has hurt: to be called first. Images that are lost are dropped with their names, and told of. */
  recover(): Promise<void>;
  /** Brings all content to the disk now; else it gets there a little later. */
  settle(): Promise<void>;
  /** Sweeps blobs and layers that no image, container (`keep`) or lease needs. `keep` is read again after each removal. Returns bytes freed. */
  gc(keep: { chains: Iterable<ChainId>; blobs: Iterable<Digest> }): Promise<number>;
  /** The same but for what pulls that did not come to their end have brought: for the start-up after a kill. */
  sweepLeftovers(keep: { chains: Iterable<ChainId>; blobs: Iterable<Digest> }): Promise<number>;
}

/** A container that uses an image, for conflict messages. */
export interface ImageUser {
  containerId: string;
  image: Digest;
  running: boolean;
  /** The top of its stack. Needed for layers to be freed at once by `remove` where the container's image is no longer in the store; else `gc` frees them. */
  top?: ChainId;
}
