import { type Duplex, duplexPair } from "node:stream";
import type { ApiRequest, ApiResponse, HijackHead } from "../api/types.ts";

/** What a test may set of a request. `json` is sent with its Content-Type; `body` as it is. */
export interface RequestOptions {
  json?: unknown;
  body?: string | Uint8Array[];
  headers?: Record<string, string | undefined>;
  signal?: AbortSignal;
}

/** A request without a socket, and the client's end of its connection once the API took it over. */
export interface TestRequest {
  request: ApiRequest;
  /** Resolves with the head and the client's end: what is written there the API reads as the client's bytes. */
  hijacked: Promise<{ head: HijackHead; client: Duplex }>;
}

/** Builds a request for `createApi`'s function; `target` is path and query. */
export function testRequest(method: string, target: string, options: RequestOptions = {}): TestRequest {
  const { promise: hijacked, resolve } = Promise.withResolvers<{ head: HijackHead; client: Duplex }>();
  const [path = "/", query = ""] = target.split(/\?(.*)/s);
  const text = options.json === undefined ? (options.body ?? "") : JSON.stringify(options.json);
  const type = options.json === undefined ? {} : { "content-type": "application/json" };
  const request: ApiRequest = {
    method,
    path,
    query: new URLSearchParams(query),
    headers: { ...type, ...options.headers },
    body: chunks(text),
    signal: options.signal ?? new AbortController().signal,
    hijack(head) {
      const [server, client] = duplexPair();
      resolve({ head, client });
      return server;
    },
  };
  return { request, hijacked };
}

/** An answer's body as text, whatever its kind. */
export async function bodyText({ body }: ApiResponse): Promise<string> {
  if (body.kind === "json") return JSON.stringify(body.value);
  if (body.kind === "text") return body.text;
  if (body.kind !== "stream") return "";
  const parts: Uint8Array[] = [];
  for await (const part of body.stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function* chunks(body: string | Uint8Array[]): AsyncGenerator<Uint8Array> {
  if (typeof body !== "string") yield* body;
  else if (body !== "") yield Buffer.from(body);
}
