import { readFileSync } from "node:fs";
import { BerthError, errnoOf } from "../../spec/errors.ts";

const invalid = (message: string): BerthError => new BerthError("invalid-argument", message);

/** The lines of a file of the user's. Throws as Docker words it: `open x: no such file or directory`. */
function readLines(path: string): string[] {
  try {
    return readFileSync(path, "utf8")
      .replace(/^\uFEFF/, "")
      .split(/\r?\n/);
  } catch (error) {
    const why = errnoOf(error) === "ENOENT" ? "no such file or directory" : (errnoOf(error) ?? "cannot be read");
    throw invalid(`open ${path}: ${why}`);
  }
}

function fileEntries(path: string): string[] {
  const entries: string[] = [];
  for (const line of readLines(path)) {
    const text = line.trimStart();
    if (text === "" || text.startsWith("#")) continue;
    const name = text.split("=", 1)[0] ?? "";
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
  const direct = given.flatMap((entry) => {
    if (entry.split("=", 1)[0] === "") {
      throw invalid(`invalid argument "${entry}" for "-e, --env" flag: invalid environment variable: ${entry}`);
    }
    return withShellValue(entry, env, [entry]);
  });
  return [...fromFiles, ...direct];
}

function withShellValue(entry: string, env: NodeJS.ProcessEnv, otherwise: string[]): string[] {
  if (entry.includes("=")) return [entry];
  const value = env[entry];
  return value === undefined ? otherwise : [`${entry}=${value}`];
}

/** `--label-file` and `--label`: `key=value`, or a key alone with an empty value. */
export function labels(files: readonly string[], given: readonly string[]): Record<string, string> {
  return pairs([...files.flatMap(fileEntries), ...given]);
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
