import { BerthError } from "../../spec/errors.ts";
import { parseSize } from "../../spec/size.ts";
import { checkTag } from "./tag.ts";
import type { LogConfig } from "./types.ts";

const TRUE = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE = new Set(["0", "f", "F", "FALSE", "false", "False"]);
/** The options of attributes, which all drivers but `local` have. */
export const ATTRIBUTE_OPTIONS = ["env", "env-regex", "labels", "labels-regex", "tag"] as const;
const MODE_OPTIONS = ["mode", "max-buffer-size"];
const CACHE_OPTIONS = ["cache-disabled", "cache-max-size", "cache-max-file", "cache-compress"];

/** `invalid-argument` with this message. */
export function wrong(message: string): BerthError {
  return new BerthError("invalid-argument", message);
}

/** A switch as Go reads it (strconv.ParseBool); `fallback` where it is not given. Throws `invalid-argument` in Go's words. */
export function booleanOption(text: string | undefined, fallback: boolean): boolean {
  if (text === undefined) return fallback;
  if (TRUE.has(text) || FALSE.has(text)) return TRUE.has(text);
  throw wrong(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** Refuses options that are not in `known`, nor among those that every driver takes. */
export function checkKnown(
  { type, options }: LogConfig,
  known: readonly string[],
  words = (name: string) => `unknown log opt '${name}' for ${type} log driver`,
): void {
  const all = new Set([...known, ...MODE_OPTIONS, ...CACHE_OPTIONS]);
  const strange = Object.keys(options).find((name) => !all.has(name));
  if (strange !== undefined) throw wrong(words(strange));
}

/**
 * What holds for every driver. `mode` changes nothing here: the output always goes to files first, so that a slow or dead log server never stops the
 * container.
 */
export function checkCommon({ options }: LogConfig): void {
  const { mode = "", "max-buffer-size": buffer } = options;
  if (!["", "blocking", "non-blocking"].includes(mode)) throw wrong(`logger: logging mode not supported: ${mode}`);
  if (buffer !== undefined) {
    if (mode !== "non-blocking")
      throw wrong("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    prefixed("error parsing option max-buffer-size", () => size(buffer));
  }
  const cache = options["cache-disabled"];
  if (cache !== undefined && !TRUE.has(cache) && !FALSE.has(cache))
    throw wrong(`invalid value for option cache-disabled: ${cache}`);
  for (const name of ["labels-regex", "env-regex"]) checkPattern(options[name]);
  checkTag(options["tag"] ?? "");
}

/** The options of json-file. `max-size=-1` stands for no bound. */
export function checkJsonFile(config: LogConfig): void {
  checkKnown(config, ["max-file", "max-size", "compress", ...ATTRIBUTE_OPTIONS]);
  const { "max-size": bytes, "max-file": files, compress } = config.options;
  if (bytes !== undefined && parseSize(bytes) === 0) throw wrong("max-size must be a positive number");
  const count = files === undefined ? undefined : integerOption(files);
  if (count !== undefined && count < 1) throw wrong("max-file cannot be less than 1");
  if (booleanOption(compress, false) && count === 1)
    throw wrong("compress cannot be true when max-file is less than 2 or max-size is not set");
}

/** The options of local. */
export function checkLocal(config: LogConfig): void {
  checkKnown(config, ["max-file", "max-size", "compress"], (name) => `unknown log opt '${name}' for log driver local`);
  const { "max-size": bytes, "max-file": files, compress } = config.options;
  if (bytes !== undefined) prefixed(`invalid value for max-size: ${bytes}`, () => size(bytes));
  const count =
    files === undefined ? undefined : prefixed(`invalid value for max-file: ${files}`, () => integerOption(files));
  const isPacked = prefixed("error reading compress log option", () => booleanOption(compress, true));
  if (count !== undefined && count < 2 && isPacked)
    throw wrong("compression cannot be enabled when max file count is 1");
  if (count !== undefined && count < 1) throw wrong("max-file cannot be less than 1");
}

/** The options of the files that a driver which sends the log away keeps. */
export function checkCache({ options }: LogConfig): void {
  const { "cache-max-size": bytes, "cache-max-file": files, "cache-compress": compress } = options;
  if (bytes !== undefined) prefixed(`invalid value for cache-max-size: ${bytes}`, () => size(bytes));
  if (files !== undefined) prefixed(`invalid value for cache-max-file: ${files}`, () => integerOption(files));
  prefixed("error reading cache-compress log option", () => booleanOption(compress, true));
}

/** A whole number as Go reads it (strconv.Atoi). */
export function integerOption(text: string): number {
  if (/^[+-]?\d{1,15}$/.test(text)) return Number(text);
  throw wrong(`strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** Does what may throw; its message then follows on `prefix`. */
export function prefixed<T>(prefix: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw error instanceof BerthError ? wrong(`${prefix}: ${error.message}`) : error;
  }
}

function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes < 0) throw wrong(`invalid size: '${text}'`);
  return bytes;
}

function checkPattern(pattern: string | undefined): void {
  try {
    new RegExp(pattern ?? "");
  } catch (error) {
    const isOpen = /\[[^\]]*$/.exec(pattern ?? "")?.[0];
    throw wrong(`error parsing regexp: ${isOpen ? `missing closing ]: \`${isOpen}\`` : String(error)}`);
  }
}
