import type { ApiResponse } from "./types.ts";

/** An answer of one JSON document, 200 unless said otherwise. */
export function json(value: unknown, status = 200): ApiResponse {
  return { status, headers: { "Content-Type": "application/json" }, body: { kind: "json", value } };
}

/** An answer without a body: 204 unless said otherwise. */
export function empty(status = 204): ApiResponse {
  return { status, headers: {}, body: { kind: "empty" } };
}

/** A streamed answer with status 200. */
export function stream(chunks: AsyncIterable<Uint8Array>, contentType: string): ApiResponse {
  return { status: 200, headers: { "Content-Type": contentType }, body: { kind: "stream", stream: chunks } };
}

/** The answer after a connection was taken over. */
export const HIJACKED: ApiResponse = { status: 200, headers: {}, body: { kind: "hijacked" } };
