import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { ApiRequest } from "../../api/types.ts";

/** A request of node:http as the API takes it. The body is read only when the API reads it: no buffering, back-pressure kept. */
export function toApiRequest(
  incoming: IncomingMessage,
  options: { signal: AbortSignal; hijack: ApiRequest["hijack"] },
): ApiRequest {
  const { path, query } = splitTarget(incoming.url ?? "/");
  return {
    method: incoming.method ?? "GET",
    path,
    query: new URLSearchParams(query),
    headers: singleHeaders(incoming),
    body: { [Symbol.asyncIterator]: () => bodyOf(incoming, options.signal) },
    ...options,
  };
}

/** Path and query of a request target, in origin form or, as to a proxy, absolute form (RFC 9112 section 3.2). */
function splitTarget(target: string): { path: string; query: string } {
  const origin = target.replace(/^https?:\/\/[^/?]*/i, "");
  const mark = origin.indexOf("?");
  if (mark < 0) return { path: origin || "/", query: "" };
  return { path: origin.slice(0, mark) || "/", query: origin.slice(mark + 1) };
}

/**
 * The body's chunks. A client that goes before the body is whole makes it throw: a truncated upload never looks
 * like a finished one.
 */
async function* bodyOf(incoming: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  // A reader that stops early must not cut the connection: its answer has yet to go out.
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array;
  if (!incoming.complete || signal.aborted) throw new Error("the client went away before the request's body was whole");
}

/**
 * The body of an upgrade request where the parser left it in the socket, as Node's does and Bun's for injected connections;
 * what comes after it stays there. Only a body with Content-Length can be told from what follows.
 */
export function upgradeBody(incoming: IncomingMessage, socket: Duplex, head: Buffer): AsyncIterable<Uint8Array> {
  if (head.byteLength > 0) socket.unshift(head);
  return takeBytes(socket, Number(incoming.headers["content-length"] ?? 0));
}

async function* takeBytes(socket: Duplex, length: number): AsyncGenerator<Uint8Array> {
  for (let left = length; left > 0; ) {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) {
      if (socket.readableEnded || socket.destroyed) throw new Error("the client went away in the request's body");
      await Promise.race([once(socket, "readable"), once(socket, "end"), once(socket, "close")]);
      continue;
    }
    if (chunk.byteLength > left) socket.unshift(chunk.subarray(left));
    const part = chunk.subarray(0, left);
    left -= part.byteLength;
    yield part;
  }
}

function singleHeaders(incoming: IncomingMessage): Record<string, string | undefined> {
  const entries = Object.entries(incoming.headers).map(([name, value]): [string, string | undefined] => [
    name,
    Array.isArray(value) ? value.join(", ") : value,
  ]);
  return Object.fromEntries(entries);
}
