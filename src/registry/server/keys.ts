import type { ContentDigest } from "./types.ts";

/**
 * Where records are. A repository's name is one segment (`~` for `/`), so that what is in `a` is not below what is in `a/b`.
 *
 * - `catalog/REPO`: the repository has manifests, or had.
 * - `tags/REPO/TAG`: the digest it stands for.
 * - `manifests/REPO/DIGEST`: a line of JSON about it, then its bytes.
 * - `referrers/REPO/SUBJECT/DIGEST`: that manifest names SUBJECT.
 * - `presences/REPO/DIGEST/GENERATION`: the repository has the blob.
 * - `blobs/DIGEST/GENERATION`: the blob's data. Both have the size in the generation; a further key with `.x` condemns one (see `gc.ts`).
 * - `uploads/REPO/ID`: an upload that has begun; its data has the same id.
 */
export const KEYS = {
  catalog: (repository = ""): string => `catalog/${encoded(repository)}`,
  tags: (repository: string, tag = ""): string => `tags/${encoded(repository)}/${tag}`,
  manifests: (repository: string, digest: ContentDigest | "" = ""): string =>
    `manifests/${encoded(repository)}/${digest}`,
  referrers: (repository: string, subject: ContentDigest | "" = "", digest = ""): string =>
    `referrers/${encoded(repository)}/${subject === "" ? "" : `${subject}/${digest}`}`,
  presences: (repository: string, digest: ContentDigest | "" = "", generation = ""): string =>
    `presences/${encoded(repository)}/${digest === "" ? "" : `${digest}/${generation}`}`,
  blobs: (digest: ContentDigest | "" = "", generation = ""): string =>
    `blobs/${digest === "" ? "" : `${digest}/${generation}`}`,
  uploads: (repository: string, id = ""): string => `uploads/${encoded(repository)}/${id}`,
};

/** Ends the key of a record that condemns another. */
export const CONDEMNED = ".x";

/** The parts of a key behind its first segment; the repository, where it is first of them, still encoded. */
export function partsOf(key: string): string[] {
  return key.split("/").slice(1);
}

/** A repository's name as one segment. */
export function encoded(repository: string): string {
  return repository.replaceAll("/", "~");
}

/** The reverse. */
export function decoded(segment: string): string {
  return segment.replaceAll("~", "/");
}

const UPLOAD_LENGTH = 36;

/** The upload that data came by: its id begins with the upload's. */
export function uploadOf(data: string): string {
  return data.slice(0, UPLOAD_LENGTH);
}
