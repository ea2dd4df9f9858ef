import { type Digest, isDigest } from "./digest.ts";
import { BerthError, messageOf } from "./errors.ts";
import { familiarString, parseReference, type Reference, withDefaultTag } from "./reference.ts";

/** A folder in OCI's layout, a tar of one, or a tar as `docker save` writes it. `path` `-` is standard input or output. `name` or `digest` choose one of its images. */
export interface ArchivePlace {
  kind: "oci" | "oci-archive" | "docker-archive";
  path: string;
  name?: string;
  digest?: Digest;
}

/** Where an image is, or goes. `ref` has a tag or a digest. */
export type ImagePlace = { kind: "registry"; ref: Reference } | ArchivePlace;

const ARCHIVES = ["oci", "oci-archive", "docker-archive"] as const;
const OTHERS = /^(containers-storage|docker-daemon|dir|ostree|sif|tarball|https?):/;

/**
 * Reads `[docker://]NAME[:TAG|@DIGEST]`, `oci:FOLDER[:NAME]`, `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]` and `-` (standard input or output, as an OCI archive). An archive's
 * NAME is all behind the second colon, or `@DIGEST` behind the path. Throws `invalid-argument` that says what would do.
 */
export function parseImagePlace(text: string): ImagePlace {
  if (text === "-") return { kind: "oci-archive", path: "-" };
  for (const kind of ARCHIVES) if (text.startsWith(`${kind}:`)) return archivePlace(kind, text);
  const other = OTHERS.exec(text)?.[1];
  if (other !== undefined) throw bad(text, `there is no transport "${other}"`);
  const name = text.startsWith("docker://") ? text.slice("docker://".length) : text;
  try {
    return { kind: "registry", ref: withDefaultTag(parseReference(name)) };
  } catch (error) {
    throw bad(text, messageOf(error));
  }
}

/** A place for messages. */
export function formatImagePlace(place: ImagePlace): string {
  if (place.kind === "registry") return familiarString(place.ref);
  const which = place.digest ? `@${place.digest}` : place.name === undefined ? "" : `:${place.name}`;
  return `${place.kind}:${place.path}${which}`;
}

function archivePlace(kind: ArchivePlace["kind"], text: string): ArchivePlace {
  const rest = text.slice(kind.length + 1);
  const [, path = "", digest = ""] = /^([^:]*)@(sha256:.*)$/s.exec(rest) ?? [];
  if (path !== "" && isDigest(digest)) return { kind, path, digest };
  const colon = rest.indexOf(":");
  const place = colon < 0 ? { kind, path: rest } : { kind, path: rest.slice(0, colon), name: rest.slice(colon + 1) };
  if (place.path === "") throw bad(text, "it has no path");
  if (place.name === "") throw bad(text, "it has no name behind the colon");
  if (kind === "oci" && place.path === "-") throw bad(text, "a folder cannot be a stream");
  return place;
}

function bad(text: string, why: string): BerthError {
  const shown = JSON.stringify(text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text);
  return new BerthError("invalid-argument", `${shown} names no image: ${why}`, {
    hint: "a registry's NAME[:TAG|@DIGEST], oci:FOLDER[:TAG], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME], or -",
  });
}

const MOST_SHOWN = 200;
