import { afterEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { request as httpRequest } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import type { ApiResponse } from "../../api/types.ts";
import type { Address } from "./bind.ts";
import { type Listener, listen, type RequestHandler } from "./listen.ts";
import { reflect, SWITCH, untilEnd } from "./testdata/reflect.ts";

const MIB = 1024 * 1024;
/** Kernel socket buffers, stream buffers and one chunk in hand: what may be under way between two sides. */
const IN_FLIGHT = 8 * MIB;
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "berth-http-"));
  cleanups.push(() => rmSync(path, { recursive: true }));
  return path;
}

async function serve(handler: RequestHandler, address?: Address): Promise<{ path: string; listener: Listener }> {
  const path = join(folder(), "s");
  const listener = await listen(handler, address ?? { unix: path });
  cleanups.push(() => listener.close());
  return { path, listener };
}

/** A raw client; `send` takes header lines without their ends. */
async function client(to: string | { port: number }, ...lines: string[]): Promise<Socket> {
  const target = typeof to === "string" ? { path: to } : { host: "127.0.0.1", ...to };
  const socket = connect({ ...target, allowHalfOpen: true });
  cleanups.push(() => socket.destroy());
  await once(socket, "connect");
  if (lines.length > 0) socket.write(`${lines.join("\r\n")}\r\nHost: d\r\n\r\n`);
  return socket;
}

/** The next bytes up to and with `mark`. */
async function until(socket: Socket, mark: string): Promise<string> {
  let seen = "";
  while (!seen.includes(mark)) {
    const chunk = socket.read() as Buffer | null;
    if (chunk) seen += chunk.toString("latin1");
    else if (socket.readableEnded) throw new Error(`the connection ended after ${JSON.stringify(seen)}`);
    else await Promise.race([once(socket, "readable"), once(socket, "end")]);
  }
  return seen;
}

const textAnswer = (value: string): ApiResponse => ({ status: 200, headers: {}, body: { kind: "text", text: value } });
const streamed = (stream: AsyncIterable<Uint8Array>): ApiResponse => ({
  status: 200,
  headers: { "Content-Type": "x/y" },
  body: { kind: "stream", stream },
});
const HIJACKED: ApiResponse = { status: 200, headers: {}, body: { kind: "hijacked" } };

/** Resolves when the counter has stood still while the event loop turned many times. */
async function settled(count: () => number): Promise<number> {
  for (let same = 0, last = -1; same < 2000; ) {
    await new Promise((resolve) => setImmediate(resolve));
    same = count() === last ? same + 1 : 0;
    last = count();
  }
  return count();
}

test("requests on one connection, with path, query and body", async () => {
  const seen: unknown[] = [];
  const { path } = await serve(async (r) => {
    let body = "";
    for await (const chunk of r.body) body += Buffer.from(chunk).toString();
    seen.push([r.method, r.path, r.query.get("q"), r.headers["x-a"], body]);
    return textAnswer("OK");
  });
  const socket = await client(path, "GET /a%2Fb?q=1+2%26 HTTP/1.1", "X-A: b");
  expect(await until(socket, "OK")).toContain("Content-Length: 2");
  socket.write("POST http://d/c HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\nabc");
  expect(await until(socket, "OK")).toStartWith("HTTP/1.1 200 OK");
  expect(seen).toEqual([
    ["GET", "/a%2Fb", "1 2&", "b", ""],
    ["POST", "/c", null, undefined, "abc"],
  ]);
});

test("bodiless statuses and HEAD send no body", async () => {
  const answers: Record<string, ApiResponse> = {
    "/204": { status: 204, headers: {}, body: { kind: "empty" } },
    "/304": { status: 304, headers: {}, body: { kind: "empty" } },
    "/200": { status: 200, headers: {}, body: { kind: "empty" } },
    "/text": textAnswer("OK"),
  };
  const { path } = await serve(async (r) => answers[r.path] ?? textAnswer("?"));
  const socket = await client(path);
  const head = async (line: string): Promise<string> => {
    socket.write(`${line} HTTP/1.1\r\nHost: d\r\n\r\n`);
    return until(socket, "\r\n\r\n");
  };
  expect(await head("GET /204")).not.toContain("Content-Length");
  expect(await head("GET /304")).not.toContain("Transfer-Encoding");
  expect(await head("GET /200")).toContain("Content-Length: 0");
  expect(await head("HEAD /text")).toEndWith("\r\n\r\n");
});

test("a chunk of a stream arrives before the next one exists", async () => {
  const more = Promise.withResolvers<void>();
  const { path } = await serve(async () =>
    streamed(
      (async function* () {
        yield Buffer.from("first");
        await more.promise;
        yield Buffer.from("second");
      })(),
    ),
  );
  const socket = await client(path, "GET / HTTP/1.1");
  expect(await until(socket, "first")).toContain("Transfer-Encoding: chunked");
  more.resolve();
  await until(socket, "second");
});

test("300 MB to a reader that waits: what is produced stays bounded", async () => {
  const chunk = Buffer.alloc(64 * 1024, 7);
  const total = 300_000_000;
  let produced = 0;
  const { path } = await serve(async () =>
    streamed(
      (async function* () {
        for (; produced < total; produced += chunk.byteLength) yield chunk;
      })(),
    ),
  );
  const socket = await client(path, "GET / HTTP/1.1", "Connection: close");
  socket.pause();
  const ahead = await settled(() => produced);
  expect(ahead).toBeGreaterThan(0);
  expect(ahead).toBeLessThan(IN_FLIGHT);
  let received = 0;
  for await (const part of socket) {
    received += (part as Buffer).byteLength;
    if (produced - received > IN_FLIGHT) throw new Error(`${produced - received} bytes ahead of the reader`);
  }
  expect(received).toBeGreaterThan(total);
});

test("300 MB from a client to a handler that waits: what is taken stays bounded, every byte arrives", async () => {
  const go = Promise.withResolvers<void>();
  let got = 0;
  const { path } = await serve(async (r) => {
    for await (const part of r.body) {
      await go.promise;
      got += part.byteLength;
    }
    return textAnswer(`got ${got}.`);
  });
  const request = httpRequest({ socketPath: path, method: "POST", headers: { "Transfer-Encoding": "chunked" } });
  const answer = once(request, "response");
  const chunk = Buffer.alloc(MIB, 1);
  let sent = 0;
  const feed = (async () => {
    for (; sent < 300; sent++) if (!request.write(chunk)) await once(request, "drain");
    request.end();
  })();
  expect(await settled(() => sent * MIB)).toBeLessThan(IN_FLIGHT * 2);
  go.resolve();
  await feed;
  const [response] = (await answer) as [AsyncIterable<Buffer>];
  expect((await buffer(response)).toString()).toBe(`got ${300 * MIB}.`);
});

test("a streamed answer that is known early ends only when the client has sent all: who still writes would lose it", async () => {
  const { path } = await serve(async ({ body }) =>
    streamed(
      (async function* () {
        for await (const _ of body) break;
        yield Buffer.from("failed early\n");
      })(),
    ),
  );
  const socket = await client(path, "POST / HTTP/1.1", "Content-Length: 10", "Connection: close");
  let seen = "";
  const ended = once(socket, "end");
  socket.write("abc");
  await until(socket, "failed early\n");
  socket.on("data", (part) => (seen += part.toString()));
  // The answer to another request comes after whatever this one would still have been told.
  await until(await client(path, "GET / HTTP/1.1"), "failed early\n");
  expect(seen).not.toContain("0\r\n\r\n");
  socket.write("defghij");
  await ended;
  expect(seen).toContain("0\r\n\r\n");
});

test("a truncated upload throws, whichever way its length was told", async () => {
  for (const header of ["Content-Length: 10", "Transfer-Encoding: chunked"]) {
    const failed = Promise.withResolvers<unknown>();
    const { path } = await serve(async (r) => {
      try {
        for await (const _ of r.body);
        failed.resolve("took it as whole");
      } catch (error) {
        failed.resolve(error);
      }
      return textAnswer("");
    });
    const socket = await client(path, "POST / HTTP/1.1", header);
    await new Promise<void>((resolve) =>
      socket.write(header.startsWith("T") ? "3\r\nabc\r\n" : "abc", () => resolve()),
    );
    socket.destroy();
    expect(await failed.promise).toBeInstanceOf(Error);
  }
});

test("a client that goes aborts the signal and releases the stream; a finished request does not abort", async () => {
  const released = Promise.withResolvers<string>();
  const signals: AbortSignal[] = [];
  const { path } = await serve(async (r) => {
    signals.push(r.signal);
    if (r.path === "/short") return textAnswer("OK");
    return streamed(
      (async function* () {
        try {
          yield Buffer.from("first");
          await once(r.signal, "abort");
          yield Buffer.from("to nobody");
        } finally {
          released.resolve("released");
        }
      })(),
    );
  });
  const short = await client(path, "GET /short HTTP/1.1");
  await until(short, "OK");
  const socket = await client(path, "GET /long HTTP/1.1");
  await until(socket, "first");
  socket.destroy();
  expect(await released.promise).toBe("released");
  expect(signals.map((s) => s.aborted)).toEqual([false, true]);
});

test("upgrade: body apart from stdin, half-close seen, the server goes on sending", async () => {
  const { path } = await serve(reflect);
  const socket = await client(path);
  socket.write("POST /x HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}in");
  expect(await until(socket, "\r\n\r\n")).toBe("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
  socket.end("put");
  expect(await text(socket)).toBe("body={} stdin=input");
});

test("upgrade: 100 MB both ways through a waiting client, nothing lost, bounded", async () => {
  const total = 100 * MIB;
  let produced = 0;
  const { path } = await serve(async (r) => {
    const duplex = r.hijack(SWITCH);
    const chunk = Buffer.alloc(64 * 1024, 3);
    for (; produced < total; produced += chunk.byteLength) {
      if (!duplex.write(chunk)) await once(duplex, "drain");
    }
    duplex.end();
    return HIJACKED;
  });
  const socket = await client(path, "POST / HTTP/1.1", "Connection: Upgrade", "Upgrade: tcp");
  await until(socket, "\r\n\r\n");
  expect(await settled(() => produced)).toBeLessThan(IN_FLIGHT);
  const rest = await buffer(socket);
  expect(total - rest.byteLength).toBeLessThan(IN_FLIGHT);
});

test("an upgrade that is refused is an ordinary answer, then the connection closes", async () => {
  const { path } = await serve(async () => ({
    status: 404,
    headers: { "Content-Type": "application/json" },
    body: { kind: "json", value: { message: "No such container: x" } },
  }));
  const socket = await client(path, "POST / HTTP/1.1", "Connection: Upgrade", "Upgrade: tcp");
  const all = await text(socket);
  expect(all).toStartWith("HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n");
  expect(all).toEndWith('Connection: close\r\n\r\n{"message":"No such container: x"}\n');
});

test("taking over without upgrade: raw bytes to the end, stdin from a chunked body, a gone client is seen", async () => {
  const gone = Promise.withResolvers<string>();
  const { path } = await serve(async (r) => {
    const duplex = r.hijack({ status: 200, reason: "OK", headers: { "Content-Type": "raw" } });
    if (r.path === "/echo") duplex.write(`echo ${await untilEnd(duplex)}`);
    else await once(duplex, "close").then(() => gone.resolve("gone"));
    duplex.end();
    return HIJACKED;
  });
  const socket = await client(path, "POST /echo HTTP/1.1", "Transfer-Encoding: chunked");
  socket.write("2\r\nin\r\n0\r\n\r\n");
  expect(await text(socket)).toBe("HTTP/1.1 200 OK\r\nContent-Type: raw\r\n\r\necho in");
  const leaver = await client(path, "POST /wait HTTP/1.1");
  await until(leaver, "\r\n\r\n");
  leaver.destroy();
  expect(await gone.promise).toBe("gone");
});

test("Expect: 100-continue is answered before the body comes", async () => {
  const { path } = await serve(async (r) => textAnswer(`got ${(await buffer(r.body)).toString()}`));
  const socket = await client(path, "POST / HTTP/1.1", "Expect: 100-continue", "Content-Length: 2");
  await until(socket, "100 Continue\r\n\r\n");
  socket.write("hi");
  expect(await until(socket, "got hi")).toContain("HTTP/1.1 200 OK");
});

test("a body that nobody reads does not spoil the next request", async () => {
  const { path } = await serve(async (r) => textAnswer(`answer to ${r.method}.`));
  const socket = await client(path);
  socket.write("POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\nabc");
  await until(socket, "answer to POST.");
  socket.write("GET / HTTP/1.1\r\nHost: d\r\n\r\n");
  await until(socket, "answer to GET.");
});

test("a stream that fails after its head cuts the connection: no clean end", async () => {
  const { path } = await serve(async () =>
    streamed(
      (async function* () {
        yield Buffer.from("part");
        throw new Error("disk error");
      })(),
    ),
  );
  const socket = await client(path, "GET / HTTP/1.1");
  socket.on("error", () => undefined);
  await until(socket, "part");
  expect(await text(socket).catch(() => "")).not.toContain("0\r\n\r\n");
});

test("a unix socket: mode, in use, stale, gone after close", async () => {
  const { path, listener } = await serve(async () => textAnswer("one"));
  expect(statSync(path).mode & 0o777).toBe(0o660);
  await expect(listen(async () => textAnswer("two"), { unix: path })).rejects.toThrow("another process serves it");
  await listener.close();
  expect(existsSync(path)).toBe(false);

  const stale = createServer().listen(`${path}.old`);
  await once(stale, "listening");
  renameSync(`${path}.old`, path);
  await new Promise((resolve) => stale.close(resolve));
  expect(existsSync(path)).toBe(true);
  const again = await listen(async () => textAnswer("three"), { unix: path, mode: 0o600 });
  cleanups.push(() => again.close());
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await until(await client(path, "GET / HTTP/1.1"), "three");
});

test("closing leaves a successor's socket alone and ends what is in flight", async () => {
  const aborted = Promise.withResolvers<string>();
  const { path, listener } = await serve(async (r) => {
    r.signal.addEventListener("abort", () => aborted.resolve("aborted"));
    return streamed(
      (async function* () {
        yield Buffer.from("first");
        await aborted.promise;
      })(),
    );
  });
  const socket = await client(path, "GET / HTTP/1.1");
  socket.on("error", () => undefined);
  await until(socket, "first");
  rmSync(path);
  const next = await listen(async () => textAnswer("next"), { unix: path });
  cleanups.push(() => next.close());
  await listener.close();
  expect(await aborted.promise).toBe("aborted");
  await until(await client(path, "GET / HTTP/1.1"), "next");
});

test("tcp: a free port is told, a taken one is named", async () => {
  const { listener } = await serve(async () => textAnswer("tcp"), { host: "127.0.0.1", port: 0 });
  expect(listener.port).toBeGreaterThan(0);
  expect(await (await fetch(`http://127.0.0.1:${listener.port}/`)).text()).toBe("tcp");
  const again = listen(async () => textAnswer(""), { host: "127.0.0.1", port: listener.port });
  await expect(again).rejects.toThrow(`cannot listen on 127.0.0.1:${listener.port}`);
});

/** The descriptor of this process whose listening socket has that port. */
function descriptorOf(port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((row) => row.trim().split(/ +/));
  const wanted = `socket:[${rows.find((row) => row[1]?.endsWith(suffix))?.[9]}]`;
  const target = (n: string): string => {
    try {
      return readlinkSync(`/proc/self/fd/${n}`);
    } catch {
      // The descriptor that listed the folder is gone by now.
      return "";
    }
  };
  return Number(readdirSync("/proc/self/fd").find((n) => target(n) === wanted));
}

test("a descriptor that listens already: requests, an upgrade with its body apart from stdin", async () => {
  const owner = createServer().listen({ host: "127.0.0.1", port: 0 });
  await once(owner, "listening");
  const { port } = owner.address() as AddressInfo;
  const script = join(import.meta.dir, "testdata/serve-fd.ts");
  const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit", descriptorOf(port)] });
  cleanups.push(() => child.kill());
  await once(child.stdout as Readable, "data");
  await new Promise((resolve) => owner.close(resolve));
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("from fd");
  const socket = await client({ port });
  socket.write("POST /x HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 4\r\n\r\n{.");
  socket.write(".}in");
  await until(socket, "\r\n\r\n");
  socket.end("put");
  expect(await text(socket)).toBe("body={..} stdin=input");
});

test("a socket that cannot be made is named", async () => {
  const path = join(folder(), "no/such/folder/s");
  await expect(listen(async () => textAnswer(""), { unix: path })).rejects.toThrow(`cannot listen on ${path}`);
});
