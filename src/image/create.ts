import type { LayerRecord } from "../layer/types.ts";
import type { Digest } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import { type Descriptor, type ImageConfigFile, type ImageRunConfig, type Manifest, MediaType } from "../spec/oci.ts";
import { hostPlatform } from "../spec/platform.ts";
import type { BlobInfo, BlobStore } from "../store/types.ts";
import type { Catalog, StoredImage } from "./catalog.ts";
import { compressionOf, Intake } from "./intake.ts";
import { parseNewName } from "./tag.ts";
import type { ImageRecord, NewImage } from "./types.ts";

/** The keys of a run config in the order that Docker writes them. */
const RUN_KEYS = [
  "User",
  "ExposedPorts",
  "Env",
  "Entrypoint",
  "Cmd",
  "Healthcheck",
  "Volumes",
  "WorkingDir",
  "OnBuild",
  "Labels",
  "StopSignal",
  "Shell",
  "ArgsEscaped",
] as const satisfies (keyof ImageRunConfig)[];

/**
 * Writes config and manifest blobs, then the record and the name in one transaction. The same input makes the same id; an image that is there
 * already only gets the name. The caller holds a lease on `top`. A kill before the transaction leaves blobs for GC.
 */
export async function createImage(catalog: Catalog, image: NewImage, reference?: string): Promise<StoredImage> {
  const name = reference === undefined ? undefined : parseNewName(reference);
  const stack = image.top ? catalog.deps.layers.chain(image.top).reverse() : [];
  if (image.parent && !catalog.record(image.parent)) {
    throw new BerthError("not-found", `parent image ${image.parent}: not in the store`);
  }
  await using intake = new Intake(catalog);
  const config = await intake.bytes(Buffer.from(JSON.stringify(configOf(image, stack))));
  const layers = stack.map((layer) => layerDescriptor(catalog.deps.blobs, layer));
  const manifest = await writeManifest(intake, config, layers);
  const record: ImageRecord = {
    id: config.digest,
    manifest,
    ...(image.top ? { top: image.top } : {}),
    size: stack.reduce((sum, layer) => sum + layer.size, 0),
    added: Date.now(),
    tagged: 0,
    ...(image.parent && image.parent !== config.digest ? { parent: image.parent } : {}),
  };
  catalog.deps.records.transaction(() => {
    if (!catalog.record(record.id)) catalog.put(record);
    if (name) catalog.putName(name, record.id, Date.now());
  });
  const made = catalog.get(record.id);
  if (!made) throw new BerthError("internal", `image ${record.id}: its record is gone`);
  return made;
}

/** Writes an OCI manifest for these parts. */
export async function writeManifest(intake: Intake, config: BlobInfo, layers: Descriptor[]): Promise<Digest> {
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: { mediaType: MediaType.config, digest: config.digest, size: config.size },
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  };
  return (await intake.bytes(Buffer.from(JSON.stringify(manifest)))).digest;
}

/** Key order and omissions as Docker writes them, so that equal images have equal ids. */
function configOf(image: NewImage, stack: LayerRecord[]): ImageConfigFile {
  const { os, architecture, variant } = image.platform ?? hostPlatform();
  return {
    architecture,
    ...(image.author ? { author: image.author } : {}),
    config: runConfigOf(image.run),
    created: image.created,
    history: image.history,
    os,
    rootfs: { type: "layers", diff_ids: stack.map((layer) => layer.diffId) },
    ...(variant ? { variant } : {}),
  };
}

function runConfigOf(run: ImageRunConfig): ImageRunConfig {
  const entries = RUN_KEYS.flatMap((key): [string, unknown][] => {
    const value = run[key];
    return isEmpty(value) ? [] : [[key, key === "Healthcheck" ? value : sortedKeys(value)]];
  });
  return Object.fromEntries(entries);
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === false) return true;
  return typeof value === "object" && !Array.isArray(value) && Object.keys(value).length === 0;
}

/** Go writes maps by sorted keys. */
function sortedKeys(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * The layer as a manifest names it: its blob where it has one. A layer made here has none until a push makes it: then its digest is
 * its diff id, its size 0.
 */
export function layerDescriptor(blobs: BlobStore, layer: LayerRecord): Descriptor {
  const digest = layer.blob && blobs.has(layer.blob) ? layer.blob : layer.diffId;
  const size = blobs.size(digest);
  if (size === undefined) return { mediaType: MediaType.layer, digest, size: 0 };
  const kind = compressionOf(blobs.path(digest));
  const mediaType = kind === "gzip" ? MediaType.layerGzip : kind === "zstd" ? MediaType.layerZstd : MediaType.layer;
  return { mediaType, digest, size };
}
