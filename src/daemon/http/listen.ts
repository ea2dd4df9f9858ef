import { once } from "node:events";
import { chmodSync, chownSync, lstatSync, renameSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { ApiRequest, ApiResponse } from "../../api/types.ts";
import { BerthError, errnoOf, messageOf } from "../../spec/errors.ts";
import { hijackPlain, hijackUpgraded } from "./hijack.ts";
import { toApiRequest } from "./request.ts";
import { respond, respondBare } from "./respond.ts";

/** Where to listen. A unix socket gets its mode (0660 unless said) and group before it has its name. */
export type Address = { unix: string; mode?: number; gid?: number } | { host: string; port: number } | { fd: number };

/** A listening server. `close` stops accepting, aborts what is in flight, and removes the socket's file. */
export interface Listener {
  /** The port that was taken, for tcp; 0 else. */
  port: number;
  close(): Promise<void>;
}

/** What answers requests. */
export type RequestHandler = (request: ApiRequest) => Promise<ApiResponse>;

/** An unread body of at most that many bytes is read away, so that the connection can go on; a longer one closes it. */
const MAX_DISCARD = 256 * 1024;
const HEADERS_TIMEOUT_MS = 60_000;

/**
 * Serves the handler over HTTP/1.1. Streams of any length, in both directions, with back-pressure; no time limit but the one
 * on a request's headers. A stale socket file is replaced; one that somebody answers on is a `conflict`.
 */
export async function listen(handler: RequestHandler, address: Address): Promise<Listener> {
  const open = new Set<AbortController>();
  const server = createServer({ requestTimeout: 0, headersTimeout: HEADERS_TIMEOUT_MS, keepAliveTimeout: 0 });
  server.timeout = 0;
  server.on("request", (incoming, response) => void serve(handler, open, { incoming, response }));
  server.on("upgrade", (incoming, socket) => void serveUpgrade(handler, open, { incoming, socket }));
  server.on("checkContinue", (incoming, response) => {
    response.writeContinue();
    void serve(handler, open, { incoming, response });
  });
  const remove = "unix" in address ? await bindUnix(server, address) : await bind(server, address);
  const bound = server.address();
  return {
    port: bound !== null && typeof bound === "object" ? bound.port : 0,
    close: () => shut(server, open, remove),
  };
}

async function shut(server: Server, open: Set<AbortController>, remove: () => void): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  remove();
  for (const controller of open) controller.abort();
  server.closeAllConnections();
  await closed;
}

async function serve(
  handler: RequestHandler,
  open: Set<AbortController>,
  { incoming, response }: { incoming: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const controller = new AbortController();
  open.add(controller);
  response.once("close", () => {
    open.delete(controller);
    if (!response.writableFinished) controller.abort();
  });
  response.on("error", ignore);
  const hijack: ApiRequest["hijack"] = (head) => hijackPlain(incoming, head);
  try {
    await respond(response, await handler(toApiRequest(incoming, { signal: controller.signal, hijack })));
    discardRest(incoming);
  } catch {
    // The answer's stream failed after its headers: cutting the connection is the only way left to say so.
    response.destroy();
  }
}

async function serveUpgrade(
  handler: RequestHandler,
  open: Set<AbortController>,
  { incoming, socket }: { incoming: IncomingMessage; socket: Duplex },
): Promise<void> {
  const controller = new AbortController();
  open.add(controller);
  controller.signal.addEventListener("abort", () => void socket.destroy(), { once: true });
  socket.once("close", () => {
    open.delete(controller);
    controller.abort();
  });
  socket.on("error", ignore);
  const hijack: ApiRequest["hijack"] = (head) => hijackUpgraded(socket, head);
  try {
    await respondBare(socket, await handler(toApiRequest(incoming, { signal: controller.signal, hijack })));
  } catch {
    // As in serve: the head is out, the rest cannot be.
    socket.destroy();
  }
}

/** A client that goes in the middle of an answer is no error of ours; `close` follows and releases everything. */
function ignore(): void {}

function discardRest(incoming: IncomingMessage): void {
  if (incoming.readableEnded || incoming.destroyed) return;
  let size = 0;
  incoming.on("data", (chunk: Uint8Array) => {
    size += chunk.byteLength;
    if (size > MAX_DISCARD) incoming.socket.destroy();
  });
  incoming.on("error", ignore);
}

async function bind(server: Server, address: { host: string; port: number } | { fd: number }): Promise<() => void> {
  const where = "fd" in address ? `fd ${address.fd}` : `${address.host}:${address.port}`;
  server.listen(address);
  await listening(server, where);
  return ignore;
}

async function bindUnix(server: Server, address: { unix: string; mode?: number; gid?: number }): Promise<() => void> {
  const { unix: path, mode = 0o660, gid } = address;
  if (await answers(path)) {
    throw new BerthError("conflict", `cannot listen on ${path}: another process serves it`, {
      hint: "stop it or choose another socket with -H",
    });
  }
  const staged = `${path}.${process.pid.toString(36)}`;
  rmSync(staged, { force: true });
  server.listen(staged);
  await listening(server, path);
  if (gid !== undefined) chownSync(staged, 0, gid);
  chmodSync(staged, mode);
  const { ino } = lstatSync(staged);
  renameSync(staged, path);
  // A successor may have put its own socket there in the meantime.
  return () => {
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) rmSync(path, { force: true });
  };
}

async function listening(server: Server, where: string): Promise<void> {
  try {
    await once(server, "listening");
  } catch (error) {
    const kind = errnoOf(error) === "EADDRINUSE" ? "conflict" : "internal";
    throw new BerthError(kind, `cannot listen on ${where}: ${messageOf(error)}`, { cause: error });
  }
}

/** True if something accepts connections on that unix socket. */
async function answers(path: string): Promise<boolean> {
  const probe = connect(path);
  try {
    await once(probe, "connect");
    return true;
  } catch {
    // ENOENT, ECONNREFUSED: nobody is there, which is the answer.
    return false;
  } finally {
    probe.destroy();
  }
}
