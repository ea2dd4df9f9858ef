import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isKind } from "../spec/errors.ts";
import { engineClient } from "./client.ts";
import { isUnreachable, statusOf } from "./errors.ts";
import { fetchTransport } from "./fetch-transport.ts";
import { parseHost } from "./host.ts";
import { httpTransport } from "./http-transport.ts";
import { target } from "./transport.ts";

interface Listening {
  host: string;
  path: string;
  [Symbol.asyncDispose](): Promise<void>;
}

async function listen(
  server: Server,
  path = join(mkdtempSync(join(tmpdir(), "client-")), "s.sock"),
): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    host: `unix://${path}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      rmSync(join(path, ".."), { recursive: true, force: true });
    },
  };
}

const answering = (status: number, body: string) =>
  createHttp((_, response) => void response.writeHead(status).end(body));

test.each([
  [400, "invalid-argument"],
  [401, "unauthorized"],
  [403, "forbidden"],
  [404, "not-found"],
  [409, "conflict"],
  [500, "internal"],
  [501, "not-implemented"],
  [503, "unavailable"],
] as const)("an answer %p is an error of kind %p with the engine's message", async (status, kind) => {
  await using server = await listen(answering(status, '{"message":"why"}'));
  const error: unknown = await engineClient(server)
    .containers.inspect("x")
    .catch((e: unknown) => e);
  expect(error).toHaveProperty("message", "why");
  expect(isKind(error, kind)).toBe(true);
  expect(statusOf(error)).toBe(status);
  expect(isUnreachable(error)).toBe(false);
});

test("an error that is not JSON keeps its text, an empty one its status", async () => {
  await using server = await listen(answering(502, "bad gateway\n"));
  expect(engineClient(server).system.info()).rejects.toThrow("bad gateway");
  await using empty = await listen(answering(500, ""));
  expect(engineClient(empty).system.info()).rejects.toThrow("the engine answered with status 500");
});

test("304 is one of the good answers of start and stop", async () => {
  await using server = await listen(answering(304, ""));
  await engineClient(server).containers.start("x");
});

test("nothing at the host: the hook is called once, and the request sent again", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "client-")), "s.sock");
  let woken = 0;
  let server: Listening | undefined;
  const wake = async (): Promise<void> => {
    woken++;
    server ??= await listen(answering(200, "[]"), path);
  };
  const client = engineClient({ host: `unix://${path}`, onUnreachable: wake });
  expect(await client.containers.list({})).toEqual([]);
  expect(await client.containers.list({})).toEqual([]);
  expect(woken).toBe(1);
  await server?.[Symbol.asyncDispose]();
});

test("without a hook, or where it does not help, the error names the host", async () => {
  const host = "unix:///nonexistent/e.sock";
  for (const onUnreachable of [undefined, async () => undefined]) {
    const client = engineClient({ host, onUnreachable });
    expect(client.system.info()).rejects.toThrow(`cannot connect to the Berth daemon at ${host}: is it running?`);
    expect(client.containers.attach("x", {})).rejects.toThrow(`cannot connect to the Berth daemon at ${host}`);
    expect(client.containers.logs("x", {})).rejects.toThrow(`cannot connect to the Berth daemon at ${host}`);
  }
});

test("both transports send the same and read the same", async () => {
  const server = createHttp((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => response.writeHead(200, { "x-seen": request.url ?? "" }).end(Buffer.concat(parts)));
  });
  await using listening = await listen(server);
  for (const make of [fetchTransport, httpTransport]) {
    const transport = make(parseHost(listening.host));
    const response = await transport.send({
      method: "POST",
      path: "/a%20b",
      query: { x: "é&", y: true, z: false },
      body: "text",
    });
    const seen = [response.status, response.header("X-Seen"), await response.text()];
    expect(seen).toEqual([200, "/a%20b?x=%C3%A9%26&y=1", "text"]);
  }
});

test("a body that is a stream is not read ahead of an engine that is slow", async () => {
  let released = false;
  const server = createServer((socket) => socket.pause());
  await using listening = await listen(server);
  let sent = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    while (!released) {
      sent += 65536;
      yield new Uint8Array(65536);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const abort = new AbortController();
  const build = engineClient(listening).images.build(endless(), {}, { signal: abort.signal });
  const first = build.next().catch(() => undefined);
  let before = -1;
  // Without back-pressure `sent` grows for ever, and this loop does not end in the test's time.
  while (sent === 0 || sent !== before) {
    before = sent;
    await Bun.sleep(30);
  }
  expect(sent).toBeLessThan(8 * 2 ** 20);
  released = true;
  abort.abort();
  await first;
});

/** A raw server that answers an upgrade with these bytes, in the given pieces. */
const raw = (...pieces: string[]) =>
  createServer((socket) => {
    socket.once("data", () => {
      for (const piece of pieces) socket.write(piece);
    });
  });

test("an upgrade gives the stream, with what came behind the head first", async () => {
  for (const head of ["HTTP/1.1 101 UPGRADED\r\nContent-Type: application/x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"]) {
    await using server = await listen(raw(head.slice(0, 10), `${head.slice(10)}early`));
    const { socket } = await engineClient(server).containers.attach("x", { stdout: true });
    const [chunk] = await new Promise<Buffer[]>((resolve) =>
      socket.once("data", (data: Buffer) => resolve([data])).resume(),
    );
    expect(chunk?.toString()).toBe("early");
    socket.destroy();
  }
});

test.each([
  ["with a length", 'HTTP/1.1 404 Not Found\r\nContent-Length: 15\r\n\r\n{"message":"no"}'],
  ["in chunks", 'HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{"message":"no"}\r\n0\r\n\r\n'],
])("an upgrade that is refused %s gives the engine's error", async (how, answer) => {
  const server = createServer((socket) => {
    socket.once("data", () => (how === "in chunks" ? socket.end(answer) : socket.write(answer.replace("15", "16"))));
  });
  await using listening = await listen(server);
  expect(engineClient(listening).containers.attach("x", {})).rejects.toThrow(new Error("no"));
});

test("hosts", () => {
  expect(parseHost("unix:///a.sock")).toMatchObject({ kind: "unix", path: "/a.sock" });
  expect(parseHost("tcp://1.2.3.4:5")).toMatchObject({ kind: "tcp", hostname: "1.2.3.4", port: 5 });
  expect(parseHost("tcp://[::1]:5")).toMatchObject({ hostname: "::1", port: 5 });
  expect(parseHost("box")).toMatchObject({ hostname: "box", port: 2375 });
  const tls = { verify: true, ca: "PEM" };
  expect(parseHost("tcp://box", tls)).toMatchObject({ hostname: "box", port: 2376, tls });
  expect(parseHost("https://box:1")).toMatchObject({ port: 1, tls: { verify: true } });
  const plain = ["-o", "ConnectTimeout=30", "-T", "--"];
  expect(parseHost("ssh://me@box:22/run/x.sock")).toMatchObject({
    kind: "ssh",
    destination: ["-l", "me", "-p", "22", ...plain, "box"],
    path: "/run/x.sock",
  });
  expect(parseHost("ssh://box")).toMatchObject({ destination: [...plain, "box"], path: "" });
  for (const [bad, why] of [
    ["ssh://a:b@box", "plain-text password is not supported"],
    ["ssh://", "hostname is empty"],
    ["ssh://box?x=1", "query parameters are not allowed"],
    ["ssh://-oProxyCommand=x", "cannot begin with a dash"],
    ["ssh://-l@box", "cannot begin with a dash"],
  ] as const) {
    expect(() => parseHost(bad)).toThrow(why);
  }
  for (const bad of ["", "foo://x", "tcp://a b"]) expect(() => parseHost(bad)).toThrow("unable to parse docker host");
});

test("queries follow Docker's conventions", () => {
  expect(target("/x", { a: true, b: false, c: undefined, d: 0, e: "", t: ["1", "2"] })).toBe("/x?a=1&d=0&e=&t=1&t=2");
  expect(target("/x", {})).toBe("/x");
});
