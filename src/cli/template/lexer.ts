import { BerthError } from "../../spec/errors.ts";

/** A token inside `{{ }}`. */
export interface Token {
  kind: "field" | "variable" | "word" | "string" | "number" | "char" | "punct";
  /** Field and variable names without their mark; strings decoded. */
  text: string;
  /** True where white space stands before it: `.A .B` are two operands, `.A.B` is one. */
  spaced: boolean;
  /** Where it begins and ends in the template, for messages. */
  at: number;
  end: number;
}

/** A template is text and actions, in turn. */
export type Piece = { text: string } | { tokens: Token[]; at: number };

/** What every syntax error is thrown as (Go's words: `template: :1: …`). */
export function syntaxError(why: string): BerthError {
  return new BerthError("invalid-argument", `template: :1: ${why}`);
}

/** Cuts a template into pieces: trim markers `{{- -}}` are applied, comments dropped. */
export function lex(source: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trimNext = false;
  while (at <= source.length) {
    const open = source.indexOf("{{", at);
    const raw = source.slice(at, open < 0 ? source.length : open);
    const trimsLeft = open >= 0 && /^-\s/.test(source.slice(open + 2, open + 4));
    let text = trimNext ? raw.trimStart() : raw;
    if (trimsLeft) text = text.trimEnd();
    if (text !== "") pieces.push({ text });
    if (open < 0) return pieces;
    const inside = open + (trimsLeft ? 3 : 2);
    const comment = source.startsWith("/*", trimsLeft ? inside + 1 : inside);
    const close = comment ? endOfComment(source, inside) : endOfAction(source, inside);
    trimNext = /\s-$/.test(source.slice(inside, close));
    const body = source.slice(inside, trimNext ? close - 1 : close);
    if (!comment) pieces.push({ tokens: tokens(body, inside), at: open });
    at = close + 2;
  }
  return pieces;
}

function endOfComment(source: string, from: number): number {
  const end = source.indexOf("*/", from) + 2;
  if (end < 2) throw syntaxError("unclosed comment");
  if (source.startsWith("}}", end)) return end;
  if (/^\s-\}\}/.test(source.slice(end, end + 4))) return end + 2;
  throw syntaxError("comment ends before closing delimiter");
}

const badCharacter = (c: string): BerthError => {
  const code = (c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return syntaxError(`bad character U+${code} '${c}'`);
};

function endOfAction(source: string, from: number): number {
  for (let at = from; at < source.length; at++) {
    const c = source[at];
    if (c === '"' || c === "`" || c === "'") {
      const end = endOfQuote(source, at);
      if (end < 0) throw syntaxError(UNTERMINATED[c] ?? "");
      at = end - 1;
    } else if (c === "}" && source[at + 1] === "}") return at;
    else if (c === "}" && /[\p{L}\p{N}_.]/u.test(source[at - 1] ?? "")) throw badCharacter(c);
  }
  throw syntaxError("unclosed action");
}

const UNTERMINATED: Record<string, string> = {
  "'": "unterminated character constant",
  '"': "unterminated quoted string",
  "`": "unterminated raw quoted string",
};

function endOfQuote(source: string, at: number): number {
  const quote = source[at];
  for (let i = at + 1; i < source.length; i++) {
    if (source[i] === "\\" && quote !== "`") i++;
    else if (source[i] === quote) return i + 1;
    else if (source[i] === "\n" && quote !== "`") return -1;
  }
  return -1;
}

const RULES: [Token["kind"], RegExp][] = [
  ["field", /\.([\p{L}_][\p{L}\p{N}_]*)/uy],
  ["variable", /\$([\p{L}\p{N}_]*)/uy],
  ["word", /([\p{L}_][\p{L}\p{N}_]*)/uy],
  ["number", /([+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+))/y],
  ["punct", /(:=|[|().,=])/y],
];

function tokens(body: string, offset: number): Token[] {
  const out: Token[] = [];
  let at = 0;
  let spaced = false;
  while (at < body.length) {
    const c = body[at] ?? "";
    if (/\s/.test(c)) {
      spaced = true;
      at++;
      continue;
    }
    const token = c === '"' || c === "`" || c === "'" ? quoted(body, at) : matched(body, at);
    out.push({ kind: token.kind, text: token.text, spaced, at: offset + at, end: offset + at + token.length });
    at += token.length;
    spaced = false;
  }
  return out;
}

function quoted(body: string, at: number): { kind: Token["kind"]; text: string; length: number } {
  const end = endOfQuote(body, at);
  const raw = body.slice(at + 1, end - 1);
  const quote = body[at];
  if (quote === "`") return { kind: "string", text: raw, length: end - at };
  const text = raw.replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)/gs, (_, code: string) =>
    decodeEscape(code, quote ?? ""),
  );
  if (quote === "'" && text === "") throw syntaxError("invalid syntax");
  if (quote === "'" && [...text].length > 1) throw syntaxError(`malformed character constant: '${raw}'`);
  if (quote === "'") return { kind: "char", text: String(text.codePointAt(0) ?? 0), length: end - at };
  return { kind: "string", text, length: end - at };
}

const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v", "\\": "\\" };

function decodeEscape(code: string, quote: string): string {
  if (/^[xuU]./.test(code)) return String.fromCodePoint(Number.parseInt(code.slice(1), 16));
  if (/^[0-7]{3}$/.test(code)) return String.fromCodePoint(Number.parseInt(code, 8));
  const text = code === quote ? code : ESCAPES[code];
  if (text === undefined) throw syntaxError("invalid syntax");
  return text;
}

/** A number of Go's as JavaScript reads it: without `_`, and octal where a zero leads. */
function decimal(text: string, next: string): string {
  if (/[\p{L}\p{N}_+-]/u.test(next)) throw syntaxError(`bad number syntax: ${JSON.stringify(text + next)}`);
  const [, sign = "", digits = ""] = /^([+-]?)(.*)$/.exec(text.replaceAll("_", "")) ?? [];
  const value = Number(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  return String(sign === "-" ? -value : value);
}

function matched(body: string, at: number): { kind: Token["kind"]; text: string; length: number } {
  for (const [kind, rule] of RULES) {
    rule.lastIndex = at;
    const match = rule.exec(body);
    if (!match) continue;
    const text = match[1] ?? "";
    const next = String.fromCodePoint(body.codePointAt(at + match[0].length) ?? 0x20);
    if (kind === "number") return { kind, text: decimal(text, next), length: match[0].length };
    if (kind !== "punct" && !/[\s.,|:()]/.test(next)) throw badCharacter(next);
    return { kind, text, length: match[0].length };
  }
  throw syntaxError(`unexpected ${JSON.stringify(body[at])} in command`);
}
