import { goQuote } from "../format/text.ts";
import { goText, Row } from "./values.ts";

const text = (value: unknown): string => goText(value, { top: true });

/** Go's fmt verbs that templates use, with flags, width and precision; what does not fit is shown in Go's way: `%!d(string=x)`. */
export function sprintf(format: unknown, ...args: unknown[]): string {
  let at = 0;
  const shown = String(format).replace(
    /%([-+ 0#]*)(\d+)?(?:\.(\d+))?(.|$)/gsu,
    (_all, flags: string, width, precision, verb: string) => {
      if (verb === "%") return "%";
      if (verb === "") return "%!(NOVERB)";
      if (at >= args.length) return `%!${verb}(MISSING)`;
      const value = verbText(args[at++], { verb, flags, precision: precision === undefined ? -1 : Number(precision) });
      const wide = Number(width ?? 0);
      if (flags.includes("-")) return value.padEnd(wide);
      return flags.includes("0") && /^[\dx.+-]/.test(value) ? zeros(value, wide) : value.padStart(wide);
    },
  );
  const extra = args.slice(at).map((arg) => `${goType(arg)}=${text(arg)}`);
  return extra.length === 0 ? shown : `${shown}%!(EXTRA ${extra.join(", ")})`;
}

function zeros(value: string, wide: number): string {
  const sign = /^[+-]/.exec(value)?.[0] ?? "";
  return sign + value.slice(sign.length).padStart(wide - sign.length, "0");
}

/** Go's name for the type of a value that came from JSON or stands in a template. */
export function goType(value: unknown): string {
  if (value === null || value === undefined) return "<nil>";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float64";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int64";
  if (typeof value === "string") return "string";
  return Array.isArray(value) ? "[]interface {}" : "map[string]interface {}";
}

interface Verb {
  verb: string;
  flags: string;
  precision: number;
}

const RADIX: Record<string, number> = { b: 2, o: 8, d: 10, x: 16, X: 16 };

function verbText(value: unknown, how: Verb): string {
  const { verb, flags, precision } = how;
  const cut = (s: string): string => (precision < 0 ? s : [...s].slice(0, precision).join(""));
  if (verb === "v") return flags.includes("#") && typeof value === "string" ? goQuote(value) : plainText(value);
  if (verb === "T") return goType(value);
  if (verb === "t" && typeof value === "boolean") return String(value);
  if (typeof value === "string") {
    if (verb === "s") return cut(value);
    if (verb === "q") return goQuote(cut(value));
    if (verb === "x" || verb === "X") return hex(Buffer.from(value).toString("hex"), verb);
  }
  if (typeof value === "number" || typeof value === "bigint") return numberText(value, how);
  if (typeof value === "object" && value !== null && verb === "s") return cut(text(value));
  return unfit(value, verb);
}

/** A pointer to a struct shows that it is one. */
function plainText(value: unknown): string {
  if (value === null) return "<nil>";
  return value instanceof Row && value.type.startsWith("*") && value.isStruct ? `&${text(value)}` : text(value);
}

const hex = (digits: string, verb: string): string => (verb === "X" ? digits.toUpperCase() : digits);

function unfit(value: unknown, verb: string): string {
  if (value === null || value === undefined) return `%!${verb}(<nil>)`;
  return `%!${verb}(${goType(value)}=${text(value)})`;
}

function numberText(value: number | bigint, { verb, flags, precision }: Verb): string {
  const signed = (s: string): string => (flags.includes("+") && value >= 0 ? `+${s}` : s);
  const radix = RADIX[verb];
  const whole = typeof value === "bigint" || Number.isInteger(value);
  if (radix !== undefined && whole) return signed(hex(value.toString(radix), verb));
  if (verb === "c" && whole) return String.fromCodePoint(Number(value));
  if (verb === "U" && whole) return `U+${Number(value).toString(16).toUpperCase().padStart(4, "0")}`;
  const places = precision < 0 ? 6 : precision;
  if (verb === "f" || verb === "F") return signed(Number(value).toFixed(places));
  if (verb === "e")
    return signed(
      Number(value)
        .toExponential(places)
        .replace(/e([+-])(\d)$/, "e$10$2"),
    );
  return verb === "g" && precision < 0 ? signed(String(value)) : unfit(value, verb);
}
