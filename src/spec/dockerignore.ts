import { BerthError } from "./errors.ts";
import { classAt, elementPattern, literal } from "./gomatch.ts";

/** What a .dockerignore leaves out. Paths are relative to the context, without a leading slash. */
export interface IgnoreRules {
  /** True where the last rule that meets the path or one of its parents leaves it out. */
  excludes(path: string): boolean;
  /** False where nothing below an excluded folder can come back in. */
  readonly hasExceptions: boolean;
}

interface Rule {
  meets(path: string): boolean;
  exception: boolean;
}

/** Without a .dockerignore. */
export const NO_RULES: IgnoreRules = { excludes: () => false, hasExceptions: false };

/**
 * Parses a .dockerignore (Docker's build reference, ".dockerignore files"): comments, `!` exceptions, `*`, `?`, classes, `**`. The one matcher for
 * whoever packs a context and for the builder. A malformed pattern throws `invalid-argument`.
 */
export function parseIgnore(text: string): IgnoreRules {
  const rules = text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .filter((line) => !line.startsWith("#"))
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map(parseRule);
  return {
    hasExceptions: rules.some((r) => r.exception),
    excludes: (path) => {
      const names = path.split("/");
      const paths = names.map((_, i) => names.slice(0, i + 1).join("/"));
      let excluded = false;
      for (const rule of rules) {
        if (rule.exception === excluded && paths.some(rule.meets)) excluded = !excluded;
      }
      return excluded;
    },
  };
}

function parseRule(line: string): Rule {
  const exception = line.startsWith("!");
  const text = exception ? line.slice(1).trim() : line;
  if (exception && text === "") throw new BerthError("invalid-argument", 'illegal exclusion pattern: "!"');
  return { exception, meets: matcher(cleanPattern(text)) };
}

/** Go's filepath.Clean, then without the leading slash; `.` and `/` become empty, which meets nothing. */
function cleanPattern(text: string): string {
  const out: string[] = [];
  for (const part of text.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && out.length > 0 && out.at(-1) !== "..") out.pop();
    else out.push(part);
  }
  return out.join("/");
}

/** `**name` without further wildcards meets every path that ends so, in the middle of a name too: Docker has it that way. */
function matcher(pattern: string): (path: string) => boolean {
  const end = /^\*\*(?!\/)([^*?[\]\\]+)$/.exec(pattern)?.[1];
  if (end !== undefined) return (path) => path.endsWith(end);
  const expression = compile(pattern);
  return (path) => expression.test(path);
}

function compile(pattern: string): RegExp {
  try {
    // Element by element it has to be a pattern of Go's.
    for (const element of pattern.split("/")) elementPattern(element);
    return new RegExp(`^${patternSource(pattern)}$`, "su");
  } catch (cause) {
    throw new BerthError("invalid-argument", `.dockerignore: syntax error in pattern: ${pattern}`, { cause });
  }
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
      const found = classAt(pattern, i);
      source += found.source;
      i = found.end;
    } else if (c === "\\") source += literal(pattern[++i] ?? "");
    else source += literal(c);
  }
  return source;
}
