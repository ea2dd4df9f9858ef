import { BerthError } from "../spec/errors.ts";

/**
 * Go's path.Match, which Docker's `reference` filter uses: `*` and `?` stop at a slash, `[a-z]` and `[^a]` are sets, a backslash takes the
 * next character as it is. The whole text has to match. Throws `invalid-argument` "syntax error in pattern".
 */
export function compileGlob(pattern: string): (text: string) => boolean {
  let source = "";
  for (let at = 0; at < pattern.length; ) {
    const { regex, next } = piece(pattern, at);
    source += regex;
    at = next;
  }
  const matcher = new RegExp(`^${source}$`, "su");
  return (text) => matcher.test(text);
}

function piece(pattern: string, at: number): { regex: string; next: number } {
  const c = pattern[at] ?? "";
  if (c === "*") return { regex: "[^/]*", next: at + 1 };
  if (c === "?") return { regex: "[^/]", next: at + 1 };
  if (c === "[") return set(pattern, at + 1);
  if (c !== "\\") return { regex: literal(c), next: at + 1 };
  if (at + 1 >= pattern.length) throw badPattern();
  return { regex: literal(pattern[at + 1] ?? ""), next: at + 2 };
}

/** A set's inside, from behind its bracket. */
function set(pattern: string, from: number): { regex: string; next: number } {
  const negated = pattern[from] === "^";
  let at = negated ? from + 1 : from;
  let ranges = "";
  while (pattern[at] !== "]" || ranges === "") {
    const low = member(pattern, at);
    at = low.next;
    let high = low;
    if (pattern[at] === "-") {
      high = member(pattern, at + 1);
      at = high.next;
    }
    if (high.char < low.char) throw badPattern();
    ranges += `${literal(low.char)}-${literal(high.char)}`;
  }
  return { regex: negated ? `[^${ranges}]` : `[${ranges}]`, next: at + 1 };
}

function member(pattern: string, at: number): { char: string; next: number } {
  const escaped = pattern[at] === "\\";
  const char = pattern[escaped ? at + 1 : at];
  if (char === undefined || (!escaped && (char === "-" || char === "]"))) throw badPattern();
  return { char, next: at + (escaped ? 2 : 1) };
}

function literal(char: string): string {
  return /[\^$\\.*+?()[\]{}|/-]/.test(char) ? `\\${char}` : char;
}

function badPattern(): BerthError {
  return new BerthError("invalid-argument", "syntax error in pattern");
}
