import { getSystemErrorMap } from "node:util";
import { errnoOf, messageOf } from "./errors.ts";

/** Where Go's words, which are the C library's, are not libuv's. */
const WORDS: Record<string, string> = {
  EBUSY: "device or resource busy",
  EEXIST: "file exists",
  EHOSTUNREACH: "no route to host",
  EISDIR: "is a directory",
  ELOOP: "too many levels of symbolic links",
  ENAMETOOLONG: "file name too long",
  ENOTBLK: "block device required",
};

/** What Go says for an error of the system: `no such file or directory`; the message itself for any other. */
export function goErrno(error: unknown): string {
  const code = errnoOf(error);
  if (code === undefined) return messageOf(error);
  const own = WORDS[code];
  if (own !== undefined) return own;
  for (const [name, text] of getSystemErrorMap().values()) if (name === code) return text;
  return code;
}
