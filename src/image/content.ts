import type { Digest } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import { CONFIG_TYPES, INDEX_TYPES, MANIFEST_TYPES, type Platform } from "../spec/oci.ts";
import { type Check, count, digest, list, mapOf, object, parseJson, text } from "./config.ts";

/** A descriptor with all that copying needs (OCI image-spec, descriptor.md). */
export interface ContentDescriptor {
  mediaType: string;
  digest: Digest;
  size: number;
  platform?: Platform;
  urls?: string[];
  annotations?: Record<string, string>;
  artifactType?: string;
}

/** What a manifest or an index names. */
export interface Content {
  kind: "manifest" | "index";
  mediaType: string;
  /** Of a manifest. */
  config?: ContentDescriptor;
  /** Of a manifest: layers, or an artifact's blobs. */
  layers: ContentDescriptor[];
  /** Of an index: manifests, and whatever else it lists (BuildKit's caches list layers). */
  members: ContentDescriptor[];
  /** The manifest that it is about. */
  subject?: ContentDescriptor;
  artifactType?: string;
}

const MANIFESTS: readonly string[] = [...MANIFEST_TYPES, "application/vnd.oci.artifact.manifest.v1+json"];

/** More parts than any manifest has. */
const MAX_PARTS = 16_384;

const size: Check<number> = (value, at) => {
  const n = count(value, at);
  if (Number.isSafeInteger(n) && n >= 0) return n;
  throw new BerthError("invalid-argument", `${at}: must be a number of bytes`);
};
const platform = object<Platform>({ os: text, architecture: text, variant: text }, ["os", "architecture"]);
const descriptor = object<ContentDescriptor>(
  { mediaType: text, digest, size, platform, urls: list(text), annotations: mapOf(text), artifactType: text },
  ["mediaType", "digest", "size"],
);

interface Raw {
  mediaType?: string;
  config?: ContentDescriptor;
  layers?: ContentDescriptor[];
  blobs?: ContentDescriptor[];
  manifests?: ContentDescriptor[];
  subject?: ContentDescriptor;
  artifactType?: string;
}

const raw = object<Raw>({
  mediaType: text,
  config: descriptor,
  layers: list(descriptor),
  blobs: list(descriptor),
  manifests: list(descriptor),
  subject: descriptor,
  artifactType: text,
});

/** True for what is read as a manifest or an index. */
export function isManifestType(mediaType: string): boolean {
  return INDEX_TYPES.includes(mediaType) || MANIFESTS.includes(mediaType);
}

/** True for an index of OCI or a list of Docker. */
export function isIndexType(mediaType: string): boolean {
  return INDEX_TYPES.includes(mediaType);
}

/** True where the content is a container image: its config is one of OCI's or Docker's. */
export function isContainerImage({ kind, config }: Content): boolean {
  return kind === "manifest" && config !== undefined && CONFIG_TYPES.includes(config.mediaType);
}

/**
 * Reads a manifest, an index, Docker's forms of both, or an artifact, from untrusted bytes; `mediaType` is what came with them. Throws `invalid-argument` that names `what` for
 * anything else, and for what two readers could take for different things (OCI image-spec, "manifest confusion").
 */
export function parseContent(bytes: Uint8Array, mediaType: string, what: string): Content {
  const bad = (why: string): BerthError => new BerthError("invalid-argument", `${what}: ${why}`);
  const json = parseJson(bytes, what);
  if ((json as { schemaVersion?: unknown } | null)?.schemaVersion === 1) {
    throw bad("Docker's old manifest schema 1 is not supported; push the image again with a newer client");
  }
  const value = raw(json, what);
  const type = value.mediaType ?? mediaType;
  if (!isManifestType(type)) throw bad(`unsupported media type ${JSON.stringify(type.slice(0, 100))}`);
  if (value.mediaType !== undefined && mediaType !== "" && value.mediaType !== mediaType) {
    throw bad(`it says to be ${value.mediaType}, but was given as ${JSON.stringify(mediaType.slice(0, 100))}`);
  }
  const { config, layers, blobs, manifests, subject, artifactType } = value;
  if (manifests && (layers ?? blobs ?? config)) throw bad("it is ambiguous: it has both layers and manifests");
  const isIndex = isIndexType(type);
  if (isIndex !== (manifests !== undefined)) throw bad(`it is given as ${type}, but has the form of something else`);
  if (MAX_PARTS < (layers ?? blobs ?? manifests ?? []).length) throw bad(`it has more than ${MAX_PARTS} parts`);
  return {
    kind: isIndex ? "index" : "manifest",
    mediaType: type,
    ...(config ? { config } : {}),
    layers: layers ?? blobs ?? [],
    members: manifests ?? [],
    ...(subject ? { subject } : {}),
    ...(artifactType ? { artifactType } : {}),
  };
}
