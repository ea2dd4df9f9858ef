import { BerthError } from "../spec/errors.ts";
import { familiarName, parseReference, type Reference, withDefaultTag } from "../spec/reference.ts";
import type { Catalog } from "./catalog.ts";
import { resolveImage } from "./resolve.ts";

/** Puts the names on the image `source`, all or none; images that had them before keep their other names. Refuses names that could be taken for ids. */
export function tagImage(catalog: Catalog, source: string, targets: readonly string[]): void {
  const refs = targets.map(parseNewName);
  const image = resolveImage(catalog, source);
  catalog.deps.records.transaction(() => {
    for (const ref of refs) catalog.putName(ref, image.id, Date.now());
  });
}

/** A name that may be given to an image: with tag (`latest` by default), without digest, and not like an id. Throws `invalid-argument`. */
export function parseNewName(target: string): Reference {
  const ambiguous = "refusing to create an ambiguous tag using digest algorithm as name";
  if (/^sha256(?::|$)/.test(target)) throw new BerthError("invalid-argument", ambiguous);
  const bare = target.split(/[:@]/)[0] ?? "";
  if (/^[0-9a-f]{64}$/.test(bare)) {
    throw new BerthError(
      "invalid-argument",
      `invalid repository name (${bare}), cannot specify 64-byte hexadecimal strings`,
    );
  }
  const ref = parseReference(target);
  if (ref.digest) throw new BerthError("invalid-argument", "refusing to create a tag with a digest reference");
  if (familiarName(ref) === "sha256") throw new BerthError("invalid-argument", ambiguous);
  return withDefaultTag(ref);
}
