import { createHash } from "node:crypto";
import { BerthError } from "./errors.ts";

/** A content digest, `sha256:` and 64 lower-case hex digits (OCI image-spec, descriptor.md, "Digests"). */
export type Digest = `sha256:${string}`;

const PATTERN = /^sha256:[0-9a-f]{64}$/;

/** True where `text` is a whole sha256 digest. */
export function isDigest(text: string): text is Digest {
  return PATTERN.test(text);
}

/** `text` as a Digest; throws `invalid-argument` otherwise. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new BerthError("invalid-argument", `invalid digest "${text.slice(0, 100)}": want sha256: and 64 hex digits`);
}

/** The digest of these bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** The hex part, 64 digits. */
export function hexOf(digest: Digest): string {
  return digest.slice("sha256:".length);
}

/** The 12 digits that people see for an image or container. Takes a digest or a bare hex id. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}
