import { BerthError, messageOf } from "../spec/errors.ts";
import { parseSize } from "../spec/size.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const RULE = "[a-zA-Z0-9][a-zA-Z0-9_.-]";
const MAX_NAME = 255;

/** Throws `invalid-argument` in Docker's words for a name that a local volume cannot have. */
export function checkVolumeName(name: string): void {
  const bad = (why: string): BerthError =>
    new BerthError("invalid-argument", `create ${name.slice(0, MAX_NAME)}: ${why}`);
  if (name.length === 1) throw bad("volume name is too short, names should be at least two alphanumeric characters");
  if (!NAME.test(name)) {
    throw bad(
      `"${name.slice(0, MAX_NAME)}" includes invalid characters for a local volume name, only "${RULE}" are allowed. ` +
        "If you intended to pass a host directory, use absolute path",
    );
  }
  if (name.length > MAX_NAME) throw bad(`the name is longer than ${MAX_NAME} characters`);
}

const OPTIONS = ["type", "o", "device", "size"];
/** What an option needs beside it. */
const REQUIRED: Record<string, string[]> = { device: ["type"], type: ["device"], o: ["device", "type"] };

/** Throws `invalid-argument` in Docker's words for options of the local driver that it does not know, or that lack others. */
export function checkOptions(name: string, options: Record<string, string>): void {
  const bad = (why: string): BerthError => new BerthError("invalid-argument", `create ${name}: ${why}`);
  const keys = Object.keys(options);
  const strange = keys.find((key) => !OPTIONS.includes(key));
  if (strange !== undefined) throw bad(`invalid option: "${strange}"`);
  const missing = keys.flatMap((key) => REQUIRED[key] ?? []).find((key) => !keys.includes(key));
  if (missing !== undefined) throw bad(`missing required option: "${missing}"`);
  if (options["size"] !== undefined) sizeOf(name, options["size"]);
}

/** Bytes of the option `size`. Throws `invalid-argument` in Docker's words. */
export function sizeOf(name: string, text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    throw new BerthError("invalid-argument", `create ${name}: ${messageOf(error)}`);
  }
}
