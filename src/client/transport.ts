import type { Buffer } from "node:buffer";

/** What a query string is made from; undefined and false are left out, true is `1`, a list is repeated. */
export type Query = Record<string, string | number | boolean | readonly string[] | undefined>;

/** One HTTP exchange. `body` is sent as it is; an async one is sent in chunks, honouring back-pressure. */
export interface EngineRequest {
  method: "GET" | "POST" | "PUT" | "DELETE" | "HEAD";
  path: string;
  query?: Query;
  headers?: Record<string, string>;
  body?: string | AsyncIterable<Uint8Array>;
  signal?: AbortSignal;
}

/** An answer whose head has come. Read the body once, by `text` or by iterating; leaving the loop closes the connection. */
export interface EngineResponse {
  status: number;
  header(name: string): string | undefined;
  text(): Promise<string>;
  body(): AsyncIterable<Uint8Array | Buffer>;
}

/** Carries requests to one engine. Resolves when the answer's head is there; throws connectError where nobody answers. */
export interface Transport {
  send(request: EngineRequest): Promise<EngineResponse>;
}

/** `/path?query` with Docker's conventions for booleans. */
export function target(path: string, query: Query = {}): string {
  const parts = Object.entries(query).flatMap(([key, value]) => {
    if (value === undefined || value === false) return [];
    const texts = Array.isArray(value) ? value : [value === true ? "1" : String(value)];
    return texts.map((text) => `${encodeURIComponent(key)}=${encodeURIComponent(text)}`);
  });
  return parts.length === 0 ? path : `${path}?${parts.join("&")}`;
}
