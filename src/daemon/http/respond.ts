import { once } from "node:events";
import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex, Writable } from "node:stream";
import type { ApiBody, ApiResponse } from "../../api/types.ts";

/**
 * Sends an answer and resolves when all of it was handed to the kernel's side or the client has gone. Never throws for a gone client.
 * `beforeEnd` is awaited when a streamed body is out and its end is not.
 */
export async function respond(
  response: ServerResponse,
  answer: ApiResponse,
  beforeEnd: () => Promise<void>,
): Promise<void> {
  if (answer.body.kind === "hijacked") return;
  const whole = wholeBody(answer.body);
  if (whole !== undefined) {
    const bytes = Buffer.byteLength(whole);
    const length = bytes > 0 || hasLength(answer.status) ? { "Content-Length": bytes } : {};
    response.writeHead(answer.status, { ...answer.headers, ...length });
    response.end(whole);
    return;
  }
  response.writeHead(answer.status, answer.headers);
  response.flushHeaders();
  await pour(answer.body, response);
  await beforeEnd();
  response.end();
}

/**
 * The same on the bare socket of a request that asked for an upgrade and did not get one; the connection's end is the
 * end of a streamed body.
 */
export async function respondBare(socket: Duplex, answer: ApiResponse): Promise<void> {
  if (answer.body.kind === "hijacked") return;
  const whole = wholeBody(answer.body);
  const length =
    whole !== undefined && hasLength(answer.status) ? { "Content-Length": String(Buffer.byteLength(whole)) } : {};
  const headers = { ...answer.headers, ...length, Connection: "close" };
  socket.write(headBytes(answer.status, STATUS_CODES[answer.status] ?? "", headers));
  if (whole !== undefined) socket.write(whole);
  else await pour(answer.body, socket);
  socket.end();
}

/** A status line and headers as they go over the wire. */
export function headBytes(status: number, reason: string, headers: Record<string, string>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${reason}\r\n${lines.join("")}\r\n`;
}

function hasLength(status: number): boolean {
  return status !== 204 && status !== 304;
}

function wholeBody(body: ApiBody): string | undefined {
  if (body.kind === "json") return `${JSON.stringify(body.value)}\n`;
  if (body.kind === "text") return body.text;
  return body.kind === "empty" ? "" : undefined;
}

/** Writes each chunk when it comes, waits while the client is slow, stops (closing the source) when the client goes. */
async function pour(body: ApiBody, to: Writable): Promise<void> {
  if (body.kind !== "stream") return;
  for await (const chunk of body.stream) {
    if (to.destroyed) break;
    if (!to.write(chunk)) await drained(to);
  }
}

async function drained(to: Writable): Promise<void> {
  if (to.destroyed || !to.writableNeedDrain) return;
  const stop = new AbortController();
  const { signal } = stop;
  try {
    await Promise.race([once(to, "drain", { signal }), once(to, "close", { signal })]);
  } finally {
    stop.abort();
  }
}
