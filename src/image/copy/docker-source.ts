import { createHash } from "node:crypto";
import { detectCompression } from "../../layer/compression.ts";
import type { FetchedManifest } from "../../registry/types.ts";
import { type Digest, digestOf, isDigest } from "../../spec/digest.ts";
import { BerthError } from "../../spec/errors.ts";
import { type ArchivePlace, formatImagePlace } from "../../spec/image-place.ts";
import { type Descriptor, type Manifest, MediaType } from "../../spec/oci.ts";
import { familiarString } from "../../spec/reference.ts";
import { list, MAX_JSON, object, parseConfig, parseJson, text } from "../config.ts";
import { type ContentDescriptor, isManifestType, parseContent } from "../content.ts";
import { type LayoutFiles, readFile } from "./layout-files.ts";
import { readBlob, readIndex } from "./layout-source.ts";
import { referenceOf } from "./names.ts";
import type { CopySource } from "./types.ts";

const BLOB_NAME = /^blobs\/sha256\/([0-9a-f]{64})$/;
const MOST_NAMED = 20;

interface Item {
  Config: string;
  RepoTags?: string[];
  Layers?: string[];
}

const items = list(object<Item>({ Config: text, RepoTags: list(text), Layers: list(text) }, ["Config"]));

/** A file of the archive under its digest. */
interface Part {
  file: string;
  digest: Digest;
  size: number;
  mediaType: string;
}

/**
 * One image of an archive as `docker save` writes it (moby, image/spec/v1.2.md). Where the archive has a manifest of the very same parts too, that one is copied and its digest stays; else one is made, which
 * is the same each time, and layers stay as they are, compressed or not.
 */
export async function dockerSource(files: LayoutFiles, place: ArchivePlace): Promise<CopySource> {
  const bytes = await readFile(files, "manifest.json", MAX_JSON);
  if (!bytes)
    throw new BerthError("invalid-argument", `${files.name} is no archive of 'docker save': it has no manifest.json`, {
      hint: "tars of an OCI layout are named oci-archive:FILE",
    });
  const item = choose(files, items(parseJson(bytes, "manifest.json"), `${files.name}: manifest.json`), place);
  const config = await configPart(files, item.Config);
  const layers: Part[] = [];
  for (const layer of item.Layers ?? []) layers.push(await layerPart(files, layer));
  const parts = new Map([config, ...layers].map((part) => [part.digest, part]));
  const top = (await ownManifest(files, config, layers)) ?? manifestOf(config, layers);
  return {
    name: formatImagePlace(place),
    ref: referenceOf(place.name ?? item.RepoTags?.[0]),
    top: async () => top,
    manifest: async (digest) => {
      if (digest === top.digest) return top;
      throw new BerthError("not-found", `${files.name} does not have ${digest}`);
    },
    blob: async ({ digest }, { from } = {}) => {
      const part = parts.get(digest);
      if (part) return files.stream(part.file, from);
      throw new BerthError("not-found", `${files.name} does not have ${digest}`);
    },
    referrers: async () => [],
    tagged: async () => undefined,
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  };
}

function choose(files: LayoutFiles, all: readonly Item[], { name, digest }: ArchivePlace): Item {
  if (digest !== undefined)
    throw new BerthError(
      "invalid-argument",
      `${files.name}: images of such archives are chosen by name, not by digest`,
    );
  const want = referenceOf(name);
  const wanted = want ? familiarString(want) : name;
  const isWanted = (tag: string): boolean => {
    const ref = referenceOf(tag);
    return (ref ? familiarString(ref) : tag) === wanted;
  };
  const meant = name === undefined ? all : all.filter((item) => item.RepoTags?.some(isWanted));
  const [first, ...more] = meant;
  if (first && more.length === 0) return first;
  const names = all.flatMap((item) => item.RepoTags ?? []).slice(0, MOST_NAMED);
  const hint = `it has: ${names.join(", ") || `${all.length} images without names`}`;
  if (!first && name !== undefined)
    throw new BerthError("not-found", `${files.name} has no image ${JSON.stringify(name)}`, { hint });
  throw new BerthError("invalid-argument", `${files.name} has ${first ? "several images: say which" : "no image"}`, {
    hint,
  });
}

async function configPart(files: LayoutFiles, file: string): Promise<Part> {
  const bytes = await readFile(files, file, MAX_JSON);
  if (!bytes) throw missing(files, file);
  parseConfig(bytes, `${files.name}: ${JSON.stringify(file)}`);
  return { file, digest: digestOf(bytes), size: bytes.byteLength, mediaType: MediaType.config };
}

/** A name that is a digest is taken at its word, and verified when the layer is copied. */
async function layerPart(files: LayoutFiles, file: string): Promise<Part> {
  const size = await files.size(file);
  if (size === undefined) throw missing(files, file);
  const named = `sha256:${BLOB_NAME.exec(file)?.[1] ?? ""}`;
  const hash = createHash("sha256");
  let head: Uint8Array | undefined;
  for await (const chunk of files.stream(file)) {
    head ??= Buffer.from(chunk.subarray(0, 16));
    if (isDigest(named)) break;
    hash.update(chunk);
  }
  const digest: Digest = isDigest(named) ? named : `sha256:${hash.digest("hex")}`;
  return { file, digest, size, mediaType: layerType(files, file, head ?? Buffer.alloc(0)) };
}

function layerType(files: LayoutFiles, file: string, head: Uint8Array): string {
  const kind = detectCompression(head);
  if (kind === "none") return MediaType.layer;
  if (kind === "gzip") return MediaType.layerGzip;
  if (kind === "zstd") return MediaType.layerZstd;
  throw new BerthError("invalid-argument", `${files.name}: layer ${JSON.stringify(file)} is compressed with ${kind}`, {
    hint: "registries take gzip and zstd",
  });
}

async function ownManifest(files: LayoutFiles, config: Part, layers: Part[]): Promise<FetchedManifest | undefined> {
  const want = [config, ...layers].map((part) => part.digest).join();
  for (const entry of (await readIndex(files)) ?? []) {
    if (!isManifestType(entry.mediaType)) continue;
    const manifest = await readBlob(files, entry.digest, entry.mediaType).catch(() => undefined);
    if (!manifest) continue;
    const content = parseContent(manifest.bytes, manifest.mediaType, `${files.name}: ${entry.digest}`);
    const own: ContentDescriptor[] = [...(content.config ? [content.config] : []), ...content.layers];
    if (own.map((part) => part.digest).join() === want) return manifest;
  }
  return undefined;
}

function manifestOf(config: Part, layers: Part[]): FetchedManifest {
  const described = ({ mediaType, digest, size }: Part): Descriptor => ({ mediaType, digest, size });
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: described(config),
    layers: layers.map(described),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  return { digest: digestOf(bytes), mediaType: MediaType.manifest, bytes };
}

function missing(files: LayoutFiles, file: string): BerthError {
  const shown = JSON.stringify(file.slice(0, 200));
  return new BerthError(
    "invalid-argument",
    `${files.name}: manifest.json names ${shown}, which the archive does not have`,
  );
}
