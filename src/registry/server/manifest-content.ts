import { outerKeys } from "../../spec/json-keys.ts";
import { MediaType } from "../../spec/oci.ts";
import { RegistryError } from "./errors.ts";
import { isContentDigest, quoted } from "./names.ts";
import type { ContentDigest } from "./types.ts";

/** What a manifest needs, and what it is about. */
export interface ManifestRefs {
  blobs: { digest: ContentDigest; size: number }[];
  manifests: ContentDigest[];
  subject?: ContentDigest;
}

/** What is known of a manifest's content. */
export interface ManifestContent extends ManifestRefs {
  mediaType: string;
  artifactType?: string;
  annotations?: Record<string, string>;
}

/** What each of these has to have (OCI image-spec, manifest.md, image-index.md). */
const NEEDED: Record<string, readonly string[]> = {
  [MediaType.manifest]: ["schemaVersion", "config", "layers"],
  [MediaType.dockerManifest]: ["schemaVersion", "config", "layers"],
  [MediaType.index]: ["schemaVersion", "manifests"],
  [MediaType.dockerIndex]: ["schemaVersion", "manifests"],
};
const SCHEMA_1 = /^application\/(?:vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)|json)$/;
/** Layers that need not be in a registry: they have addresses of their own (OCI image-spec, layer.md, "Non-Distributable Layers"; Docker's foreign layers). */
const ELSEWHERE = /(?:nondistributable|foreign)/;
const KEYS_THAT_COUNT = [
  ...["schemaVersion", "mediaType", "artifactType", "config", "layers"],
  ...["blobs", "manifests", "subject", "annotations"],
];
/** Brackets; manifests have about five. */
const DEEPEST = 100;
const MOST_ANNOTATIONS = 1000;
/** Of layers, or of manifests of an index. A container engine takes no more than some hundred. */
const MOST_PARTS = 10_000;

/**
 * Reads a manifest, an index, Docker's forms of both, or an artifact (OCI image-spec, manifest.md and image-index.md). Throws MANIFEST_INVALID for what is none, for what two
 * readers could take for different things, and for Docker's schema 1.
 */
export function parseManifestContent(bytes: Uint8Array, contentType: string | undefined): ManifestContent {
  const { value, keys } = jsonObject(bytes);
  refuseAmbiguous(value, keys);
  const declared = contentType?.split(";")[0]?.trim();
  const own = value["mediaType"];
  if (own !== undefined && typeof own !== "string") throw invalid("mediaType is no string");
  if (own && declared && own !== declared) {
    throw invalid(`its mediaType is ${quoted(own)}, but it was sent as ${quoted(declared)}`);
  }
  const mediaType = own || declared;
  if (!mediaType) throw invalid("no media type: send a Content-Type");
  if (value["schemaVersion"] === 1 || SCHEMA_1.test(mediaType)) {
    throw invalid("Docker's manifest schema 1 is not taken; push it with a newer client");
  }
  for (const key of NEEDED[mediaType] ?? []) {
    if (value[key] === undefined || value[key] === null) throw invalid(`it has no ${key}`);
  }
  return { mediaType, ...refsOf(value), ...aboutOf(value) };
}

/** Two readers could take these for different things: parts of two kinds at once, a key twice, or a key in other letters, which some readers take for the same. */
function refuseAmbiguous(value: Record<string, unknown>, keys: readonly string[]): void {
  const image = ["config", "layers", "blobs"].find((key) => value[key] !== undefined);
  if (image && value["manifests"] !== undefined) {
    throw invalid(`it is ambiguous: it has both ${image} and manifests`);
  }
  const seen = new Set<string>();
  for (const key of keys) {
    const known = KEYS_THAT_COUNT.find((one) => one.toLowerCase() === key.toLowerCase());
    if (!known) continue;
    if (known !== key || seen.has(key)) throw invalid(`it is ambiguous: ${quoted(key)} beside ${quoted(known)}`);
    seen.add(key);
  }
}

function refsOf(value: Record<string, unknown>): ManifestRefs {
  const blobs = [
    ...(value["config"] === undefined ? [] : [descriptor(value["config"], "config")]),
    ...list(value["layers"], "layers"),
    ...list(value["blobs"], "blobs"),
  ].filter((d) => !(d.urls && ELSEWHERE.test(d.mediaType)));
  const sizes = new Map<string, number>();
  for (const { digest, size } of blobs) {
    if ((sizes.get(digest) ?? size) !== size) throw invalid(`it is ambiguous: it has two sizes for ${digest}`);
    sizes.set(digest, size);
  }
  const subject = value["subject"] === undefined ? undefined : descriptor(value["subject"], "subject").digest;
  return {
    blobs: blobs.map(({ digest, size }) => ({ digest, size })),
    manifests: list(value["manifests"], "manifests").map((d) => d.digest),
    ...(subject ? { subject } : {}),
  };
}

/** `artifactType` is the manifest's own, or its config's media type (OCI distribution-spec, "Listing Referrers"). */
function aboutOf(value: Record<string, unknown>): Pick<ManifestContent, "artifactType" | "annotations"> {
  const config = value["config"] as { mediaType?: unknown } | undefined;
  const type = value["artifactType"] || config?.mediaType;
  const notes = value["annotations"];
  const annotations: Record<string, string> = {};
  if (typeof notes === "object" && notes !== null) {
    const entries = Object.entries(notes);
    if (entries.length > MOST_ANNOTATIONS) throw invalid(`more than ${MOST_ANNOTATIONS} annotations`);
    for (const [key, text] of entries) if (typeof text === "string") annotations[key] = text;
  }
  return {
    ...(typeof type === "string" && type !== "" ? { artifactType: type } : {}),
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
  };
}

interface Part {
  mediaType: string;
  digest: ContentDigest;
  size: number;
  urls: boolean;
}

function list(value: unknown, what: string): Part[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`${what} is no list`);
  if (value.length > MOST_PARTS) throw invalid(`it has more than ${MOST_PARTS} ${what}`);
  return value.map((item, i) => descriptor(item, `${what}[${i}]`));
}

function descriptor(value: unknown, what: string): Part {
  const { mediaType, digest, size, urls } = (value ?? {}) as Record<string, unknown>;
  if (typeof mediaType !== "string") throw invalid(`${what} has no mediaType`);
  if (!isContentDigest(digest)) throw invalid(`${what} has no sound digest`);
  if (!Number.isSafeInteger(size) || (size as number) < 0) throw invalid(`${what} has no sound size`);
  return { mediaType, digest, size: size as number, urls: Array.isArray(urls) && urls.length > 0 };
}

function jsonObject(bytes: Uint8Array): { value: Record<string, unknown>; keys: string[] } {
  let value: unknown;
  let keys: string[];
  try {
    keys = outerKeys(bytes, DEEPEST);
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw invalid(error instanceof RangeError ? `it is ${error.message}` : "it is no JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid("it is no JSON object");
  return { value: value as Record<string, unknown>, keys };
}

function invalid(why: string): RegistryError {
  return new RegistryError("MANIFEST_INVALID", `not a manifest that this registry takes: ${why}`);
}
