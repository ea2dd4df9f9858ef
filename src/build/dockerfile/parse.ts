import { didYouMean, failAt } from "./failure.ts";
import { readFlags } from "./flags.ts";
import { type Cursor, READERS } from "./instructions.ts";
import { type LogicalLine, readLines } from "./lines.ts";
import type { Dockerfile, Instruction, Keyword } from "./syntax.ts";

/** The largest Dockerfile that is read, in characters. */
export const MAX_DOCKERFILE = 4 * 1024 * 1024;

/**
 * Dockerfile text → frozen syntax tree. Nothing is expanded and no order between instructions is checked. `file` is the name in errors, which
 * are `invalid-argument` and name the line. Source: Dockerfile reference; words as Docker's.
 */
export function parseDockerfile(source: string, file = "Dockerfile"): Dockerfile {
  if (source.length > MAX_DOCKERFILE) throw failAt({ file, line: 1 }, `larger than ${MAX_DOCKERFILE} characters`);
  const { directives, escape: esc, lines } = readLines(source, file);
  const instructions = lines.map((line) => parseLine(line, file, esc));
  return deepFreeze({ file, escape: esc, directives, instructions });
}

/** One instruction without a file around it: a trigger of a base image, a change of `commit`. */
export function parseInstruction(source: string, file: string): Instruction {
  const [instruction, extra] = parseDockerfile(source, file).instructions;
  if (!instruction || extra) throw failAt({ file, line: 1 }, `want one instruction: "${source.slice(0, 100)}"`);
  return instruction;
}

function parseLine(line: LogicalLine, file: string, esc: string): Instruction {
  const first = /^\S+/.exec(line.text)?.[0] ?? "";
  const keyword = first.toUpperCase();
  const at = { file, line: line.span(0, 1).line };
  if (!isKeyword(keyword)) {
    throw failAt(at, `unknown instruction: ${first}`, didYouMean(keyword, Object.keys(READERS)));
  }
  const { flags, rest } = readFlags(line, { keyword, start: first.length, escape: esc, at });
  const cursor: Cursor = { line, start: rest, escape: esc, at, keyword, flags, parse: (l) => parseLine(l, file, esc) };
  const base = { text: line.text, span: line.span(0, line.text.length), flags, heredocs: line.heredocs };
  return READERS[keyword](cursor, base);
}

function isKeyword(word: string): word is Keyword {
  return Object.hasOwn(READERS, word);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
