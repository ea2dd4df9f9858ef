import { BerthError } from "./errors.ts";

/** True where the pattern has something to expand. */
export function hasWildcard(pattern: string): boolean {
  return /[*?[\\]/.test(pattern);
}

/**
 * A pattern as a regular expression for the whole text, with the rules of Go's path.Match and filepath.Match: `*`, `?`, `[a-z]`, `[^a]`, `\c`; none
 * meets a slash. A malformed pattern throws `invalid-argument`.
 */
export function elementPattern(pattern: string): RegExp {
  let source = "";
  let at = 0;
  while (at < pattern.length) {
    const c = pattern[at] ?? "";
    if (c === "*") source += "[^/]*";
    else if (c === "?") source += "[^/]";
    else if (c === "\\") {
      if (++at >= pattern.length) throw badPattern(pattern);
      source += literal(pattern[at] ?? "");
    } else if (c === "[") {
      const found = classAt(pattern, at);
      source += found.source;
      at = found.end;
    } else source += literal(c);
    at++;
  }
  return new RegExp(`^${source}$`, "su");
}

/** `text` as it stands in a regular expression. */
export function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** The class that begins at `start`, as a regular expression, and the index of its `]`. Malformed ones throw `invalid-argument`. */
export function classAt(pattern: string, start: number): { source: string; end: number } {
  const end = classEnd(pattern, start);
  return { source: classSource(pattern.slice(start + 1, end), pattern), end };
}

/** The index of the `]` that ends the class at `start`. */
function classEnd(pattern: string, start: number): number {
  let at = start + 1;
  for (; at < pattern.length; at++) {
    if (pattern[at] === "]") return at;
    if (pattern[at] === "\\") at++;
  }
  throw badPattern(pattern);
}

function classSource(inner: string, pattern: string): string {
  const negated = inner.startsWith("^");
  const tokens = (negated ? inner.slice(1) : inner).match(/\\?[\s\S]/gu) ?? [];
  let out = "";
  for (let i = 0; i < tokens.length; i++) {
    const low = plain(tokens[i] ?? "", pattern);
    if (tokens[i + 1] === "-") {
      const high = plain(tokens[i + 2] ?? "", pattern);
      if (high < low) throw badPattern(pattern);
      out += `${inClass(low)}-${inClass(high)}`;
      i += 2;
    } else out += inClass(low);
  }
  if (out === "") throw badPattern(pattern);
  return negated ? `(?!/)[^${out}]` : `(?!/)[${out}]`;
}

function plain(token: string, pattern: string): string {
  if (token === "" || token === "-") throw badPattern(pattern);
  return token.length > 1 && token.startsWith("\\") ? token.slice(1) : token;
}

function inClass(c: string): string {
  return c.replace(/[\\\]^-]/g, "\\$&");
}

function badPattern(pattern: string): BerthError {
  return new BerthError("invalid-argument", `syntax error in pattern: ${pattern}`);
}
