import type { Filters } from "../image/types.ts";
import { BerthError } from "../spec/errors.ts";
import { hasLabel } from "../spec/labels.ts";

/** What filters look at. */
export interface Filterable {
  name: string;
  labels: Record<string, string>;
  /** Default: ours. */
  driver?: string;
  /** Some container has it. */
  used: boolean;
}

const KNOWN = ["dangling", "name", "driver", "label", "label!"];
const TRUE = ["1", "true"];
const FALSE = ["0", "false"];

/**
 * Docker's filters of `volume ls` as one test. `name` (a part of it) and `driver`: any value may fit; `label` (`key` or
 * `key=value`): all have to. Throws `invalid-argument` for an unknown filter or value.
 */
export function volumeFilter(filters: Filters): (volume: Filterable) => boolean {
  for (const key of Object.keys(filters)) {
    if (!KNOWN.includes(key)) throw new BerthError("invalid-argument", `invalid filter '${key}'`);
  }
  const dangling = (filters["dangling"] ?? []).map(danglingOf);
  return (volume) =>
    (dangling.length === 0 || dangling.includes(!volume.used)) &&
    anyOf(filters["name"], nameTest(volume.name)) &&
    anyOf(filters["driver"], (driver) => driver === (volume.driver ?? "local")) &&
    (filters["label"] ?? []).every((label) => hasLabel(volume.labels, label)) &&
    !(filters["label!"] ?? []).some((label) => hasLabel(volume.labels, label));
}

/** A part of the name, or a regular expression that it fits. */
function nameTest(name: string): (part: string) => boolean {
  return (part) => name.includes(part) || fitsPattern(name, part);
}

function fitsPattern(name: string, pattern: string): boolean {
  try {
    return new RegExp(pattern).test(name);
  } catch {
    return false; // No expression: the plain part counts alone.
  }
}

function danglingOf(value: string): boolean {
  const text = value.toLowerCase();
  if (TRUE.includes(text)) return true;
  if (FALSE.includes(text)) return false;
  throw new BerthError("invalid-argument", `invalid filter 'dangling=[${value}]'`);
}

function anyOf(values: string[] | undefined, fits: (value: string) => boolean): boolean {
  return values === undefined || values.length === 0 || values.some(fits);
}
