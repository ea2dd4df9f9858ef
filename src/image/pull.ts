import { chainIdOf } from "../layer/chain.ts";
import type { ChainId } from "../layer/types.ts";
import type { Credentials, FetchedManifest, RegistryClient, Repository } from "../registry/types.ts";
import { type Digest, shortId } from "../spec/digest.ts";
import { BerthError, fromErrno, isKind } from "../spec/errors.ts";
import { type Descriptor, type Manifest, MediaType } from "../spec/oci.ts";
import { formatPlatform, hostPlatform, parsePlatform, platformMatches } from "../spec/platform.ts";
import { familiarName, type Reference } from "../spec/reference.ts";
import type { Catalog } from "./catalog.ts";
import { MAX_JSON, parseConfig, type StoredConfig } from "./config.ts";
import { type Keep, sweep } from "./gc.ts";
import { Intake } from "./intake.ts";
import { parseIndex, parseManifest } from "./manifest.ts";
import { MessageQueue } from "./message-queue.ts";
import { otherPlatform } from "./platform.ts";
import type { ImageProgress, ImageRecord } from "./types.ts";
import type { PullContent } from "./unfinished.ts";

/** Downloads at the same time, as dockerd's `max-concurrent-downloads`. */
const AT_ONCE = 3;
const INDEXES: string[] = [MediaType.index, MediaType.dockerIndex];
const MANIFESTS: string[] = [MediaType.manifest, MediaType.dockerManifest];
const CONFIGS: string[] = [MediaType.config, MediaType.dockerConfig];
const LAYERS: string[] = [
  MediaType.layer,
  MediaType.layerGzip,
  MediaType.layerZstd,
  MediaType.dockerLayer,
  MediaType.dockerLayerGzip,
];
const PROGRESS_STEP = 256 * 1024;

/** What to pull, with whose rights. `ref` has a tag or a digest. `keep` is what a sweep of older unfinished pulls has to leave. */
export interface PullOptions {
  platform?: string;
  credentials?: Credentials;
  signal?: AbortSignal;
  keep?: Keep;
}

/** One image of the registry, all of it known but the layers' bytes. */
interface Remote {
  /** What the name stood for: the index's digest, where there is one. */
  digest: Digest;
  manifest: FetchedManifest & { parsed: Manifest };
  config: StoredConfig;
}

/**
 * registry → store. At most three layers are downloaded at once, each verified while it comes; each is unpacked as soon as it is there, while others still
 * come. The image and its name are recorded at the end, in one transaction: a failure, a kill or a reader that leaves changes nothing that is seen, and the
 * layers that had come are there for the next pull, unless the registry sent what is wrong. Yields Docker's messages.
 */
export async function* pullImage(
  catalog: Catalog,
  registry: RegistryClient,
  ref: Reference,
  options: PullOptions,
): AsyncGenerator<ImageProgress> {
  const { credentials, signal, keep } = options;
  const access = { ...(credentials ? { credentials } : {}), ...(signal ? { signal } : {}) };
  const repository = registry.repository(ref, access);
  const target = ref.digest ?? ref.tag ?? "latest";
  // Behind the intake, which holds a lease on all that it has seen.
  await using atEnd = new AsyncDisposableStack();
  await using intake = new Intake(catalog);
  const top = await repository.manifest(target);
  yield { status: `Pulling from ${ref.path}`, id: target };
  const remote = await resolveManifest(repository, intake, top, options);
  const chains = chainIds(remote.config.rootfs.diff_ids);
  const queue = new MessageQueue<ImageProgress>();
  const layers = new LayerPull({ catalog, repository, intake, queue, ...(signal ? { signal } : {}) });
  const content = contentOf(remote, chains);
  await sweepOf(catalog, catalog.unfinished.begin(content), keep);
  try {
    yield* queue.until(layers.all(remote, chains));
  } catch (error) {
    if (isKind(error, "invalid-argument") || !hasLayer(catalog, remote)) {
      catalog.unfinished.forget(content.manifest);
      atEnd.defer(() => sweepOf(catalog, [content], keep));
    }
    throw error;
  }
  const fresh = record(catalog, ref, remote, chains);
  yield { status: `Digest: ${remote.digest}` };
  yield { status: `Status: ${fresh ? "Downloaded newer image for" : "Image is up to date for"} ${shownName(ref)}` };
  const warning = otherPlatform(remote.config, shownName(ref), options.platform);
  if (warning) yield { status: `WARNING: ${warning.message}` };
}

function contentOf({ manifest }: Remote, chains: ChainId[]): PullContent {
  const { config, layers } = manifest.parsed;
  return { manifest: manifest.digest, blobs: [manifest.digest, config.digest, ...layers.map((l) => l.digest)], chains };
}

/** Sweeps what pulls have brought that are not to be gone on with. What is still under way is leased. */
async function sweepOf(catalog: Catalog, pulls: readonly PullContent[], keep?: Keep): Promise<void> {
  const candidates = { chains: pulls.flatMap((pull) => pull.chains), blobs: pulls.flatMap((pull) => pull.blobs) };
  if (pulls.length > 0) await sweep(catalog, candidates, keep);
}

/** True where a layer has come whole: there is something to go on from. */
function hasLayer({ deps }: Catalog, { manifest }: Remote): boolean {
  return manifest.parsed.layers.some((layer) => deps.blobs.has(layer.digest));
}

/** Follows an index to the one manifest for the platform, and takes in manifest and config. A manifest that stands alone is taken whatever its platform, as Docker does. */
async function resolveManifest(
  repository: Repository,
  intake: Intake,
  top: FetchedManifest,
  { platform }: PullOptions,
): Promise<Remote> {
  let chosen = top;
  if (INDEXES.includes(top.mediaType)) {
    const { manifests } = parseIndex(top.bytes, `index ${top.digest}`);
    chosen = await repository.manifest(choose(manifests, platform).digest);
  }
  const what = `manifest ${chosen.digest}`;
  if (!MANIFESTS.includes(chosen.mediaType)) {
    throw new BerthError(
      "invalid-argument",
      `${what}: unsupported media type ${JSON.stringify(chosen.mediaType.slice(0, 100))}`,
    );
  }
  refuseAmbiguous(chosen.bytes, what);
  const parsed = parseManifest(chosen.bytes, what);
  if (!CONFIGS.includes(parsed.config.mediaType)) {
    throw new BerthError("invalid-argument", `${what} is no container image: its config is ${parsed.config.mediaType}`);
  }
  for (const layer of parsed.layers) {
    if (!LAYERS.includes(layer.mediaType))
      throw new BerthError(
        "invalid-argument",
        `${what}: layer ${layer.digest} has the unsupported media type ${layer.mediaType}`,
      );
  }
  await intake.bytes(chosen.bytes);
  if (parsed.config.size > MAX_JSON)
    throw new BerthError("invalid-argument", `${what}: its config is larger than ${MAX_JSON} bytes`);
  await intake.stream(await repository.blob(parsed.config.digest), {
    digest: parsed.config.digest,
    size: parsed.config.size,
  });
  const config = parseConfig(
    await intake.blobs.read(parsed.config.digest, MAX_JSON),
    `config ${shortId(parsed.config.digest)}`,
  );
  if (config.os !== "linux")
    throw new BerthError("invalid-argument", `${what}: cannot run ${config.os} image on linux`);
  if (config.rootfs.diff_ids.length !== parsed.layers.length) {
    throw new BerthError(
      "invalid-argument",
      `${what}: ${parsed.layers.length} layers, but the config names ${config.rootfs.diff_ids.length}`,
    );
  }
  return { digest: top.digest, manifest: { ...chosen, parsed }, config };
}

/** The first that fits whole, else the first that fits without regard to a variant that we did not ask for. */
function choose(manifests: Descriptor[], platform: string | undefined): Descriptor {
  const wanted = platform ? parsePlatform(platform) : hostPlatform();
  const images = manifests.filter((m) => m.platform?.os !== "unknown");
  const fits = images.filter((m) => m.platform && platformMatches(m.platform, wanted));
  const found = fits.find((m) => m.platform?.variant === wanted.variant) ?? fits[0] ?? images.find((m) => !m.platform);
  if (!found) throw noMatch(formatPlatform(wanted));
  return found;
}

function noMatch(platform: string): BerthError {
  return new BerthError("not-found", `no matching manifest for ${platform} in the manifest list entries`);
}

/** A manifest that could be read as an index too means different images to different readers (OCI image-spec, "manifest confusion"). */
function refuseAmbiguous(bytes: Buffer, what: string): void {
  const value = JSON.parse(bytes.toString()) as object;
  if ("layers" in value && "manifests" in value)
    throw new BerthError("invalid-argument", `${what} is ambiguous: it has both layers and manifests`);
}

function chainIds(diffIds: readonly Digest[]): ChainId[] {
  const chains: ChainId[] = [];
  for (const diffId of diffIds) chains.push(chainIdOf(chains.at(-1), diffId));
  return chains;
}

/** Records image and names. False where the name meant this image before. */
function record(catalog: Catalog, ref: Reference, remote: Remote, chains: ChainId[]): boolean {
  const id = remote.manifest.parsed.config.digest;
  const top = chains.at(-1);
  const size = chains.reduce((sum, chain) => sum + (catalog.deps.layers.get(chain)?.size ?? 0), 0);
  const image: ImageRecord = {
    id,
    manifest: remote.manifest.digest,
    ...(top ? { top } : {}),
    size,
    added: Date.now(),
    tagged: 0,
  };
  const before = catalog.named(ref);
  const { tag: _tag, digest: _digest, ...bare } = ref;
  catalog.deps.records.transaction(() => {
    if (!catalog.record(id)) catalog.put(image);
    if (ref.tag && !ref.digest) catalog.putName(ref, id);
    catalog.putName({ ...bare, digest: remote.digest }, id);
    catalog.unfinished.forget(remote.manifest.digest);
  });
  return before !== id;
}

function shownName(ref: Reference): string {
  return `${familiarName(ref)}${ref.digest ? `@${ref.digest}` : `:${ref.tag ?? "latest"}`}`;
}

interface LayerPullDeps {
  catalog: Catalog;
  repository: Repository;
  intake: Intake;
  queue: MessageQueue<ImageProgress>;
  signal?: AbortSignal;
}

/** The layers of one pull. */
class LayerPull {
  #free = AT_ONCE;
  readonly #waiting: (() => void)[] = [];
  readonly #stop = new AbortController();
  /** Resolved once a layer's unpacking has begun, or never will: the one above it may begin then, and waits for it in the store. */
  readonly #begun = new Map<ChainId, PromiseWithResolvers<void>>();
  readonly #signal: AbortSignal;

  constructor(private readonly deps: LayerPullDeps) {
    this.#signal = deps.signal ? AbortSignal.any([deps.signal, this.#stop.signal]) : this.#stop.signal;
  }

  /** Ends when the last layer has ended, also where one fails; the first failure stops the others. */
  async all({ manifest, config }: Remote, chains: ChainId[]): Promise<void> {
    const layers = manifest.parsed.layers.map((descriptor, i) => ({
      descriptor,
      chain: chains[i],
      diffId: config.rootfs.diff_ids[i],
      parent: chains[i - 1],
    }));
    for (const { descriptor, chain } of layers) {
      if (!chain) continue;
      this.deps.intake.expectChain(chain);
      this.#begun.set(chain, Promise.withResolvers());
      const known = this.deps.catalog.deps.layers.get(chain) !== undefined;
      this.#say(descriptor, known ? "Already exists" : "Pulling fs layer", {});
    }
    let failure: unknown;
    await Promise.all(
      layers.map((layer) =>
        this.#one(layer).catch((error: unknown) => {
          failure ??= error;
          this.#stop.abort();
          if (layer.chain) this.#begun.get(layer.chain)?.resolve();
        }),
      ),
    );
    if (failure !== undefined) throw failure;
  }

  async #one({
    descriptor,
    chain,
    diffId,
    parent,
  }: {
    descriptor: Descriptor;
    chain?: ChainId | undefined;
    diffId?: Digest | undefined;
    parent?: ChainId | undefined;
  }): Promise<void> {
    const { layers, blobs } = this.deps.catalog.deps;
    if (!chain || !diffId) return;
    const begun = this.#begun.get(chain);
    if (layers.get(chain)) return begun?.resolve();
    await this.#slot(descriptor, () => this.#download(descriptor));
    if (parent) await this.#begun.get(parent)?.promise;
    const total = descriptor.size;
    const applied = layers.applyFile(blobs.path(descriptor.digest), {
      diffId,
      blob: descriptor.digest,
      ...(parent ? { parent } : {}),
      progress: (current) => this.#say(descriptor, "Extracting", { current, total }, true),
    });
    begun?.resolve();
    await applied;
    this.#say(descriptor, "Pull complete", {});
  }

  async #slot(descriptor: Descriptor, work: () => Promise<void>): Promise<void> {
    if (this.#free === 0) {
      this.#say(descriptor, "Waiting", {});
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#free--;
    try {
      this.#signal.throwIfAborted();
      await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }

  async #download(descriptor: Descriptor): Promise<void> {
    const { intake, repository } = this.deps;
    const { digest, size: total } = descriptor;
    if (!intake.blobs.has(digest)) {
      const source = await repository.blob(digest, { signal: this.#signal });
      const counted = this.#counted(descriptor, source, total);
      await intake.stream(counted, { digest, size: total }).catch((error: unknown) => {
        throw explained(error, descriptor);
      });
    } else await intake.stream(nothing(), { digest });
    this.#say(descriptor, "Download complete", {});
  }

  async *#counted(
    descriptor: Descriptor,
    source: AsyncIterable<Uint8Array>,
    total: number,
  ): AsyncGenerator<Uint8Array> {
    let current = 0;
    let told = 0;
    for await (const chunk of source) {
      current += chunk.byteLength;
      if (current > total)
        throw new BerthError(
          "invalid-argument",
          `layer ${shortId(descriptor.digest)}: the registry sends more than the ${total} bytes that the manifest tells`,
        );
      if (current - told >= PROGRESS_STEP || current === total) {
        told = current;
        this.#say(descriptor, "Downloading", { current, total }, true);
      }
      yield chunk;
    }
    this.#say(descriptor, "Verifying Checksum", {});
  }

  #say(
    descriptor: Descriptor,
    status: string,
    progressDetail: { current?: number; total?: number },
    replaceable = false,
  ): void {
    const id = shortId(descriptor.digest);
    this.deps.queue.push({ status, progressDetail, id }, replaceable ? id : undefined);
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function explained(error: unknown, { digest, size }: Descriptor): unknown {
  if (error instanceof BerthError) return error;
  const name = `layer ${shortId(digest)}`;
  const code = (error as { code?: string }).code;
  if (code === "ECONNRESET" || code === "ConnectionClosed") {
    return new BerthError("internal", `${name}: the connection was closed before all ${size} bytes had come`, {
      hint: "pull again: what is there already is kept",
      cause: error,
    });
  }
  return fromErrno(error, name);
}
