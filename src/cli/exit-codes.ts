import { messageOf } from "../spec/errors.ts";

/** Failures of `run` that are not the container's: usage, or the engine. */
export const RUN_FAILED = 125;
const CANNOT_INVOKE = 126;
const NOT_FOUND = 127;

/** Docker's exit code for a container or exec that could not be started: 127 no such command, 126 not executable, else `other`. */
export function startFailure(error: unknown, other: number): number {
  const text = messageOf(error);
  if (/executable file not found|no such file or directory|system cannot find the file specified/.test(text)) {
    return NOT_FOUND;
  }
  if (/permission denied|is a directory|not executable/.test(text)) return CANNOT_INVOKE;
  return other;
}
