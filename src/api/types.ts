import type { Duplex } from "node:stream";
import type { Backend } from "./backend.ts";

/** What goes out before a hijacked connection's raw bytes: a status of 101 or 200 with its reason, and the headers. */
export interface HijackHead {
  status: 101 | 200;
  reason: string;
  headers: Record<string, string>;
}

/** One request, free of any HTTP library. Header names are lower case. */
export interface ApiRequest {
  method: string;
  /** The path with its version prefix, percent-encoding untouched, without the query. */
  path: string;
  query: URLSearchParams;
  headers: Record<string, string | undefined>;
  /** Read at most once; never reading it is allowed. */
  body: AsyncIterable<Uint8Array>;
  /** Aborted when the client has gone, or the server closes. */
  signal: AbortSignal;
  /**
   * Takes the connection over: writes the head, then hands out what the client sends (its end is the client's
   * half-close) and takes what it shall receive. At most once; afterwards the answer's body is `hijacked`.
   */
  hijack: (head: HijackHead) => Duplex;
}

/** The body of an answer. `json` is serialised with a newline after it; `hijacked` says that everything was sent already. */
export type ApiBody =
  | { kind: "empty" }
  | { kind: "json"; value: unknown }
  | { kind: "text"; text: string }
  | { kind: "stream"; stream: AsyncIterable<Uint8Array> }
  | { kind: "hijacked" };

/** One answer. `headers` lacks Content-Length and Transfer-Encoding: they belong to the adapter. */
export interface ApiResponse {
  status: number;
  headers: Record<string, string>;
  body: ApiBody;
}

/** What a route works with: the request, what the path named, and the API version as a comparable number. */
export interface Context {
  backend: Backend;
  request: ApiRequest;
  /** Decoded path parameters. */
  params: Record<string, string>;
  query: URLSearchParams;
  /** The minor version: 51 for `/v1.51/…`. */
  version: number;
}

/** Answers one route. Throws BerthError for what goes wrong before the first byte. */
export type Handler = (context: Context) => Promise<ApiResponse>;

/** One row of a router: method, path in find-my-way's notation, handler. */
export type Route = readonly [method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE", path: string, handler: Handler];
