import { parseExactInstant, parseInstant } from "../spec/instant.ts";
import type { Filters } from "./backend.ts";
import { invalid } from "./errors.ts";

const FALSE = new Set(["", "0", "no", "false", "none"]);

/** A boolean parameter: absent is `fallback`; "", "0", "no", "false" and "none" are false, all else is true, as Docker reads it. */
export function bool(query: URLSearchParams, name: string, fallback = false): boolean {
  const value = query.get(name);
  return value === null ? fallback : !FALSE.has(value.trim().toLowerCase());
}

/** A whole number, or undefined where the parameter is absent or empty. */
export function integer(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null || value === "") return undefined;
  if (!/^[+-]?\d{1,15}$/.test(value)) throw invalid(`invalid value "${value}" for ${name}: not a whole number`);
  return Number(value);
}

/** A text parameter; empty counts as absent. */
export function text(query: URLSearchParams, name: string): string | undefined {
  return query.get(name) || undefined;
}

/** An object whose undefined members are gone: for options with optional fields. */
export function defined<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}

/** The `filters` parameter, in both of its forms: `{"a":["b"]}` and, older, `{"a":{"b":true}}`. */
export function filters(query: URLSearchParams): Filters {
  const value = query.get("filters");
  if (!value) return {};
  const parsed = parse(value, "filters");
  const entries = Object.entries(parsed).map(([key, v]): [string, string[]] => {
    if (Array.isArray(v) && v.every((x) => typeof x === "string")) return [key, v];
    if (isRecord(v)) return [key, Object.keys(v).filter((k) => v[k] === true)];
    throw invalid(`invalid filter: "${key}" must be a list of strings`);
  });
  return Object.fromEntries(entries);
}

/** A parameter with a JSON object of strings; `nullable` keeps nulls (build arguments taken from the environment). */
export function stringMap(query: URLSearchParams, name: string): Record<string, string | null> {
  const value = query.get(name);
  if (!value) return {};
  const parsed = parse(value, name);
  for (const [key, v] of Object.entries(parsed)) {
    if (v !== null && typeof v !== "string") throw invalid(`invalid ${name}: "${key}" must be a string`);
  }
  return parsed as Record<string, string | null>;
}

/** A moment in milliseconds since 1970, in the forms that `parseInstant` takes. Absent and empty are undefined, and "0" unless `zeroCounts`. */
export function moment(
  query: URLSearchParams,
  name: string,
  options: { zeroCounts?: boolean } = {},
): number | undefined {
  const value = query.get(name);
  if (!value || (value === "0" && !options.zeroCounts)) return undefined;
  const at = parseInstant(value);
  if (at !== undefined) return at;
  throw invalid(`invalid value "${value}" for ${name}: give unix seconds, a time as 2006-01-02T15:04:05Z or 10m`);
}

/** As `moment`, to the nanosecond and in RFC 3339, for what is compared with times of that form; its error is Docker's. */
export function exactMoment(query: URLSearchParams, name: string): string | undefined {
  const value = query.get(name);
  if (!value || value === "0") return undefined;
  const at = parseExactInstant(value);
  if (at !== undefined) return at;
  throw invalid(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
}

function parse(value: string, name: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    // The parser's own words name a position in text that the caller never saw.
    throw invalid(name === "filters" ? "invalid filter" : `invalid ${name}: not JSON`);
  }
  if (!isRecord(parsed)) throw invalid(`invalid ${name === "filters" ? "filter" : name}: not a JSON object`);
  return parsed;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The container or exec instance that the path names. */
export function idOf({ params }: { params: Record<string, string> }): string {
  const id = params["id"];
  if (!id) throw invalid("the path names no container");
  return id;
}
