import { BerthError } from "../spec/errors.ts";

const NOT_FOUND = 127;
const CANNOT_EXECUTE = 126;
const FAILED = 128;

/** The message in the last line of a runtime's log: runc and crun write JSON objects with `msg`; anything else is the message itself. */
export function runtimeMessage(raw: string): string {
  if (!raw.startsWith("{")) return raw;
  try {
    const parsed: unknown = JSON.parse(raw);
    if (typeof parsed === "object" && parsed !== null && "msg" in parsed && typeof parsed.msg === "string")
      return parsed.msg.trim();
  } catch {
    // Not JSON after all: shown as it is.
  }
  return raw;
}

/** The exit code that Docker gives a container whose start failed so: 127 no such command, 126 it cannot be executed, else 128. */
export function startFailureCode(message: string): number {
  if (/executable file .*not found|no such file or directory|not a directory/i.test(message)) return NOT_FOUND;
  if (/permission denied|is a directory|exec format error/i.test(message)) return CANNOT_EXECUTE;
  return FAILED;
}

/** The error for a start that the OCI runtime refused: `invalid-argument` where the command is at fault. */
export function startFailure(message: string): BerthError {
  return new BerthError(startFailureCode(message) === FAILED ? "internal" : "invalid-argument", message);
}
