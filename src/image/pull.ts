import { chainIdOf } from "../layer/chain.ts";
import type { ChainId } from "../layer/types.ts";
import type { Credentials, RegistryClient } from "../registry/types.ts";
import type { Digest } from "../spec/digest.ts";
import { isKind } from "../spec/errors.ts";
import { familiarName, type Reference } from "../spec/reference.ts";
import type { Catalog } from "./catalog.ts";
import { type Keep, sweep } from "./gc.ts";
import { Intake } from "./intake.ts";
import { MessageQueue } from "./message-queue.ts";
import { otherPlatform } from "./platform.ts";
import { LayerPull, type WantedLayer, waiting } from "./pull-layers.ts";
import { type Remote, resolveManifest } from "./pull-manifest.ts";
import type { ImageProgress, ImageRecord } from "./types.ts";
import type { PullContent } from "./unfinished.ts";

/** What to pull, with whose rights. `ref` has a tag or a digest. `keep` is what a sweep of older unfinished pulls has to leave. */
export interface PullOptions {
  platform?: string;
  credentials?: Credentials;
  signal?: AbortSignal;
  keep?: Keep;
  /** Where the pull is one of several: told whether the name has come to mean another image, instead of the line that says so. */
  ended?: (fresh: boolean) => void;
}

/**
 * registry → store. Some layers are downloaded at once, each verified while it comes; each is unpacked as soon as it is there, while others still
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
  const onWrong = (url: string, why: string): void =>
    queue.push({ status: `WARNING: mirror ${url} is passed over, what it gives is wrong: ${why}` });
  const access = { onWait, onWrong, ...(credentials ? { credentials } : {}), ...(signal ? { signal } : {}) };
  const repository = registry.repository(ref, access);
  // Behind the intake, which holds a lease on all that it has seen.
  await using atEnd = new AsyncDisposableStack();
  await using intake = new Intake(catalog);
  const top = yield* queue.until(repository.manifest(target));
  yield { status: `Pulling from ${ref.path}`, id: ref.digest ? `${ref.domain}/${ref.path}@${ref.digest}` : target };
  const remote = yield* queue.until(resolveManifest(repository, intake, top, options));
  const chains = chainIds(remote.config.rootfs.diff_ids);
  const layers = new LayerPull({
    catalog,
    repository,
    intake,
    queue,
    atOnce: registry.options.transfers?.downloads,
    ...(signal ? { signal } : {}),
  });
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
