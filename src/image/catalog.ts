import { readFileSync } from "node:fs";
import type { LayerStore } from "../layer/types.ts";
import { type Digest, isDigest, shortId } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import type { Manifest } from "../spec/oci.ts";
import { familiarString, parseReference, type Reference } from "../spec/reference.ts";
import type { NameResolution } from "../spec/resolution.ts";
import type { Disk } from "../store/disk.ts";
import type { BlobStore, Leases, Records, Table } from "../store/types.ts";
import { MAX_JSON, parseConfig, type StoredConfig } from "./config.ts";
import { parseManifest } from "./manifest.ts";
import { SharedWork } from "./shared-work.ts";
import type { Image, ImageRecord, LayerState } from "./types.ts";
import { UnfinishedPulls } from "./unfinished.ts";

/** What images are kept in. */
export interface ImageStoreDeps {
  records: Records;
  blobs: BlobStore;
  layers: LayerStore;
  leases: Leases;
  /** Where all of these are. */
  disk: Disk;
  /** Accepted from callers that have one; archives are spooled by the blob store, which verifies them on the way. */
  tmp?: string;
  /** Where names without a registry lead, at this moment. */
  resolution?: () => NameResolution;
  /** Told of what is damaged and goes on nevertheless. */
  warn?: (line: string) => void;
}

/** A name's record: key `domain/path:tag` or `domain/path@digest`. */
interface NameRecord {
  image: Digest;
}

/** An image with what its config says beyond the contract. The config is read when asked for, so that an image whose blob is lost can still be removed. */
export interface StoredImage extends Image {
  readonly config: StoredConfig;
}

/** The key of a reference that has a tag or a digest: its canonical form, nothing left out. */
function nameKey(ref: Reference): string {
  return `${ref.domain}/${ref.path}${ref.digest ? `@${ref.digest}` : `:${ref.tag ?? "latest"}`}`;
}

/** Images and names as records, with their configs and manifests from the blob store: what all operations on images share. */
export class Catalog {
  readonly #images: Table<ImageRecord>;
  readonly #names: Table<NameRecord>;
  /** By content, so never stale. */
  readonly #configs = new Map<Digest, StoredConfig>();
  readonly #manifests = new Map<Digest, Manifest>();

  readonly #warned = new Set<Digest>();
  readonly unfinished: UnfinishedPulls;
  /** Layers that come now, for one pull or for several. */
  readonly downloads = new SharedWork<Digest, LayerState>();

  constructor(readonly deps: ImageStoreDeps) {
    this.unfinished = new UnfinishedPulls(deps.records);
    this.#images = deps.records.table<ImageRecord>("images");
    this.#names = deps.records.table<NameRecord>("tags");
  }

  record(id: Digest): ImageRecord | undefined {
    return this.#images.get(id);
  }

  ids(): Digest[] {
    return this.#images.entries().map(([, record]) => record.id);
  }

  get(id: Digest): StoredImage | undefined {
    const record = this.#images.get(id);
    return record && this.#view(record, this.names(id));
  }

  all(): StoredImage[] {
    const byImage = new Map<Digest, Reference[]>();
    for (const [key, { image }] of this.#names.entries()) {
      const refs = byImage.get(image) ?? [];
      refs.push(parseReference(key));
      byImage.set(image, refs);
    }
    return this.#images.entries().map(([, record]) => this.#view(record, byImage.get(record.id) ?? []));
  }

  /** The image that a name with tag or digest stands for. */
  named(ref: Reference): Digest | undefined {
    return this.#names.get(nameKey(ref))?.image;
  }

  /** All names of one image, sorted. */
  names(id: Digest): Reference[] {
    return this.#names
      .entries()
      .filter(([, name]) => name.image === id)
      .map(([key]) => parseReference(key));
  }

  children(id: Digest): ImageRecord[] {
    return this.#images
      .entries()
      .map(([, record]) => record)
      .filter((record) => record.parent === id);
  }

  /** Throws `internal` where the blob is lost. */
  config(id: Digest): StoredConfig {
    let config = this.#configs.get(id);
    if (!config) this.#configs.set(id, (config = parseConfig(this.#read(id, id), `config of image ${shortId(id)}`)));
    return config;
  }

  /** Throws `internal` where the blob is lost. */
  manifest(record: ImageRecord): Manifest {
    let manifest = this.#manifests.get(record.manifest);
    if (!manifest) {
      manifest = parseManifest(this.#read(record.manifest, record.id), `manifest of image ${shortId(record.id)}`);
      this.#manifests.set(record.manifest, manifest);
    }
    return manifest;
  }

  /** Tells of a damaged image, once each. */
  warnOnce(id: Digest, line: string): void {
    if (!this.#warned.has(id)) this.deps.warn?.(line);
    this.#warned.add(id);
  }

  put(record: ImageRecord): void {
    this.#images.put(record.id, record);
  }

  drop(record: ImageRecord): void {
    this.#images.delete(record.id);
    this.#configs.delete(record.id);
    this.#manifests.delete(record.manifest);
  }

  /** Puts the name on that image, off any other. `at` (ms) is remembered as the image's last tagging. */
  putName(ref: Reference, image: Digest, at?: number): void {
    this.#names.put(nameKey(ref), { image });
    const record = this.#images.get(image);
    if (record && at !== undefined) this.#images.put(image, { ...record, tagged: at });
  }

  dropName(ref: Reference): void {
    this.#names.delete(nameKey(ref));
  }

  #view(record: ImageRecord, refs: Reference[]): StoredImage {
    const config = (): StoredConfig => this.config(record.id);
    return {
      ...record,
      tags: refs
        .filter((r) => !r.digest)
        .map(familiarString)
        .sort(),
      digests: refs
        .filter((r) => r.digest)
        .map(familiarString)
        .sort(),
      get config() {
        return config();
      },
    };
  }

  #read(digest: Digest, image: Digest): Buffer {
    const { blobs } = this.deps;
    const size = isDigest(digest) ? blobs.size(digest) : undefined;
    if (size === undefined || size > MAX_JSON) {
      throw new BerthError("internal", `image ${shortId(image)}: blob ${digest} is lost or damaged`, {
        hint: `remove the image with 'rmi -f ${shortId(image)}' and get it again`,
      });
    }
    return readFileSync(blobs.path(digest));
  }
}
