import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";

/** A request that the fake got. */
export interface Seen {
  method: string;
  path: string;
  query: URLSearchParams;
  body: Buffer;
  headers: IncomingMessage["headers"];
}

/** Answers one route: an object is JSON, a number a bare status, a function does as it likes. */
export type Answer = object | number | ((request: Seen, response: ServerResponse) => void | Promise<void>);

/** A hijacked stream's other side. */
export type Upgrade = (request: Seen, socket: Duplex) => void | Promise<void>;

/** An Engine API that answers from a table, for tests of what the client sends and how it shows what comes. */
export interface FakeEngine {
  host: string;
  seen: Seen[];
  /** `METHOD /path` of each request, in their order. */
  calls(): string[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a fake engine on a socket of its own. Routes are `METHOD /path`; unknown ones answer 404. */
export async function fakeEngine(
  routes: Record<string, Answer>,
  upgrades: Record<string, Upgrade> = {},
): Promise<FakeEngine> {
  const folder = mkdtempSync(join(tmpdir(), "fake-engine-"));
  const path = join(folder, "engine.sock");
  const seen: Seen[] = [];
  const sockets = new Set<Duplex>();
  const server = createServer((request, response) => {
    void read(request).then(async (entry) => {
      seen.push(entry);
      const answer = routes[`${entry.method} ${entry.path}`];
      if (answer === undefined) return json(response, 404, { message: `no route ${entry.method} ${entry.path}` });
      if (typeof answer === "function") return answer(entry, response);
      if (typeof answer === "number") return void response.writeHead(answer).end();
      return json(response, 200, answer);
    });
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const entry = { ...parse(request), body: head };
    seen.push(entry);
    sockets.add(socket);
    socket.write(
      "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    );
    void upgrades[`${entry.method} ${entry.path}`]?.(entry, socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    host: `unix://${path}`,
    seen,
    calls: () => seen.map((s) => `${s.method} ${s.path}`),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function parse(request: IncomingMessage): Omit<Seen, "body"> {
  const url = new URL(request.url ?? "/", "http://engine");
  return { method: request.method ?? "", path: url.pathname, query: url.searchParams, headers: request.headers };
}

async function read(request: IncomingMessage): Promise<Seen> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(Buffer.from(part));
  return { ...parse(request), body: Buffer.concat(parts) };
}

/** Calls `each` with what comes on a hijacked stream, until the other side ends its half; ours stays open for answers. */
export function readHalf(socket: Duplex, each: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve) => {
    socket.on("data", each).once("end", resolve);
  });
}

/** Answers with JSON. */
export function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** One frame of the multiplexed stream: 1 stdout, 2 stderr. */
export function frame(stream: number, text: string): Buffer {
  const data = Buffer.from(text);
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}
