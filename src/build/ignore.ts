import { BerthError } from "../spec/errors.ts";
import { literal } from "./gomatch.ts";

/** What a .dockerignore leaves out. Paths are relative to the context, without a leading slash. */
export interface IgnoreRules {
  /** True where the last rule that meets the path or one of its parents leaves it out. */
  excludes(path: string): boolean;
  /** False where nothing below an excluded folder can come back in. */
  readonly hasExceptions: boolean;
}

interface Rule {
  pattern: RegExp;
  exception: boolean;
}

/** Parses a .dockerignore (Docker's build reference, ".dockerignore files"): comments, `!` exceptions, `*`, `?`, classes, `**`. */
export function parseIgnore(text: string): IgnoreRules {
  const rules = text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .filter((line) => !line.startsWith("#"))
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map(parseRule)
    .filter((rule) => rule !== undefined);
  return {
    hasExceptions: rules.some((r) => r.exception),
    excludes: (path) => {
      const parents = path.split("/").map((_, i, parts) => parts.slice(0, i + 1).join("/"));
      let excluded = false;
      for (const rule of rules) {
        if (rule.exception !== excluded) continue;
        if (parents.some((p) => rule.pattern.test(p))) excluded = !excluded;
      }
      return excluded;
    },
  };
}

function parseRule(line: string): Rule | undefined {
  const exception = line.startsWith("!");
  const text = exception ? line.slice(1).trim() : line;
  if (exception && text === "") throw new BerthError("invalid-argument", 'illegal exclusion pattern: "!"');
  const clean = cleanPattern(text);
  if (clean === "") return undefined;
  return { exception, pattern: new RegExp(`^${patternSource(clean)}$`, "s") };
}

/** Go's filepath.Clean, then without the leading slash; `.` becomes empty: it leaves nothing out, as in Docker. */
function cleanPattern(text: string): string {
  const out: string[] = [];
  for (const part of text.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && out.length > 0 && out.at(-1) !== "..") out.pop();
    else out.push(part);
  }
  return out.join("/");
}

function patternSource(pattern: string): string {
  let source = "";
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i] ?? "";
    if (c === "*" && pattern[i + 1] === "*") {
      i++;
      if (pattern[i + 1] === "/") i++;
      source += i + 1 >= pattern.length ? ".*" : "(?:.*/)?";
    } else if (c === "*") source += "[^/]*";
    else if (c === "?") source += "[^/]";
    else if (c === "[") {
      const end = pattern.indexOf("]", i + 2);
      if (end < 0) throw new BerthError("invalid-argument", `.dockerignore: syntax error in pattern: ${pattern}`);
      source += `[${pattern.slice(i + 1, end).replace(/[[\\]/g, "\\$&")}]`;
      i = end;
    } else if (c === "\\") source += literal(pattern[++i] ?? "\\");
    else source += literal(c);
  }
  return source;
}
