import { createReadStream } from "node:fs";
import { gzipBlocks } from "../layer/gzip.ts";
import { Slots } from "../layer/slots.ts";
import type { LayerRecord } from "../layer/types.ts";
import type { Credentials, RegistryClient, Repository } from "../registry/types.ts";
import { type Digest, shortId } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import { type Descriptor, FOREIGN_LAYERS, type Manifest, MediaType } from "../spec/oci.ts";
import { familiarName, familiarString, type Reference, withDefaultTag } from "../spec/reference.ts";
import type { BlobInfo } from "../store/types.ts";
import type { Catalog, StoredImage } from "./catalog.ts";
import { layerDescriptor } from "./create.ts";
import { layerBlobs, sweep } from "./gc.ts";
import { Intake } from "./intake.ts";
import { MessageQueue } from "./message-queue.ts";
import { refusePlatform } from "./platform.ts";
import { waiting } from "./pull-layers.ts";
import type { ImageProgress } from "./types.ts";

/** Uploads at the same time, where `max-concurrent-uploads` says nothing. */
const AT_ONCE = 5;
/** One large layer keeps all processors busy. The sooner it is done, the sooner its upload begins, while the next is compressed: quicker than side by side, in less memory. */
const COMPRESSING = new Slots(1);
/** Layers up to this many bytes take their time from the disk rather than from the processors: they do not wait in line. */
const SMALL = 1024 * 1024;
/** Repositories that are asked for a blob before it is sent. */
const MOST_SOURCES = 3;
const PROGRESS_STEP = 256 * 1024;
/** Of a blob at once: pieces of a stream's own 64 KiB take twice the processor's time. */
const READ = { highWaterMark: 256 * 1024 };
const DOCKER_TYPES: Record<string, string> = {
  [MediaType.layerGzip]: MediaType.dockerLayerGzip,
  [MediaType.layer]: MediaType.dockerLayer,
};

/** What a push tells beyond Docker's lines of progress: tag, digest and size of the manifest, in `aux`. */
export interface PushProgress extends ImageProgress {
  aux?: { Tag: string; Digest: Digest; Size: number };
}

/** What to push, with whose rights. */
export interface PushOptions {
  platform?: string;
  credentials?: Credentials;
  signal?: AbortSignal;
}

/**
 * store → registry: each tag's layers, config, then its manifest, so that the registry never names what it does not have. Layers that it has are
 * skipped; layers made here are compressed once, kept, and have the same bytes in each push. An image that was pulled is pushed with the very manifest
 * that it came with. `ref` without a tag: all tags of the repository. Repeatable; a kill leaves whole blobs at most.
 */
export async function* pushImages(
  catalog: Catalog,
  registry: RegistryClient,
  ref: Reference,
  options: PushOptions,
): AsyncGenerator<PushProgress> {
  const { platform } = options;
  if (platform !== undefined) {
    for (const { image, tag } of taggedImages(catalog, ref, platform))
      refusePlatform(image, `${familiarName(ref)}:${tag}`, platform);
  }
  yield { status: `The push refers to repository [${ref.domain}/${ref.path}]` };
  const tagged = taggedImages(catalog, ref, platform);
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const { credentials } = options;
  const repository = registry.repository(ref, { push: true, signal, ...(credentials ? { credentials } : {}) });
  for (const { image, tag } of tagged) {
    await using intake = new Intake(catalog);
    const queue = new MessageQueue<PushProgress>();
    const atOnce = registry.options.transfers?.uploads ?? AT_ONCE;
    const push = new LayerPush({ ref, catalog, repository, intake, queue, stop, signal, atOnce });
    const layers = yield* queue.until(push.all(image));
    const manifest = await manifestOf(catalog, image, layers);
    await uploadSmall(repository, image.id, await catalog.deps.blobs.read(image.id));
    const digest = await repository.putManifest(tag, manifest);
    const size = manifest.bytes.byteLength;
    await remember(catalog, intake, { ref, image, digest, bytes: manifest.bytes });
    yield { status: `${tag}: digest: ${digest} size: ${size}` };
    yield { progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: size } };
  }
}

/** Docker looks the image up first where a platform is asked for, and has other words for one that is not there. */
function taggedImages(
  catalog: Catalog,
  ref: Reference,
  platform: string | undefined,
): { image: StoredImage; tag: string }[] {
  const all = catalog.all().flatMap((image) =>
    catalog.names(image.id).flatMap((name) => {
      const same = name.tag && name.domain === ref.domain && name.path === ref.path;
      return same && name.tag ? [{ image, tag: name.tag }] : [];
    }),
  );
  const own = all.filter(({ tag }) => !ref.tag || tag === ref.tag);
  if (own.length > 0) return own.sort((a, b) => (a.tag < b.tag ? -1 : 1));
  if (platform !== undefined)
    throw new BerthError("not-found", `No such image: ${familiarString(withDefaultTag(ref))}`);
  throw new BerthError(
    "not-found",
    all.length > 0
      ? `tag does not exist: ${familiarString(ref)}`
      : `An image does not exist locally with the tag: ${familiarName(ref)}`,
  );
}

async function uploadSmall(repository: Repository, digest: Digest, bytes: Buffer): Promise<void> {
  if (await repository.hasBlob(digest)) return;
  const source = async function* (from: number): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(from);
  };
  await repository.uploadBlob(digest, source, { size: bytes.byteLength });
}

/** The manifest that the image came with where it names these very layers; else Docker's (image manifest version 2, schema 2), or OCI's for what Docker's cannot say. */
async function manifestOf(
  catalog: Catalog,
  image: StoredImage,
  layers: Descriptor[],
): Promise<{ mediaType: string; bytes: Buffer }> {
  const own = catalog.manifest(image);
  if (
    own.layers.length === layers.length &&
    own.layers.every((l, i) => l.digest === layers[i]?.digest && l.size === layers[i]?.size)
  ) {
    return { mediaType: own.mediaType ?? MediaType.manifest, bytes: await catalog.deps.blobs.read(image.manifest) };
  }
  const docker = layers.every(
    (l) => DOCKER_TYPES[l.mediaType] !== undefined || Object.values(DOCKER_TYPES).includes(l.mediaType),
  );
  const size = catalog.deps.blobs.size(image.id) ?? 0;
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: docker ? MediaType.dockerManifest : MediaType.manifest,
    config: { mediaType: docker ? MediaType.dockerConfig : MediaType.config, size, digest: image.id },
    layers: layers.map(({ mediaType, size: bytes, digest }) => ({
      mediaType: docker ? (DOCKER_TYPES[mediaType] ?? mediaType) : mediaType,
      size: bytes,
      digest,
    })),
  };
  return { mediaType: manifest.mediaType ?? "", bytes: Buffer.from(JSON.stringify(manifest)) };
}

/** The name with digest, and the manifest that was pushed as the image's own: the next push and `save` use it. */
async function remember(
  catalog: Catalog,
  intake: Intake,
  { ref, image, digest, bytes }: { ref: Reference; image: StoredImage; digest: Digest; bytes: Buffer },
): Promise<void> {
  await intake.bytes(bytes);
  const { tag: _tag, ...bare } = ref;
  catalog.deps.records.transaction(() => {
    const record = catalog.record(image.id);
    if (!record) return;
    if (record.manifest !== digest) catalog.put({ ...record, manifest: digest });
    catalog.putName({ ...bare, digest }, image.id);
  });
  // A kill before that leaves the former manifest to the sweep of the next start.
  await sweep(catalog, { chains: [], blobs: [image.manifest] });
}

interface LayerPushDeps {
  ref: Reference;
  catalog: Catalog;
  repository: Repository;
  intake: Intake;
  queue: MessageQueue<PushProgress>;
  /** Ends all that is under way. */
  stop: AbortController;
  signal: AbortSignal;
  /** Uploads at the same time. */
  atOnce: number;
}

/** The layers of one push. */
class LayerPush {
  /** Layers that may not be handed on: the manifest says where they are. */
  readonly #foreign = new Set<Digest>();

  constructor(private readonly deps: LayerPushDeps) {}

  /** Uploads what the registry lacks; the descriptors are in the image's order. Ends when the last layer has, also where one fails; the first failure stops the others. */
  async all(image: StoredImage): Promise<Descriptor[]> {
    const { catalog, intake, stop } = this.deps;
    const stack = image.top ? catalog.deps.layers.chain(image.top).reverse() : [];
    for (const { chainId } of stack) intake.expectChain(chainId);
    for (const { mediaType, digest } of catalog.manifest(image).layers) {
      if (FOREIGN_LAYERS.includes(mediaType)) this.#foreign.add(digest);
    }
    for (const layer of [...stack].reverse()) this.#say(layer, "Preparing", {});
    const done: Descriptor[] = [];
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let i = next++; i < stack.length; i = next++) {
        const layer = stack[i];
        if (layer) done[i] = await this.#one(layer);
      }
    };
    let failure: unknown;
    const stopping = (error: unknown): void => {
      failure ??= error;
      stop.abort();
    };
    await Promise.all(Array.from({ length: this.deps.atOnce }, () => worker().catch(stopping)));
    if (failure !== undefined) throw failure;
    return done;
  }

  async #one(layer: LayerRecord): Promise<Descriptor> {
    const { catalog, repository } = this.deps;
    const descriptor = await this.#compressed(layer);
    if (this.#foreign.has(descriptor.digest)) {
      this.#say(layer, "Skipped foreign layer", {});
      return descriptor;
    }
    if (await repository.hasBlob(descriptor.digest)) {
      this.#say(layer, "Layer already exists", {});
      return descriptor;
    }
    for (const path of this.#elsewhere(descriptor.digest)) {
      if (!(await repository.mountBlob(descriptor.digest, path))) continue;
      this.#say(layer, `Mounted from ${path}`, {});
      return descriptor;
    }
    const total = descriptor.size;
    let told = 0;
    const path = catalog.deps.blobs.path(descriptor.digest);
    await repository.uploadBlob(descriptor.digest, (from) => createReadStream(path, { ...READ, start: from }), {
      size: total,
      progress: (current) => {
        if (Math.abs(current - told) < PROGRESS_STEP && current !== total) return;
        told = current;
        this.#say(layer, "Pushing", { current, total }, true);
      },
      onWait: (seconds) => this.#say(layer, waiting(seconds).status, {}),
    });
    this.#say(layer, "Pushed", {});
    return descriptor;
  }

  /** Other repositories of the registry that an image with this blob came from or went to. */
  #elsewhere(blob: Digest): string[] {
    const { catalog, ref } = this.deps;
    const names = catalog
      .all()
      .filter((image) => layerBlobs(catalog, image).includes(blob))
      .flatMap((image) => catalog.names(image.id))
      .filter((name) => name.digest && name.domain === ref.domain && name.path !== ref.path);
    return [...new Set(names.map((name) => name.path))].slice(0, MOST_SOURCES);
  }

  /** The layer's compressed blob: as it came, or made now and kept. The same layer gives the same bytes. */
  async #compressed(layer: LayerRecord): Promise<Descriptor> {
    const { catalog, intake } = this.deps;
    const { blobs, layers } = catalog.deps;
    const kept = layerDescriptor(blobs, layer);
    if (blobs.has(kept.digest) && kept.mediaType !== MediaType.layer) {
      await intake.stream(nothing(), { digest: kept.digest });
      return kept;
    }
    const plain = blobs.has(kept.digest) ? createReadStream(blobs.path(kept.digest), READ) : layers.diff(layer.chainId);
    const { signal } = this.deps;
    const compress = (): Promise<BlobInfo> => intake.stream(gzipBlocks(plain, { signal }));
    const { digest, size } = await (layer.size > SMALL ? COMPRESSING.run(compress) : compress());
    layers.keepBlob(layer.chainId, digest);
    return { mediaType: MediaType.layerGzip, digest, size };
  }

  #say(
    layer: LayerRecord,
    status: string,
    progressDetail: { current?: number; total?: number },
    replaceable = false,
  ): void {
    const id = shortId(layer.diffId);
    this.deps.queue.push({ status, progressDetail, id }, replaceable ? id : undefined);
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
