import { BerthError } from "../../spec/errors.ts";
import { goType, sprintf } from "./printf.ts";
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
  if (typeof a === typeof b) return fail("invalid type for comparison");
  return fail("incompatible types for comparison");
}

function equal(a: unknown, b: unknown): boolean {
  if (a === undefined || a === null || a instanceof NilOf) return b === undefined || b === null || b instanceof NilOf;
  if (typeof a === "object") return fail(`non-comparable type ${text(a)}: ${goType(a)}`);
  if (typeof a !== typeof b) return fail("incompatible types for comparison");
  return a === b;
}

function index(value: unknown, ...keys: unknown[]): unknown {
  let at = value;
  for (const key of keys) {
    if (at instanceof Row) at = at.fields[String(key)];
    else if (Array.isArray(at) || typeof at === "string") {
      if (typeof key !== "number") fail(`cannot index slice/array with type ${goType(key)}`);
      const n = Number(key);
      if (!Number.isInteger(n) || n < 0 || n >= at.length) fail(`index out of range: ${text(key)}`);
      at = typeof at === "string" ? at.charCodeAt(n) : at[n];
    } else if (isRecord(at) && !(at instanceof NilOf)) {
      if (typeof key !== "string") fail(`value has type ${goType(key)}; should be string`);
      at = Object.hasOwn(at, String(key)) ? at[String(key)] : zeroOf(at);
    } else if (at instanceof NilOf && at.shape === "map") at = undefined;
    else fail(at === undefined || at === null ? "index of untyped nil" : `can't index item of type ${goType(at)}`);
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
  if (value === undefined || value === null) return fail("len of nil pointer");
  if (value instanceof Row) return fail(`len of type ${value.type}`);
  return isRecord(value) ? Object.keys(value).length : fail(`len of type ${goType(value)}`);
}

function slice(value: unknown, from: unknown = 0, to?: unknown): unknown {
  if (!Array.isArray(value) && typeof value !== "string") return fail(`can't slice item of type ${goType(value)}`);
  const end = to === undefined ? value.length : Number(to);
  for (const at of [Number(from), end]) if (at < 0 || at > value.length) fail(`index out of range: ${at}`);
  if (Number(from) > end) fail(`invalid slice index: ${text(from)} > ${end}`);
  return value.slice(Number(from), end);
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
  eq: (a, ...others) =>
    others.length === 0 ? fail("missing argument for comparison") : others.some((b) => equal(a, b)),
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
    print(...args).replace(
      /[\\'"<>&=\n\r\t]/g,
      (c) => JS[c] ?? `\\u${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`,
    ),
  json: (value) => goJson(value, { escape: value instanceof Row && !value.isStruct }),
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

const AT_LEAST_ONE = new Set(["and", "or", "eq", "index", "slice", "printf"]);
const ANY = new Set(["print", "println", "html", "js", "urlquery"]);
const COUNTS: Record<string, number> = { ne: 2, lt: 2, le: 2, gt: 2, ge: 2, join: 2, split: 2, truncate: 2, pad: 3 };

/** Why a function cannot take this many arguments, in Go's words; undefined where it can. */
export function wrongCount(name: string, count: number): string | undefined {
  if (ANY.has(name)) return undefined;
  const want = AT_LEAST_ONE.has(name) ? "at least 1" : String(COUNTS[name] ?? 1);
  const fits = AT_LEAST_ONE.has(name) ? count >= 1 : count === Number(want);
  return fits ? undefined : `wrong number of args for ${name}: want ${want} got ${count}`;
}

/** Positions of arguments that have to be text. */
export const TEXT_ARGUMENTS: Record<string, readonly number[]> = {
  upper: [0],
  lower: [0],
  title: [0],
  split: [0, 1],
  join: [1],
  pad: [0],
  truncate: [0],
  printf: [0],
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
