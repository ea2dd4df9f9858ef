import { BerthError } from "../spec/errors.ts";
import { elementPattern } from "../spec/gomatch.ts";
import { parseUntil } from "../spec/instant.ts";
import { hasLabel } from "../spec/labels.ts";
import { familiarName, familiarString, parseReference } from "../spec/reference.ts";
import type { Catalog, StoredImage } from "./catalog.ts";
import { resolveImage } from "./resolve.ts";
import type { Filters } from "./types.ts";

const KNOWN = ["dangling", "label", "before", "since", "reference", "until"];
const TRUE = ["1", "t", "true"];
const FALSE = ["0", "f", "false"];

/** The filters of one listing, read and checked. */
export interface ImageFilter {
  /** Undefined: both kinds. */
  dangling?: boolean;
  /** True for a familiar name that is wanted; undefined: all are. */
  reference?: (name: string) => boolean;
  /** Label and times. */
  matches: (image: StoredImage) => boolean;
}

/** Reads the filters of `GET /images/json`. Throws Docker's words for unknown keys and bad values, `not-found` for an unknown image in `before` or `since`. */
export function readFilters(catalog: Catalog, filters: Filters): ImageFilter {
  const unknown = Object.keys(filters).find((key) => !KNOWN.includes(key));
  if (unknown !== undefined) throw new BerthError("invalid-argument", `invalid filter '${unknown}'`);
  const created = (name: string): number => createdMs(resolveImage(catalog, name));
  const before = [...(filters["before"] ?? []).map(created), ...(filters["until"] ?? []).map(parseUntil)];
  const since = (filters["since"] ?? []).map(created);
  const labels = filters["label"] ?? [];
  const dangling = readFlag("dangling", filters["dangling"] ?? []);
  const patterns = filters["reference"] ?? [];
  return {
    ...(dangling === undefined ? {} : { dangling }),
    ...(patterns.length === 0 ? {} : { reference: referenceMatcher(patterns) }),
    matches: (image) => {
      const at = before.length + since.length > 0 ? createdMs(image) : 0;
      if (!before.every((t) => at < t) || !since.every((t) => at > t)) return false;
      return labels.every((label) => hasLabel(image.config.config?.Labels, label));
    },
  };
}

/** When the image says it was made, in milliseconds since 1970; 0 where it does not. */
function createdMs(image: StoredImage): number {
  const ms = Date.parse(image.config.created ?? "");
  return Number.isNaN(ms) ? 0 : ms;
}

function referenceMatcher(patterns: string[]): (name: string) => boolean {
  const globs = patterns.map(elementPattern);
  return (name) => {
    const ref = parseReference(name);
    return globs.some((glob) => glob.test(familiarString(ref)) || glob.test(familiarName(ref)));
  };
}

function readFlag(key: string, values: string[]): boolean | undefined {
  if (values.length === 0) return undefined;
  if (values.every((v) => TRUE.includes(v.toLowerCase()))) return true;
  if (values.every((v) => FALSE.includes(v.toLowerCase()))) return false;
  throw new BerthError("invalid-argument", `invalid filter '${key}=[${values.join(" ")}]'`);
}
