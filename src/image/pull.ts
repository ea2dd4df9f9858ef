import { chainIdOf } from "../layer/chain.ts";
import type { ChainId } from "../layer/types.ts";
import type { Credentials, FetchedManifest, RegistryClient, Repository } from "../registry/types.ts";
import { type Digest, shortId } from "../spec/digest.ts";
import { BerthError, isKind } from "../spec/errors.ts";
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
import { LayerPull, type WantedLayer, waiting } from "./pull-layers.ts";
import type { ImageProgress, ImageRecord } from "./types.ts";
import type { PullContent } from "./unfinished.ts";

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

/** What to pull, with whose rights. `ref` has a tag or a digest. `keep` is what a sweep of older unfinished pulls has to leave. */
export interface PullOptions {
  platform?: string;
  credentials?: Credentials;
  signal?: AbortSignal;
  keep?: Keep;
  /** Where the pull is one of several: told whether the name has come to mean another image, instead of the line that says so. */
  ended?: (fresh: boolean) => void;
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
 * layers that had come are there for the next pull, unless the registry sent what is wrong or there was no room. Yields Docker's messages.
 */
export async function* pullImage(
  catalog: Catalog,
  registry: RegistryClient,
  ref: Reference,
  options: PullOptions,
): AsyncGenerator<ImageProgress> {
  const { credentials, signal, keep } = options;
  const target = ref.digest ?? ref.tag ?? "latest";
  const queue = new MessageQueue<ImageProgress>();
  const onWait = (n: number): void => queue.push({ ...waiting(n), id: target }, target);
  const access = { onWait, ...(credentials ? { credentials } : {}), ...(signal ? { signal } : {}) };
  const repository = registry.repository(ref, access);
  // Behind the intake, which holds a lease on all that it has seen.
  await using atEnd = new AsyncDisposableStack();
  await using intake = new Intake(catalog);
  const top = yield* queue.until(repository.manifest(target));
  yield { status: `Pulling from ${ref.path}`, id: ref.digest ? `${ref.domain}/${ref.path}@${ref.digest}` : target };
  const remote = yield* queue.until(resolveManifest(repository, intake, top, options));
  const chains = chainIds(remote.config.rootfs.diff_ids);
  const layers = new LayerPull({ catalog, repository, intake, queue, ...(signal ? { signal } : {}) });
  const wanted = layersOf(remote, chains);
  const content = contentOf(remote, chains);
  await sweepOf(catalog, catalog.unfinished.begin(content), keep);
  // As in Docker nothing is said of the layers of an image that is here.
  const quiet = catalog.record(remote.manifest.parsed.config.digest) !== undefined;
  try {
    yield* queue.until(layers.all(wanted, { quiet }));
  } catch (error) {
    if (isKind(error, "invalid-argument") || isKind(error, "no-space") || !hasLayer(catalog, remote)) {
      catalog.unfinished.forget(content.manifest);
      atEnd.defer(() => sweepOf(catalog, [content], keep));
    }
    throw error;
  }
  const fresh = record(catalog, ref, remote, chains);
  yield { status: `Digest: ${remote.digest}` };
  if (options.ended) options.ended(fresh);
  else yield pullStatus(fresh, shownName(ref));
  const warning = otherPlatform(remote.config, shownName(ref), options.platform);
  if (warning) yield { status: `WARNING: ${warning.message}` };
}

/** The last line of a pull, or of several. */
export function pullStatus(fresh: boolean, name: string): ImageProgress {
  return { status: `Status: ${fresh ? "Downloaded newer image for" : "Image is up to date for"} ${name}` };
}

function layersOf({ manifest, config }: Remote, chains: ChainId[]): WantedLayer[] {
  return manifest.parsed.layers.flatMap((descriptor, i) => {
    const [chain, diffId, parent] = [chains[i], config.rootfs.diff_ids[i], chains[i - 1]];
    return chain && diffId ? [{ descriptor, chain, diffId, ...(parent ? { parent } : {}) }] : [];
  });
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

/** True where a layer has come, or a part of one: there is something to go on from. */
function hasLayer({ deps: { blobs } }: Catalog, { manifest }: Remote): boolean {
  return manifest.parsed.layers.some(({ digest }) => blobs.has(digest) || (blobs.partial(digest) ?? 0) > 0);
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
