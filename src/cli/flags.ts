import { BerthError } from "../spec/errors.ts";
import { csvFields } from "./csv.ts";
import { parseDuration, parseSize } from "./format/units.ts";

/** What a flag's text is turned into: `list` collects every use, `bytes` is a size as `512m`, `swap` one that may be -1, `duration` nanoseconds. */
export type FlagKind = "bool" | "string" | "int" | "uint16" | "list" | "bytes" | "swap" | "duration" | "cpus";

/** One flag. `type` is the word in the help; `fallback` the value without the flag; a hidden one is taken but not listed. */
export interface FlagSpec {
  kind: FlagKind;
  short?: string;
  help: string;
  type?: string;
  fallback?: boolean | number | string;
  hidden?: boolean;
  /** The minor number of the first version 1.x of the Engine API that has it. */
  since?: number;
  /** What to use instead; said whenever the flag is given. Such a flag is hidden. */
  deprecated?: string;
}

/** A command's flags by long name. */
export type FlagTable = Record<string, FlagSpec>;

type ValueOf<S extends FlagSpec> = S["kind"] extends "bool"
  ? boolean
  : S["kind"] extends "list"
    ? string[]
    : S["kind"] extends "string"
      ? string
      : number;

/** The parsed flags; ones that were not given hold their fallback, or false, 0, "" and []. */
export type FlagValues<T extends FlagTable> = { [K in keyof T]: ValueOf<T[K]> };

/** A parsed command line. `given` names the flags that were there, whatever their value. */
export interface ParsedLine<T extends FlagTable> {
  flags: FlagValues<T>;
  given: ReadonlySet<string>;
  args: string[];
  /** `--help`, or `-h` where no flag has that letter; false without. */
  help: "long" | "short" | false;
}

type Value = boolean | number | string | string[];

const ZERO: Record<FlagKind, Value> = {
  bool: false,
  string: "",
  int: 0,
  uint16: 0,
  list: [],
  bytes: 0,
  swap: 0,
  duration: 0,
  cpus: 0,
};

/**
 * Parses as Docker's CLI does (Go's pflag): `--name value`, `--name=value`, `-p80:80`, `-p=80:80`, `-it`, `--rm=false`,
 * `--` ends the flags. With `interspersed` false the first argument ends them, so that the rest belongs to the container's
 * command. Throws `invalid-argument` in pflag's own words.
 */
export function parseFlags<T extends FlagTable>(
  table: T,
  argv: readonly string[],
  options: { interspersed: boolean },
): ParsedLine<T> {
  const values: Record<string, Value> = {};
  for (const [name, spec] of Object.entries(table)) values[name] = spec.fallback ?? ZERO[spec.kind];
  const line = {
    values,
    given: new Set<string>(),
    args: [] as string[],
    help: false as ParsedLine<T>["help"],
    table,
    rest: [...argv],
  };
  for (let arg = line.rest.shift(); arg !== undefined; arg = line.rest.shift()) {
    if (arg === "--") {
      line.args.push(...line.rest);
      break;
    }
    if (arg.startsWith("--")) takeLong(line, arg.slice(2));
    else if (arg.startsWith("-") && arg !== "-") takeShort(line, arg.slice(1));
    else {
      line.args.push(arg);
      if (!options.interspersed) {
        line.args.push(...line.rest);
        break;
      }
    }
  }
  return { flags: line.values as FlagValues<T>, given: line.given, args: line.args, help: line.help };
}

interface Line {
  values: Record<string, Value>;
  given: Set<string>;
  help: "long" | "short" | false;
  table: FlagTable;
  rest: string[];
}

const usage = (message: string): BerthError => new BerthError("invalid-argument", message);

function takeLong(line: Line, text: string): void {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  const spec = Object.hasOwn(line.table, name) ? line.table[name] : undefined;
  if (name === "" || name.startsWith("-")) throw usage(`bad flag syntax: --${text}`);
  if (!spec) {
    if (name !== "help") throw usage(`unknown flag: --${name}`);
    line.help = equals < 0 || switchedOn(name, text.slice(equals + 1)) ? "long" : false;
    return;
  }
  if (equals >= 0) set(line, name, text.slice(equals + 1));
  else if (spec.kind === "bool") set(line, name, "true");
  else set(line, name, next(line, `--${name}`));
}

/** `--help=VALUE`, a switch like any other. */
function switchedOn(name: string, text: string): boolean {
  if (TRUE.has(text) || FALSE.has(text)) return TRUE.has(text);
  const why = `strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`;
  throw usage(badValue(name, { kind: "bool", help: "" }, { text, why }));
}

function takeShort(line: Line, text: string): void {
  for (const [at, letter] of [...text].entries()) {
    const found = Object.entries(line.table).find(([, spec]) => spec.short === letter);
    if (!found) {
      if (letter !== "h") throw usage(`unknown shorthand flag: '${letter}' in -${text.slice(at)}`);
      line.help = "short";
      continue;
    }
    const [name, spec] = found;
    const tail = text.slice(at + 1);
    const attached = tail.startsWith("=") && tail.length > 1 ? tail.slice(1) : tail;
    if (spec.kind === "bool" && attached === tail) {
      set(line, name, "true");
      continue;
    }
    set(line, name, tail === "" ? next(line, `'${letter}' in -${text.slice(at)}`) : attached);
    return;
  }
}

function next(line: Line, shown: string): string {
  const value = line.rest.shift();
  if (value === undefined) throw usage(`flag needs an argument: ${shown}`);
  return value;
}

function set(line: Line, name: string, text: string): void {
  const spec = line.table[name];
  if (!spec) return;
  line.given.add(name);
  if (spec.kind === "list") {
    if (spec.type === "filter" && text !== "" && !text.includes("=")) {
      throw usage(badValue(name, spec, { text, why: "bad format of filter (expected name=value)" }));
    }
    const old = line.values[name];
    line.values[name] = [...(Array.isArray(old) ? old : []), ...elements(name, spec, text)];
    return;
  }
  try {
    line.values[name] = parseValue(spec.kind, text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usage(badValue(name, spec, { text, why }));
  }
}

/** What one value adds to a list: pflag's stringSlice has a line of CSV, and nothing where it is empty. */
function elements(name: string, spec: FlagSpec, text: string): string[] {
  if (spec.type !== "strings") return [text];
  return text === "" ? [] : csvFields(text, (why) => usage(badValue(name, spec, { text, why })));
}

function badValue(name: string, spec: FlagSpec, bad: { text: string; why: string }): string {
  const shown = spec.short ? `-${spec.short}, --${name}` : `--${name}`;
  return `invalid argument ${JSON.stringify(bad.text)} for "${shown}" flag: ${bad.why}`;
}

const TRUE = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE = new Set(["0", "f", "F", "false", "FALSE", "False"]);
const UINT16_MAX = 65535;
const NANO = 1_000_000_000n;
const MAX_EXPONENT = 100;

function parseValue(kind: Exclude<FlagKind, "list">, text: string): Value {
  switch (kind) {
    case "bool":
      if (TRUE.has(text)) return true;
      if (FALSE.has(text)) return false;
      throw usage(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
    case "int":
      return parseInteger(text, { name: "ParseInt", max: Number.MAX_SAFE_INTEGER });
    case "uint16":
      return parseInteger(text, { name: "ParseUint", max: UINT16_MAX });
    case "bytes":
      return parseSize(text);
    case "swap":
      return text === "-1" ? -1 : parseSize(text);
    case "duration":
      return parseDuration(text);
    case "cpus":
      return nanoCpus(text);
    default:
      return text;
  }
}

/** CPUs as billionths: `1.5`, `1e-3` and fractions, `1/3` being too precise (Go's big.Rat). */
function nanoCpus(text: string): number {
  const bad = (): BerthError => usage(`failed to parse ${text} as a rational number`);
  const [, sign, whole = "", fraction = "", exponent = "0", divisor = "1"] =
    /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?(?:\/(\d+))?$/.exec(text) ?? [];
  if (whole + fraction === "" || BigInt(divisor) === 0n || Math.abs(Number(exponent)) > MAX_EXPONENT) throw bad();
  if (divisor !== "1" && /[.eE]/.test(text)) throw bad();
  const shift = Number(exponent) - fraction.length;
  const above = BigInt(whole + fraction) * NANO * 10n ** BigInt(Math.max(shift, 0));
  const below = BigInt(divisor) * 10n ** BigInt(Math.max(-shift, 0));
  if (above % below !== 0n) throw usage("value is too precise");
  return Number(above / below) * (sign === "-" ? -1 : 1);
}

function parseInteger(text: string, rule: { name: "ParseInt" | "ParseUint"; max: number }): number {
  const pattern = rule.name === "ParseInt" ? /^[+-]?(\d+|0x[0-9a-fA-F]+)$/ : /^(\d+|0x[0-9a-fA-F]+)$/;
  if (!pattern.test(text)) throw usage(`strconv.${rule.name}: parsing ${JSON.stringify(text)}: invalid syntax`);
  const value = Number(text);
  if (Math.abs(value) > rule.max)
    throw usage(`strconv.${rule.name}: parsing ${JSON.stringify(text)}: value out of range`);
  return value;
}
