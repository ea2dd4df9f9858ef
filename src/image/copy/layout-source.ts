import type { FetchedManifest, Referrer } from "../../registry/types.ts";
import { type Digest, digestOf } from "../../spec/digest.ts";
import { BerthError } from "../../spec/errors.ts";
import { type ArchivePlace, formatImagePlace } from "../../spec/image-place.ts";
import { MediaType } from "../../spec/oci.ts";
import { MAX_JSON } from "../config.ts";
import { type ContentDescriptor, isManifestType, parseContent } from "../content.ts";
import { type LayoutFiles, readFile } from "./layout-files.ts";
import { isNamed, nameOf, REF_NAME } from "./names.ts";
import type { CopySource } from "./types.ts";

const MOST_NAMED = 20;
/** Tags of what is about another manifest, not of images. */
const COMPANION = /^sha256-[0-9a-f]{64}(\.|$)/;

/** One image of an OCI layout (OCI image-spec, image-layout.md), in a folder or an archive. Disposing closes the files. */
export async function layoutSource(files: LayoutFiles, place: ArchivePlace): Promise<CopySource> {
  const entries = await readIndex(files);
  if (!entries)
    throw new BerthError("invalid-argument", `${files.name} is no OCI layout: it has no index.json`, {
      hint: "archives of 'docker save' are named docker-archive:FILE",
    });
  const entry = await choose(files, entries, place);
  const manifest = (digest: Digest): Promise<FetchedManifest> => readBlob(files, digest, typeIn(entries, digest));
  return {
    name: formatImagePlace(place),
    ref: nameOf(entry.annotations),
    top: () => manifest(entry.digest),
    manifest,
    blob: (blob, options) => streamBlob(files, blob, options?.from),
    referrers: (digest) => referrersIn(files, entries, digest),
    tagged: async (tag) => {
      const found = entries.find((other) => other.annotations?.[REF_NAME] === tag && isManifestType(other.mediaType));
      return found && manifest(found.digest);
    },
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  };
}

/** The entries of `index.json`; undefined where there is none. Throws `invalid-argument` for one that is malformed. */
export async function readIndex(files: LayoutFiles): Promise<ContentDescriptor[] | undefined> {
  const bytes = await readFile(files, "index.json", MAX_JSON);
  return bytes && parseContent(bytes, MediaType.index, `${files.name}: index.json`).members;
}

/** A blob of the layout from a place on, unverified. Throws `not-found` where there is none. */
export async function streamBlob(
  files: LayoutFiles,
  { digest }: { digest: Digest },
  from = 0,
): Promise<AsyncIterable<Uint8Array>> {
  if ((await files.size(blobPath(digest))) === undefined) throw missing(files, digest);
  return files.stream(blobPath(digest), from);
}

/** Where a blob is in a layout. */
export function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/** A manifest of the layout, verified. Its media type is what it says itself, else what its descriptor says. */
export async function readBlob(files: LayoutFiles, digest: Digest, mediaType: string): Promise<FetchedManifest> {
  const bytes = await readFile(files, blobPath(digest), MAX_JSON);
  if (!bytes) throw missing(files, digest);
  const actual = digestOf(bytes);
  if (actual === digest) return { digest, mediaType: ownType(bytes) ?? mediaType, bytes };
  throw new BerthError(
    "invalid-argument",
    `${files.name}: digest mismatch: want ${digest}, content has ${digestOf(bytes)}`,
  );
}

function ownType(bytes: Buffer): string | undefined {
  try {
    const value = JSON.parse(bytes.toString()) as { mediaType?: unknown; manifests?: unknown };
    if (typeof value.mediaType === "string") return value.mediaType;
    return Array.isArray(value.manifests) ? MediaType.index : undefined;
  } catch {
    return undefined;
  }
}

function typeIn(entries: readonly ContentDescriptor[], digest: Digest): string {
  return entries.find((entry) => entry.digest === digest)?.mediaType ?? MediaType.manifest;
}

/** By name or digest; without either the only image that there is. What refers to others is not meant unless it is named. */
async function choose(
  files: LayoutFiles,
  entries: readonly ContentDescriptor[],
  { name, digest }: ArchivePlace,
): Promise<ContentDescriptor> {
  const all = entries.filter((entry) => isManifestType(entry.mediaType));
  const meant = all.filter(
    (e) => (digest === undefined || e.digest === digest) && (name === undefined || isNamed(e.annotations, name)),
  );
  if (digest !== undefined && meant.length === 0 && (await files.size(blobPath(digest))) !== undefined) {
    return { mediaType: MediaType.manifest, digest, size: 0 };
  }
  const named = meant.filter((e) => {
    const tag = e.annotations?.[REF_NAME];
    return nameOf(e.annotations) ?? (tag !== undefined && (name === tag || !COMPANION.test(tag)));
  });
  const choice = named.length > 0 ? named : meant;
  const [first] = choice;
  if (first && choice.every((e) => e.digest === first.digest)) return first;
  const names = [...new Set(all.map((e) => e.annotations?.[REF_NAME] ?? `@${e.digest}`))];
  const hint = `it has: ${names.slice(0, MOST_NAMED).join(", ") || "nothing"}`;
  if (!first)
    throw new BerthError("not-found", `${files.name} has no image ${JSON.stringify(name ?? digest)}`, { hint });
  throw new BerthError("invalid-argument", `${files.name} has several images: say which`, { hint });
}

/** Those that `index.json` names beside the images, as layouts have them. */
async function referrersIn(
  files: LayoutFiles,
  entries: readonly ContentDescriptor[],
  subject: Digest,
): Promise<Referrer[]> {
  const found = new Map<Digest, Referrer>();
  for (const { mediaType, digest, size } of entries) {
    if (!isManifestType(mediaType) || size > MAX_JSON) continue;
    const manifest = await readBlob(files, digest, mediaType);
    const content = parseContent(manifest.bytes, manifest.mediaType, `${files.name}: ${digest}`);
    if (content.subject?.digest === subject) found.set(digest, { mediaType: manifest.mediaType, digest, size });
  }
  return [...found.values()];
}

function missing(files: LayoutFiles, digest: Digest): BerthError {
  return new BerthError("not-found", `${files.name} does not have ${digest}`);
}
