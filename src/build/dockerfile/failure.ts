import { BerthError } from "../../spec/errors.ts";

/** An `invalid-argument` error that names the line, in Docker's words. */
export function failAt(at: { file: string; line: number }, message: string, hint?: string): BerthError {
  return new BerthError(
    "invalid-argument",
    `dockerfile parse error on line ${at.line}: ${message}`,
    hint ? { hint } : {},
  );
}

/** The error of text that cannot be cut into instructions at all. */
export function failParse(message: string): BerthError {
  return new BerthError("invalid-argument", `failed to parse Dockerfile: ${message}`);
}

/** `did you mean X?` with the candidate nearest to `word`, or undefined where none is near (at most a third of its letters differ). */
export function didYouMean(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best && `did you mean ${best}?`;
}

/** Edits that turn one word into the other: insert, delete, replace, swap of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length] ?? 0;
}
