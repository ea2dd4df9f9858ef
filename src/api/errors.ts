import { BerthError, type ErrorKind, messageOf } from "../spec/errors.ts";
import type { ApiResponse } from "./types.ts";

const STATUS: Record<ErrorKind, number> = {
  "invalid-argument": 400,
  unauthorized: 401,
  forbidden: 403,
  "not-found": 404,
  conflict: 409,
  "not-modified": 304,
  unavailable: 503,
  "not-implemented": 501,
  "no-space": 500,
  internal: 500,
};

/** The HTTP status of any thrown value: a BerthError by its kind, all else 500. */
export function statusOf(error: unknown): number {
  return error instanceof BerthError ? STATUS[error.kind] : 500;
}

/** The answer to a failed request: `{"message": …}` (specification, "Errors"); 304 has no body. */
export function errorResponse(error: unknown): ApiResponse {
  const status = statusOf(error);
  if (status === 304) return { status, headers: {}, body: { kind: "empty" } };
  return failure(status, messageOf(error));
}

/** An error answer with that status and message. */
export function failure(status: number, message: string): ApiResponse {
  return { status, headers: { "Content-Type": "application/json" }, body: { kind: "json", value: { message } } };
}

/** A BerthError for a request that the client has to change. */
export function invalid(message: string): BerthError {
  return new BerthError("invalid-argument", message);
}
