import { BerthError } from "../../spec/errors.ts";
import { goText, isRecord, NilOf, Row, truth } from "./values.ts";

/** A template's function: takes evaluated arguments. */
export type TemplateFunction = (...args: unknown[]) => unknown;

const fail = (why: string): never => {
  throw new BerthError("invalid-argument", why);
};

/** ECMAScript 2025, "JSON.rawJSON": digits that a number would round. */
const rawJson = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);

const text = (value: unknown): string => goText(value, { top: true });

/** JSON as Go's encoder writes it; `escape` is what json.Marshal does to `<`, `>` and `&`. */
export function goJson(value: unknown, options: { escape?: boolean; indent?: number } = {}): string {
  const json = JSON.stringify(
    value ?? null,
    (_, v) => (typeof v === "bigint" ? rawJson(String(v)) : v),
    options.indent,
  );
  const safe = json.replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
  return options.escape ? safe.replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`) : safe;
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  return fail("incompatible types for comparison");
}

function equal(a: unknown, b: unknown): boolean {
  if (a === undefined || a === null || a instanceof NilOf) return b === undefined || b === null || b instanceof NilOf;
  if (typeof a !== typeof b) return fail("incompatible types for comparison");
  return a === b;
}

function index(value: unknown, ...keys: unknown[]): unknown {
  let at = value;
  for (const key of keys) {
    if (at instanceof Row) at = at.fields[String(key)];
    else if (Array.isArray(at) || typeof at === "string") {
      const n = Number(key);
      if (!Number.isInteger(n) || n < 0 || n >= at.length) fail(`index out of range: ${text(key)}`);
      at = typeof at === "string" ? at.charCodeAt(n) : at[n];
    } else if (isRecord(at) && !(at instanceof NilOf))
      at = Object.hasOwn(at, String(key)) ? at[String(key)] : zeroOf(at);
    else if (at instanceof NilOf && at.shape === "map") at = undefined;
    else fail("index of untyped nil");
  }
  return at;
}

/** What Go gives for a key that is not in a map: the zero value, which is only known where the map holds strings. */
function zeroOf(map: Record<string, unknown>): unknown {
  const values = Object.values(map);
  return values.length > 0 && values.every((v) => typeof v === "string") ? "" : undefined;
}

function length(value: unknown): number {
  if (value instanceof NilOf) return 0;
  if (Array.isArray(value)) return value.length;
  if (typeof value === "string") return Buffer.byteLength(value);
  return isRecord(value) ? Object.keys(value).length : fail("len of nil pointer");
}

function slice(value: unknown, from: unknown = 0, to?: unknown): unknown {
  if (!Array.isArray(value) && typeof value !== "string") return fail("can't slice item");
  const end = to === undefined ? value.length : Number(to);
  if (Number(from) > value.length || end > value.length || Number(from) > end) fail("index out of range");
  return value.slice(Number(from), end);
}

/** Go's fmt verbs that templates use: %s %v %d %q %x %t %f %% with flags, width and precision. */
export function sprintf(format: unknown, ...args: unknown[]): string {
  let at = 0;
  return String(format).replace(
    /%([-+ 0#]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])/g,
    (_all, flags: string, width, precision, verb: string) => {
      if (verb === "%") return "%";
      if (at >= args.length) return `%!${verb}(MISSING)`;
      const shown = verbText(verb, args[at++], precision === undefined ? undefined : Number(precision));
      const wide = Number(width ?? 0);
      if (flags.includes("-")) return shown.padEnd(wide);
      return flags.includes("0") ? shown.padStart(wide, "0") : shown.padStart(wide);
    },
  );
}

function verbText(verb: string, value: unknown, precision: number | undefined): string {
  switch (verb) {
    case "q":
      return JSON.stringify(text(value));
    case "x":
      return typeof value === "number" ? value.toString(16) : Buffer.from(text(value)).toString("hex");
    case "f":
      return Number(value).toFixed(precision ?? 6);
    case "d":
      return typeof value === "number" ? String(value) : `%!d(string=${text(value)})`;
    default:
      return precision === undefined ? text(value) : text(value).slice(0, precision);
  }
}

function print(...args: unknown[]): string {
  return args
    .map((arg, i) =>
      i > 0 && typeof arg !== "string" && typeof args[i - 1] !== "string" ? ` ${text(arg)}` : text(arg),
    )
    .join("");
}

const HTML: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;" };
const JS: Record<string, string> = { "\\": "\\\\", "'": "\\'", '"': '\\"' };

/** Go's built-in functions and the ones Docker adds (`json`, `join`, `split`, `title`, `lower`, `upper`, `pad`, `truncate`). `and` and `or` stop early in the executor. */
export const FUNCTIONS: Record<string, TemplateFunction> = {
  and: (...args) => args.find((a) => !truth(a)) ?? args.at(-1),
  or: (...args) => args.find((a) => truth(a)) ?? args.at(-1),
  not: (value) => !truth(value),
  eq: (a, ...others) => others.some((b) => equal(a, b)),
  ne: (a, b) => !equal(a, b),
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  index,
  len: length,
  slice,
  print,
  println: (...args) => `${args.map(text).join(" ")}\n`,
  printf: sprintf,
  html: (...args) => print(...args).replace(/[&<>"']/g, (c) => HTML[c] ?? c),
  urlquery: (...args) => encodeURIComponent(print(...args)).replaceAll("%20", "+"),
  js: (...args) =>
    print(...args).replace(/[\\'"<>&=\n\r\t]/g, (c) => JS[c] ?? `\\u00${c.charCodeAt(0).toString(16).toUpperCase()}`),
  json: (value) => goJson(value, { escape: value instanceof Row }),
  join: (list, separator) => (Array.isArray(list) ? list : []).map(text).join(text(separator)),
  split: (value, separator) => text(value).split(text(separator)),
  title: (value) =>
    text(value).replace(/(^|[^\p{L}\p{N}_'])(\p{L})/gu, (_, before: string, c: string) => before + c.toUpperCase()),
  lower: (value) => text(value).toLowerCase(),
  upper: (value) => text(value).toUpperCase(),
  pad: (value, before, after) =>
    text(value) === "" ? "" : " ".repeat(Number(before)) + text(value) + " ".repeat(Number(after)),
  truncate: (value, size) => [...text(value)].slice(0, Number(size)).join(""),
};

/** For the header line of `table` templates: the functions that would change a value keep a column's title whole. */
export const HEADER_FUNCTIONS: Record<string, TemplateFunction> = {
  ...FUNCTIONS,
  json: (value) => value,
  join: (value) => value,
  split: (value) => value,
  lower: (value) => value,
  title: (value) => value,
  truncate: (value) => value,
  upper: (value) => value,
};
