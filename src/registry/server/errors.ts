import { BerthError, type ErrorKind, messageOf } from "../../spec/errors.ts";

/** Codes of the specification (OCI distribution-spec, "Error Codes"), Docker's RANGE_INVALID, and the one for what is our fault. */
const CODES = {
  BLOB_UNKNOWN: [404, "not-found"],
  BLOB_UPLOAD_INVALID: [400, "invalid-argument"],
  BLOB_UPLOAD_UNKNOWN: [404, "not-found"],
  DIGEST_INVALID: [400, "invalid-argument"],
  MANIFEST_BLOB_UNKNOWN: [400, "invalid-argument"],
  MANIFEST_INVALID: [400, "invalid-argument"],
  MANIFEST_UNKNOWN: [404, "not-found"],
  NAME_INVALID: [400, "invalid-argument"],
  NAME_UNKNOWN: [404, "not-found"],
  RANGE_INVALID: [416, "invalid-argument"],
  SIZE_INVALID: [400, "invalid-argument"],
  UNAUTHORIZED: [401, "unauthorized"],
  DENIED: [403, "forbidden"],
  UNSUPPORTED: [405, "not-implemented"],
  TOOMANYREQUESTS: [429, "unavailable"],
  UNKNOWN: [500, "internal"],
} as const satisfies Record<string, readonly [number, ErrorKind]>;

/** A code of the wire. */
export type RegistryCode = keyof typeof CODES;

/** A request that is refused: what the client is told, in the specification's form. */
export class RegistryError extends BerthError {
  readonly status: number;
  readonly headers: Record<string, string>;

  constructor(
    readonly code: RegistryCode,
    message: string,
    options: { status?: number; headers?: Record<string, string>; detail?: unknown } = {},
  ) {
    super(CODES[code][1], message);
    this.status = options.status ?? CODES[code][0];
    this.headers = options.headers ?? {};
    this.detail = options.detail;
  }

  readonly detail: unknown;
}

/** Any error as an answer. What is not meant for the client is told to `log`, and the client only that it happened. */
export function errorResponse(error: unknown, log: (line: string) => void): Response {
  const told = error instanceof RegistryError ? error : wrapped(error);
  if (told !== error) log(messageOf(error));
  const { code, message, detail, status } = told;
  const errors = [{ code, message, ...(detail === undefined ? {} : { detail }) }];
  return Response.json({ errors }, { status, headers: told.headers });
}

function wrapped(error: unknown): RegistryError {
  if (!(error instanceof BerthError)) return new RegistryError("UNKNOWN", "internal error");
  if (error.kind === "no-space") {
    return new RegistryError("UNKNOWN", "the registry has no space left", { status: 507 });
  }
  if (error.kind === "unavailable") {
    return new RegistryError("UNKNOWN", "the registry's storage cannot be reached; try again", {
      status: 503,
      headers: { "Retry-After": "5" },
    });
  }
  return new RegistryError("UNKNOWN", "internal error");
}
