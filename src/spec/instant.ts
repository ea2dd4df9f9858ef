import { parseDuration } from "./duration.ts";
import { BerthError } from "./errors.ts";

const MS_PER_SECOND = 1000;
const NANOS_PER_MS = 1e6;
const MS_PER_YEAR_9999 = Date.UTC(9999, 11, 31, 23, 59, 59);

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

/**
 * As `parseInstant`, to the nanosecond: RFC 3339 in UTC with nine digits of a second, so that such texts compare as their times do. What is later than
 * the year 9999 is its last second.
 */
export function parseExactInstant(text: string): string | undefined {
  const [, seconds, fraction] = /^(-?\d+)(?:\.(\d{1,9})\d*)?$/.exec(text) ?? [];
  const at = seconds === undefined ? parseInstant(text) : Number(seconds) * MS_PER_SECOND;
  if (at === undefined) return undefined;
  const whole = new Date(Math.max(0, Math.min(at, MS_PER_YEAR_9999))).toISOString().replace("Z", "");
  const exact = seconds === undefined ? whole : `${whole.slice(0, -".000".length)}.${fraction ?? ""}`;
  // An RFC 3339 text keeps its own fraction, of which a Date has three digits.
  const own = seconds === undefined ? /\d:\d\d(\.\d{4,9})\d*(?:Z|[+-]\d\d:\d\d)?$/.exec(text)?.[1] : undefined;
  return `${(own ? exact.slice(0, -".000".length) + own : exact).padEnd(29, "0")}Z`;
}
