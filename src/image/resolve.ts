import { type Digest, isDigest } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import { familiarString, parseReference, type Reference, withDefaultTag } from "../spec/reference.ts";
import { longName } from "../spec/resolution.ts";
import type { Catalog, StoredImage } from "./catalog.ts";

const ID = /^(?:sha256:)?([0-9a-f]{1,64})$/;
const ID_LENGTH = 64;

/**
 * The image that a person means: a whole id, a name, what it is short for, or the unique beginning of an id, tried in this order as in Docker. Throws `not-found`
 * "No such image: x:latest", or `invalid-argument` for an ambiguous beginning and for what is no reference at all.
 */
export function resolveImage(catalog: Catalog, name: string): StoredImage {
  const id = findId(catalog, name);
  const image = id && catalog.get(id);
  if (!image) throw new BerthError("not-found", `No such image: ${shown(name)}`);
  return image;
}

/** True where `name` means the image by its id rather than by one of its names. */
export function isIdOf(name: string, id: Digest): boolean {
  const hex = ID.exec(name)?.[1];
  return hex !== undefined && id.startsWith(`sha256:${hex}`);
}

/** The name by which image `id` was meant: the one that was given, or what it is short for. */
export function nameOf(catalog: Catalog, given: string, id: Digest): Reference {
  const ref = parseReference(given);
  const own = catalog.names(id).some((name) => name.domain === ref.domain && name.path === ref.path);
  return own ? ref : (longOf(catalog, ref) ?? ref);
}

function longOf(catalog: Catalog, ref: Reference): Reference | undefined {
  return longName(ref, catalog.deps.resolution?.() ?? {});
}

function findId(catalog: Catalog, name: string): Digest | undefined {
  const hex = ID.exec(name)?.[1];
  if (hex?.length === ID_LENGTH) return `sha256:${hex}`;
  if (!name.startsWith("sha256:")) {
    const ref = withDefaultTag(parseReference(name));
    const long = longOf(catalog, ref);
    const byName = findByName(catalog, ref) ?? (long && findByName(catalog, long));
    if (byName) return byName;
  }
  return hex === undefined ? undefined : findByPrefix(catalog, hex);
}

function findByName(catalog: Catalog, ref: Reference): Digest | undefined {
  const { digest } = ref;
  if (!digest) return catalog.named(ref);
  const { tag: _tag, ...untagged } = ref;
  const exact = catalog.named(untagged);
  if (exact) return exact;
  // Docker also takes an image's id after the @, where the image has a name in that repository.
  const sameRepository = catalog.names(digest).some((n) => n.domain === ref.domain && n.path === ref.path);
  return sameRepository ? digest : undefined;
}

function findByPrefix(catalog: Catalog, hex: string): Digest | undefined {
  const hits = catalog.ids().filter((id) => id.startsWith(`sha256:${hex}`));
  if (hits.length > 1) {
    throw new BerthError(
      "invalid-argument",
      `image id prefix ${hex} is ambiguous: ${hits.length} images begin with it`,
      {
        hint: "give more digits",
      },
    );
  }
  return hits[0];
}

function shown(name: string): string {
  if (isDigest(name) || /^[0-9a-f]{64}$/.test(name) || name.startsWith("sha256:")) return name;
  return familiarString(withDefaultTag(parseReference(name)));
}
