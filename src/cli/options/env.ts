import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { BerthError, errnoOf } from "../../spec/errors.ts";
import { goErrno } from "../../spec/go-errno.ts";

const invalid = (message: string): BerthError => new BerthError("invalid-argument", message);

/** The lines of a file of the user's. Throws as Docker words it: `open x: no such file or directory`. */
function readLines(path: string): string[] {
  const bytes = readBytes(path);
  if (isUtf8(bytes))
    return bytes
      .toString()
      .replace(/^\uFEFF/, "")
      .split(/\r?\n/);
  const lines = bytes.toString("latin1").split("\n");
  const bad = lines.findIndex((line) => !isUtf8(Buffer.from(line, "latin1")));
  const shown = [...Buffer.from(lines[bad] ?? "", "latin1")].join(" ");
  throw invalid(`invalid env file (${path}): invalid utf8 bytes at line ${bad + 1}: [${shown}]`);
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === "EISDIR") throw invalid(`invalid env file (${path}): read ${path}: is a directory`);
    throw invalid(`open ${path}: ${goErrno(error)}`);
  }
}

function fileEntries(path: string): string[] {
  const entries: string[] = [];
  for (const line of readLines(path)) {
    const text = line.trimStart();
    if (text === "" || text.startsWith("#")) continue;
    const name = nameOf(text);
    if (name === "") throw invalid(`invalid env file (${path}): no variable name on line '${text}'`);
    if (/\s/.test(name)) throw invalid(`invalid env file (${path}): variable '${name}' contains whitespaces`);
    entries.push(text);
  }
  return entries;
}

/**
 * `--env-file` and `-e` in Docker's order: files first. A name without `=` takes this shell's value. Where the shell has
 * none, a file's name is left out, and one of `-e` goes to the engine bare, which takes the image's variable away.
 */
export function environment(files: readonly string[], given: readonly string[], env: NodeJS.ProcessEnv): string[] {
  const fromFiles = files.flatMap(fileEntries).flatMap((entry) => withShellValue(entry, env, []));
  // Of a name that is given twice, the first one's place and the last one's value count.
  const direct = new Map<string, string[]>();
  for (const entry of given) {
    const name = nameOf(entry);
    if (name === "") {
      throw invalid(`invalid argument "${entry}" for "-e, --env" flag: invalid environment variable: ${entry}`);
    }
    direct.set(name, withShellValue(entry, env, [entry]));
  }
  return [...fromFiles, ...[...direct.values()].flat()];
}

function withShellValue(entry: string, env: NodeJS.ProcessEnv, otherwise: string[]): string[] {
  if (entry.includes("=")) return [entry];
  const value = env[entry];
  return value === undefined ? otherwise : [`${entry}=${value}`];
}

const nameOf = (entry: string): string => entry.split("=", 1)[0] ?? "";

/** `--label-file` and `--label`: `key=value`, or a key alone with an empty value; a file's key alone is left out. */
export function labels(files: readonly string[], given: readonly string[]): Record<string, string> {
  for (const text of given) {
    const name = nameOf(text);
    const bad = (why: string): BerthError =>
      invalid(`invalid argument ${JSON.stringify(text)} for "-l, --label" flag: ${why}`);
    if (name.trim() === "") throw bad(`invalid label '${text}': empty name`);
    if (/\s/.test(name.trim())) throw bad(`label '${name}' contains whitespaces`);
  }
  return pairs([...files.flatMap(fileEntries).filter((entry) => entry.includes("=")), ...given]);
}

/** `key=value` texts as a map; a key alone gets the empty string. The last one of a key counts. */
export function pairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf("=");
      return equals < 0 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}
