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

const SCHEMA_1 = /^application\/(?:vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)|json)$/;
/** Layers that need not be in a registry: they have addresses of their own (OCI image-spec, layer.md, "Non-Distributable Layers"; Docker's foreign layers). */
const ELSEWHERE = /(?:nondistributable|foreign)/;
const MOST_ANNOTATIONS = 1000;
/** Of layers, or of manifests of an index. A container engine takes no more than some hundred. */
const MOST_PARTS = 10_000;

/**
 * Reads a manifest, an index, Docker's forms of both, or an artifact (OCI image-spec, manifest.md and image-index.md). Throws MANIFEST_INVALID for what is none, for what two
 * readers could take for different things, and for Docker's schema 1.
 */
export function parseManifestContent(bytes: Uint8Array, contentType: string | undefined): ManifestContent {
  const value = jsonObject(bytes);
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
  if (value["layers"] !== undefined && value["manifests"] !== undefined) {
    throw invalid("it is ambiguous: it has both layers and manifests");
  }
  return { mediaType, ...refsOf(value), ...aboutOf(value) };
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

function jsonObject(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw invalid("it is no JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid("it is no JSON object");
  return value as Record<string, unknown>;
}

function invalid(why: string): RegistryError {
  return new RegistryError("MANIFEST_INVALID", `not a manifest that this registry takes: ${why}`);
}
