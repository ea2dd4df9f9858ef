import { parseDuration } from "./duration.ts";
import { BerthError } from "./errors.ts";

const MS_PER_SECOND = 1000;
const NANOS_PER_MS = 1e6;

/**
 * A point in time as Docker's API and filters take it, in milliseconds since 1970: Unix seconds with a fraction, an RFC 3339 date (time and
 * zone optional, UTC without one), or a Go duration that counts back from now. Undefined for anything else.
 */
export function parseInstant(text: string): number | undefined {
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text) * MS_PER_SECOND;
  const ago = parseDuration(text);
  if (typeof ago === "number") return Date.now() - ago / NANOS_PER_MS;
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  const [, date, time = "00:00", zone = "Z"] = match ?? [];
  const at = date === undefined ? Number.NaN : Date.parse(`${date}T${time}${zone}`);
  return Number.isNaN(at) ? undefined : at;
}

/** As `parseInstant`, for the filter `until`. Throws `invalid-argument` in Docker's words. */
export function parseUntil(text: string): number {
  const at = parseInstant(text);
  if (at === undefined)
    throw new BerthError("invalid-argument", `failed to parse value as time or duration: "${text}"`);
  return at;
}
