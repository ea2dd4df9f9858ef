/** The stable kinds of failure. `api` maps each to one HTTP status, `cli` to one exit code. */
export type ErrorKind =
  | "invalid-argument"
  | "unauthorized"
  | "forbidden"
  | "not-found"
  | "conflict"
  | "not-modified"
  | "unavailable"
  | "not-implemented"
  | "no-space"
  | "internal";

/**
 * The one error class of Berth. `message` is one line that names the thing and the cause; `hint` is the next
 * step for a person, also one line. Anything else that is thrown is a bug and is reported as `internal`.
 */
export class BerthError extends Error {
  override readonly name = "BerthError";

  constructor(
    readonly kind: ErrorKind,
    message: string,
    options: { hint?: string; cause?: unknown } = {},
  ) {
    super(options.hint ? `${message} (${options.hint})` : message, { cause: options.cause });
  }
}

/** The errno name (`ENOENT`) of an error from the operating system, else undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** True for a BerthError of that kind. */
export function isKind(error: unknown, kind: ErrorKind): boolean {
  return error instanceof BerthError && error.kind === kind;
}

/** The one line that describes any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Turns an operating system's error into a BerthError that names `what`: ENOSPC and EDQUOT become `no-space`. */
export function fromErrno(error: unknown, what: string): BerthError {
  if (error instanceof BerthError) return error;
  const code = errnoOf(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new BerthError("no-space", `${what}: no space left on device`, {
      hint: "free some space, for example with 'berth image prune'",
      cause: error,
    });
  }
  return new BerthError(code === "ENOENT" ? "not-found" : "internal", `${what}: ${messageOf(error)}`, { cause: error });
}
