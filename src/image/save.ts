import { createReadStream } from "node:fs";
import { type TarItem, tarHeader, writeTar } from "../layer/tar/writer.ts";
import type { LayerRecord } from "../layer/types.ts";
import { type Digest, digestOf } from "../spec/digest.ts";
import { BerthError, isKind } from "../spec/errors.ts";
import { type Descriptor, type Manifest, MediaType } from "../spec/oci.ts";
import { formatPlatform, parsePlatform, platformMatches } from "../spec/platform.ts";
import { familiarName, familiarString, parseReference, type Reference } from "../spec/reference.ts";
import {
  blobFolders,
  blobName,
  dockerManifestFile,
  indexFile,
  layoutFile,
  repositoriesFile,
} from "./archive-entries.ts";
import type { Catalog, StoredImage } from "./catalog.ts";
import { layerDescriptor } from "./create.ts";
import { isIdOf, nameOf, resolveImage } from "./resolve.ts";

/** One image of the archive, with the names that it is saved under; none where it was asked for by its id. */
interface Saved {
  image: StoredImage;
  manifest: { digest: Digest; mediaType: string; bytes: Buffer; layers: Descriptor[] };
  names: Reference[];
}

/** A blob of the archive. */
interface Part {
  digest: Digest;
  size: number;
  body: () => Uint8Array | AsyncIterable<Uint8Array>;
}

/** How to save. */
export interface SaveOptions {
  /** Only images of this platform; others are `not-found`. */
  platform?: string;
  /** Told of each image once all of it has been read. */
  saved?: (id: Digest) => void;
}

/**
 * store → archive: an OCI layout (OCI image-spec, image-layout.md) that has Docker's `manifest.json` and `repositories` too, so that every engine
 * reads it. Layers that several images share are in it once, compressed as they came. The same images give the same bytes. All that is
 * written is leased until the last byte: a removal meanwhile takes nothing out of it. Throws `not-found` before the first byte.
 */
export async function* saveImages(
  catalog: Catalog,
  names: readonly string[],
  options: SaveOptions = {},
): AsyncGenerator<Uint8Array> {
  await using lease = catalog.deps.leases.acquire();
  const wanted = chooseImages(catalog, names, options);
  const stacks = new Map<Digest, LayerRecord[]>();
  for (const { image } of wanted) {
    const stack = image.top ? catalog.deps.layers.chain(image.top).reverse() : [];
    stacks.set(image.id, stack);
    for (const id of [image.id, image.manifest, ...stack.flatMap((l) => [l.chainId, ...(l.blob ? [l.blob] : [])])])
      lease.add(id);
  }
  const parts = new Map<Digest, Part>();
  const saved: Saved[] = [];
  for (const { image, refs } of wanted) {
    const stack = stacks.get(image.id) ?? [];
    const layers: Descriptor[] = [];
    for (const layer of stack) layers.push(await addLayer(catalog, parts, layer));
    const config = await catalog.deps.blobs.read(image.id);
    addBytes(parts, image.id, config);
    const manifest = await manifestOf(catalog, image, { config, layers });
    addBytes(parts, manifest.digest, manifest.bytes);
    saved.push({ image, manifest: { ...manifest, layers }, names: refs });
  }
  yield* writeTar(
    entries(
      [...parts.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1)),
      saved,
    ),
  );
  for (const { image } of saved) options.saved?.(image.id);
}

/** `name:tag` is that one, a bare repository all its tags, an id the image without a name. Each image once, with all names that were asked for. */
function chooseImages(
  catalog: Catalog,
  names: readonly string[],
  { platform }: SaveOptions,
): { image: StoredImage; refs: Reference[] }[] {
  const chosen = new Map<Digest, { image: StoredImage; refs: Reference[] }>();
  for (const name of names) {
    for (const { image, ref } of namedBy(catalog, name)) {
      const { os, architecture, variant } = image.config;
      const own = { os, architecture, ...(variant ? { variant } : {}) };
      if (platform && !platformMatches(own, parsePlatform(platform))) {
        throw new BerthError(
          "not-found",
          `no suitable export target found for platform ${formatPlatform(parsePlatform(platform))}`,
        );
      }
      const entry = chosen.get(image.id) ?? { image, refs: [] };
      if (ref && !entry.refs.some((r) => familiarString(r) === familiarString(ref))) entry.refs.push(ref);
      chosen.set(image.id, entry);
    }
  }
  return [...chosen.values()];
}

function namedBy(catalog: Catalog, name: string): { image: StoredImage; ref?: Reference }[] {
  const bare = /^(sha256:)?[0-9a-f]+$/.test(name) ? undefined : parseReference(name);
  if (bare && !bare.tag && !bare.digest) {
    const tagged = catalog.all().flatMap((image) => {
      const own = catalog.names(image.id).filter((r) => r.tag && familiarName(r) === familiarName(bare));
      return own.map((ref) => ({ image, ref }));
    });
    if (tagged.length > 0) return tagged.sort((a, b) => ((a.ref.tag ?? "") < (b.ref.tag ?? "") ? -1 : 1));
  }
  const image = wholeName(catalog, name);
  if (!bare && isIdOf(name, image.id)) return [{ image }];
  const ref = nameOf(catalog, name, image.id);
  return ref.digest ? [{ image }] : [{ image, ref: { ...ref, tag: ref.tag ?? "latest" } }];
}

/** As `resolveImage`, with the name as it was given in the complaint. */
function wholeName(catalog: Catalog, name: string): StoredImage {
  try {
    return resolveImage(catalog, name);
  } catch (error) {
    if (isKind(error, "not-found")) throw new BerthError("not-found", `No such image: ${name}`);
    throw error;
  }
}

/** The layer's blob where it is kept; else its tar, measured by reading the tree once before it is written. */
async function addLayer({ deps }: Catalog, parts: Map<Digest, Part>, layer: LayerRecord): Promise<Descriptor> {
  const kept = layerDescriptor(deps.blobs, layer);
  const known = parts.get(kept.digest);
  if (known) return { ...kept, size: known.size };
  if (deps.blobs.has(kept.digest)) {
    parts.set(kept.digest, { ...kept, body: () => createReadStream(deps.blobs.path(kept.digest)) });
    return kept;
  }
  let size = 0;
  for await (const chunk of deps.layers.diff(layer.chainId)) size += chunk.byteLength;
  parts.set(kept.digest, { digest: kept.digest, size, body: () => deps.layers.diff(layer.chainId) });
  return { ...kept, size };
}

function addBytes(parts: Map<Digest, Part>, digest: Digest, bytes: Buffer): void {
  parts.set(digest, { digest, size: bytes.byteLength, body: () => bytes });
}

/** The manifest that the image came with where it names the very blobs that are saved; else one that does. */
async function manifestOf(
  catalog: Catalog,
  image: StoredImage,
  { config, layers }: { config: Buffer; layers: Descriptor[] },
): Promise<{ digest: Digest; mediaType: string; bytes: Buffer }> {
  const own = catalog.manifest(image);
  const same =
    own.layers.length === layers.length &&
    own.layers.every((l, i) => l.digest === layers[i]?.digest && l.size === layers[i]?.size);
  const mediaType = MediaType.manifest;
  if (same) {
    const bytes = await catalog.deps.blobs.read(image.manifest);
    return { digest: image.manifest, mediaType: own.mediaType ?? mediaType, bytes };
  }
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: MediaType.config, digest: image.id, size: config.byteLength },
    layers,
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  return { digest: digestOf(bytes), mediaType, bytes };
}

function* entries(parts: Part[], saved: Saved[]): Generator<TarItem> {
  const images = saved.map(({ image, manifest, names }) => {
    return { config: image.id, diffIds: image.config.rootfs.diff_ids, layers: manifest.layers, names };
  });
  yield* blobFolders();
  for (const { digest, size, body } of parts)
    yield { header: tarHeader({ path: blobName(digest), size }), body: body() };
  yield indexFile(saved.flatMap(indexEntries));
  yield dockerManifestFile(images);
  yield layoutFile();
  yield* repositoriesFile(images);
}

/** One descriptor for each name, with containerd's annotation of the whole name (OCI image-spec, annotations.md). */
function indexEntries({ manifest, names }: Saved): Descriptor[] {
  const own = { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.bytes.byteLength };
  if (names.length === 0) return [own];
  return names.map(({ domain, path, tag = "latest" }) => ({
    ...own,
    annotations: { "io.containerd.image.name": `${domain}/${path}:${tag}`, "org.opencontainers.image.ref.name": tag },
  }));
}
