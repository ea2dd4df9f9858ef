/** A piece of a logical line: `text` is `line.slice(start, end)`. */
export interface Piece {
  text: string;
  start: number;
  end: number;
}

/** Splits at white space outside quotes and escapes; quotes and escapes stay in the words. */
export function splitWords(line: string, esc: string, start = 0): Piece[] {
  const pieces: Piece[] = [];
  let i = start;
  while (i < line.length) {
    while (i < line.length && isSpace(line[i])) i++;
    if (i >= line.length) break;
    const end = wordEnd(line, i, esc);
    pieces.push({ text: line.slice(i, end), start: i, end });
    i = end;
  }
  return pieces;
}

/** Splits at white space alone, whatever the quotes. */
export function splitSpaces(line: string, start = 0): Piece[] {
  return [...line.slice(start).matchAll(/\S+/g)].map((m) => {
    const from = start + (m.index ?? 0);
    return { text: m[0], start: from, end: from + m[0].length };
  });
}

/** True for the characters that part words. */
export function isSpace(c: string | undefined): boolean {
  return c !== undefined && /\s/.test(c);
}

/** The end of the word that starts at `i`: the next white space outside quotes. An open quote runs to the line's end. */
function wordEnd(line: string, i: number, esc: string): number {
  let quote = "";
  while (i < line.length) {
    const c = line[i] ?? "";
    if (quote) {
      if (c === esc && quote === '"') i++;
      else if (c === quote) quote = "";
    } else if (isSpace(c)) break;
    else if (c === esc) i++;
    else if (c === '"' || c === "'") quote = c;
    i++;
  }
  return Math.min(i, line.length);
}

/** A word without its quotes and escapes, nothing expanded. */
export function unquote(word: string, esc: string): string {
  let out = "";
  let quote = "";
  for (let i = 0; i < word.length; i++) {
    const c = word[i] ?? "";
    if (c === quote) quote = "";
    else if (!quote && (c === '"' || c === "'")) quote = c;
    else if (c === esc && quote !== "'" && i + 1 < word.length) out += word[++i];
    else out += c;
  }
  return out;
}

/** The strings of a JSON array, undefined where `text` is none, and "mixed" where something in it is no string. */
export function jsonStrings(text: string): string[] | "mixed" | undefined {
  if (!text.trimStart().startsWith("[")) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Not JSON: the instruction is in shell form.
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  const strings = parsed.filter((x): x is string => typeof x === "string");
  return strings.length === parsed.length ? strings : "mixed";
}
