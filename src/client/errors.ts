import { accessSync, constants, existsSync } from "node:fs";
import { BerthError, type ErrorKind, errnoOf, messageOf } from "../spec/errors.ts";
import type { EngineHost } from "./host.ts";

const KIND_OF: Record<number, ErrorKind> = {
  304: "not-modified",
  400: "invalid-argument",
  401: "unauthorized",
  403: "forbidden",
  404: "not-found",
  409: "conflict",
  501: "not-implemented",
  503: "unavailable",
  507: "no-space",
};

/** The cause of every BerthError that an engine answered: its HTTP status. */
export class EngineAnswer {
  constructor(readonly status: number) {}
}

/** The HTTP status of an error that the engine answered; undefined for errors of our own side. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof BerthError && error.cause instanceof EngineAnswer ? error.cause.status : undefined;
}

/** Turns an answer of status 300 and above, `{"message": …}` (Engine API, ErrorResponse), into a BerthError. */
export function errorFromAnswer(status: number, body: string): BerthError {
  return new BerthError(KIND_OF[status] ?? "internal", messageIn(body) || `the engine answered with status ${status}`, {
    cause: new EngineAnswer(status),
  });
}

function messageIn(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === "object" && parsed !== null && "message" in parsed) return String(parsed.message).trim();
  } catch {
    // Not JSON: proxies and old engines answer in plain text, which is the message then.
  }
  return body.trim();
}

/** A failure to reach `host` at all: `unavailable`, or `forbidden` where the socket is there but closed to this user. */
export function connectError(host: EngineHost, cause: unknown): BerthError {
  if (host.kind === "unix" && isForbidden(host.path)) {
    return new BerthError(
      "forbidden",
      `permission denied while trying to connect to the Berth daemon at ${host.text}`,
      {
        hint: "run as root, or join the group that owns the socket",
        cause,
      },
    );
  }
  return new BerthError("unavailable", `cannot connect to the Berth daemon at ${host.text}: is it running?`, {
    hint: host.kind === "unix" ? "start it with 'berth daemon'" : messageOf(cause),
    cause,
  });
}

/** True where nothing answered at the host; such a request had no effect. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof BerthError && error.kind === "unavailable" && statusOf(error) === undefined;
}

function isForbidden(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return false;
  } catch (error) {
    return errnoOf(error) === "EACCES";
  }
}
