import { chainIdOf } from "../layer/chain.ts";
import type { ChainId, LayerRecord } from "../layer/types.ts";
import { type Digest, shortId } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import { formatPlatform, parsePlatform, platformMatches } from "../spec/platform.ts";
import { familiarString } from "../spec/reference.ts";
import { type ArchiveFiles, notAnImage, readArchive } from "./archive.ts";
import type { Catalog } from "./catalog.ts";
import { MAX_JSON, parseConfig, type StoredConfig } from "./config.ts";
import { writeManifest } from "./create.ts";
import { MANIFEST_JSON, planDockerArchive } from "./docker-archive.ts";
import { Intake, type LayerBlob } from "./intake.ts";
import { MessageQueue } from "./message-queue.ts";
import { adoptManifests, INDEX_JSON, planOciArchive } from "./oci-archive.ts";
import type { ImagePlan } from "./plan.ts";
import type { ImageProgress, ImageRecord } from "./types.ts";

/** How to load. */
export interface LoadOptions {
  quiet: boolean;
  platform?: string;
}

/** One image with its config read and all its parts checked against each other. */
interface CheckedPlan extends ImagePlan {
  file: StoredConfig;
  chains: ChainId[];
}

/** A layer still to be unpacked. */
interface Unpack {
  blob: LayerBlob;
  chain: ChainId;
  diffId: Digest;
  parent?: ChainId;
}

/**
 * archive → store. Everything is read and verified, then all layers are unpacked, then all images and names are recorded in one transaction: a failure, or a
 * reader that leaves, changes nothing. Yields Docker's messages.
 */
export async function* loadImages(
  catalog: Catalog,
  archive: AsyncIterable<Uint8Array>,
  options: LoadOptions,
): AsyncGenerator<ImageProgress> {
  await using intake = new Intake(catalog);
  const plans = await readPlans(archive, intake, options);
  const feed = new MessageQueue<ImageProgress>();
  yield* feed.until(unpackAll(catalog, intake, plans, options.quiet ? undefined : feed));
  const records = await Promise.all(plans.map((plan) => recordOf(catalog, intake, plan)));
  const moved = recordAll(catalog, plans, records);
  for (const line of [...moved, ...plans.flatMap(loadedLines)]) yield { stream: `${line}\n` };
}

async function readPlans(
  archive: AsyncIterable<Uint8Array>,
  intake: Intake,
  options: LoadOptions,
): Promise<CheckedPlan[]> {
  const files = await readArchive(archive, intake);
  const plans = await choosePlans(files, intake, options);
  if (plans.length === 0) throw notAnImage("it lists no image");
  return Promise.all(plans.map((plan) => check(plan, intake, options)));
}

/** `manifest.json` has the tags and is what Docker reads; without it the archive is an OCI layout. */
async function choosePlans(files: ArchiveFiles, intake: Intake, options: LoadOptions): Promise<ImagePlan[]> {
  if (files.has(MANIFEST_JSON)) return adoptManifests(await planDockerArchive(files, intake), files);
  if (files.has(INDEX_JSON)) {
    return planOciArchive(files, intake, options.platform ? { platform: options.platform } : {});
  }
  throw notAnImage(`it has neither ${MANIFEST_JSON} nor ${INDEX_JSON}`);
}

async function check(plan: ImagePlan, intake: Intake, { platform }: LoadOptions): Promise<CheckedPlan> {
  const what = `config ${shortId(plan.config.digest)}`;
  const file = parseConfig(await intake.blobs.read(plan.config.digest, MAX_JSON), what);
  const { diff_ids: diffIds } = file.rootfs;
  if (file.os !== "linux") {
    throw new BerthError("invalid-argument", `${what}: cannot load ${file.os} image on linux`);
  }
  if (platform && !platformMatches(file, parsePlatform(platform))) {
    throw new BerthError("not-found", `${what}: the image is for ${formatPlatform(file)}, not for ${platform}`);
  }
  if (diffIds.length !== plan.layers.length) {
    throw new BerthError(
      "invalid-argument",
      `invalid manifest, layers length mismatch: expected ${plan.layers.length}, got ${diffIds.length}`,
    );
  }
  return { ...plan, file, chains: chainIds(diffIds) };
}

function chainIds(diffIds: readonly Digest[]): ChainId[] {
  const chains: ChainId[] = [];
  for (const diffId of diffIds) chains.push(chainIdOf(chains.at(-1), diffId));
  return chains;
}

/** Unpacks every new layer, all at once: a layer's tree does not depend on those below. Ends when the last has ended, also where one fails. */
async function unpackAll(
  catalog: Catalog,
  intake: Intake,
  plans: CheckedPlan[],
  feed?: MessageQueue<ImageProgress>,
): Promise<void> {
  const todo = new Map<ChainId, Unpack>();
  for (const plan of plans) {
    for (const [i, blob] of plan.layers.entries()) {
      const chain = plan.chains[i];
      const diffId = plan.file.rootfs.diff_ids[i];
      const parent = plan.chains[i - 1];
      if (!chain || !diffId) continue;
      intake.expectChain(chain);
      if (!catalog.deps.layers.get(chain)) todo.set(chain, { blob, chain, diffId, ...(parent ? { parent } : {}) });
    }
  }
  const ended = await Promise.allSettled([...todo.values()].map((layer) => unpack(catalog, layer, feed)));
  const failed = ended.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

async function unpack(catalog: Catalog, layer: Unpack, feed?: MessageQueue<ImageProgress>): Promise<LayerRecord> {
  const { blobs, layers } = catalog.deps;
  const { blob, diffId, parent } = layer;
  const id = shortId(diffId);
  return layers.applyFile(blobs.path(blob.digest), {
    diffId,
    blob: blob.digest,
    ...(parent ? { parent } : {}),
    ...(feed
      ? {
          progress: (done) =>
            feed.push({ status: "Loading layer", progressDetail: { current: done, total: blob.size }, id }, id),
        }
      : {}),
  });
}

async function recordOf(catalog: Catalog, intake: Intake, plan: CheckedPlan): Promise<ImageRecord> {
  const top = plan.chains.at(-1);
  const sizes = plan.chains.map((chain) => catalog.deps.layers.get(chain)?.size ?? 0);
  return {
    id: plan.config.digest,
    manifest: plan.manifest ?? (await writeManifest(intake, plan.config, plan.layers)),
    ...(top ? { top } : {}),
    size: sizes.reduce((sum, size) => sum + size, 0),
    added: Date.now(),
    tagged: 0,
  };
}

/** Records all images and names. An image that is there already stays as it is. Returns what Docker says about names that leave another image. */
function recordAll(catalog: Catalog, plans: CheckedPlan[], records: ImageRecord[]): string[] {
  const moved: string[] = [];
  catalog.deps.records.transaction(() => {
    for (const image of records) if (!catalog.record(image.id)) catalog.put(image);
    for (const plan of plans) {
      for (const ref of plan.names) {
        const before = catalog.named(ref);
        if (before && before !== plan.config.digest) {
          moved.push(
            `The image ${familiarString(ref)} already exists, renaming the old one with ID ${before} to empty string`,
          );
        }
        catalog.putName(ref, plan.config.digest);
      }
    }
  });
  return moved;
}

function loadedLines({ names, config }: CheckedPlan): string[] {
  if (names.length === 0) return [`Loaded image ID: ${config.digest}`];
  return names.map((ref) => `Loaded image: ${familiarString(ref)}`);
}
