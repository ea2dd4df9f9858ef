import { didYouMean, failAt } from "./failure.ts";
import type { LogicalLine } from "./lines.ts";
import type { Flag } from "./syntax.ts";
import { isSpace, splitWords, unquote } from "./words.ts";

/** Flags of each instruction; the value `bool` needs no value, `many` may come again. */
const FLAGS: Record<string, Record<string, "value" | "bool" | "many">> = {
  FROM: { platform: "value" },
  RUN: { mount: "many", network: "value", security: "value", device: "many" },
  COPY: { from: "value", chown: "value", chmod: "value", link: "bool", parents: "bool", exclude: "many" },
  ADD: {
    chown: "value",
    chmod: "value",
    link: "bool",
    checksum: "value",
    "keep-git-dir": "bool",
    unpack: "bool",
    exclude: "many",
  },
  HEALTHCHECK: {
    interval: "value",
    timeout: "value",
    "start-period": "value",
    "start-interval": "value",
    retries: "value",
  },
};

/** Reads the `--flags` after the keyword, up to the first other word or a lone `--`. `rest` is where the arguments begin. */
export function readFlags(
  line: LogicalLine,
  options: { keyword: string; start: number; escape: string; at: { file: string; line: number } },
): { flags: Flag[]; rest: number } {
  const known = FLAGS[options.keyword] ?? {};
  const flags: Flag[] = [];
  let rest = skipSpace(line.text, options.start);
  while (line.text.startsWith("--", rest)) {
    const [word] = splitWords(line.text, options.escape, rest);
    if (!word) break;
    rest = skipSpace(line.text, word.end);
    if (word.text === "--") break;
    const equals = word.text.indexOf("=");
    const name = word.text.slice(2, equals < 0 ? undefined : equals);
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (!kind) throw failAt(options.at, `unknown flag: --${name}`, didYouMean(name, Object.keys(known)));
    if (kind !== "many" && flags.some((f) => f.name === name)) {
      throw failAt(options.at, `duplicate flag specified: ${name}`);
    }
    if (equals < 0 && kind !== "bool") throw failAt(options.at, `missing a value on flag: ${name}`);
    const value = equals < 0 ? "true" : unquote(word.text.slice(equals + 1), options.escape);
    if (kind === "bool" && value !== "true" && value !== "false") {
      throw failAt(options.at, `expecting boolean value for flag ${name}, not: ${value}`);
    }
    flags.push({ name, value, span: line.span(word.start, word.end) });
  }
  return { flags, rest };
}

function skipSpace(text: string, from: number): number {
  let i = from;
  while (i < text.length && isSpace(text[i])) i++;
  return i;
}
