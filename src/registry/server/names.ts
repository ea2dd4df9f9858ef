import { createHash, type Hash } from "node:crypto";
import { RegistryError } from "./errors.ts";
import type { ContentDigest } from "./types.ts";

const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const MOST_NAME = 255;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;
const UPLOAD = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A repository's name as the specification has it (OCI distribution-spec, "Pulling manifests"). Throws NAME_INVALID. */
export function repositoryName(text: string): string {
  if (text.length <= MOST_NAME && NAME.test(text)) return text;
  throw new RegistryError("NAME_INVALID", `invalid repository name ${quoted(text)}`);
}

/** True for a tag as the specification has it. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** True for a whole digest of an algorithm that registries have to know. */
export function isContentDigest(text: unknown): text is ContentDigest {
  return typeof text === "string" && DIGEST.test(text);
}

/** Throws DIGEST_INVALID. */
export function contentDigest(text: string): ContentDigest {
  if (isContentDigest(text)) return text;
  throw new RegistryError("DIGEST_INVALID", `invalid digest ${quoted(text)}: want sha256 or sha512 and hex digits`);
}

/** An upload's id. Throws BLOB_UPLOAD_UNKNOWN for what cannot be one. */
export function uploadId(text: string): string {
  if (UPLOAD.test(text)) return text;
  throw new RegistryError("BLOB_UPLOAD_UNKNOWN", `no upload ${quoted(text)}`);
}

/** A hash in progress for digests like this one. */
export function hasherFor(digest: ContentDigest): Hash {
  return createHash(digest.startsWith("sha512:") ? "sha512" : "sha256");
}

/** The digest of these bytes, by the algorithm of `like`. */
export function digestOf(bytes: Uint8Array, like: ContentDigest = "sha256:"): ContentDigest {
  const algorithm = like.startsWith("sha512:") ? "sha512" : "sha256";
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** Somebody's text for an error's line. */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
