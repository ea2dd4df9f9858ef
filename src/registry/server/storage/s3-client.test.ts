import { afterAll, beforeAll, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { type S3Server, s3Server } from "../../../testing/s3-server.ts";
import { S3Client } from "./s3-client.ts";

// What the S3 server of the other tests never does: cut answers, no ranges, too much load. Bare sockets do that here.

const BYTES = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));
let store: S3Server;
beforeAll(async () => {
  store = await s3Server();
});
afterAll(() => store[Symbol.asyncDispose]());

/** Answers each connection's one request by `answer`. */
async function badServer(
  answer: (request: string, socket: Socket) => void,
): Promise<AsyncDisposable & { client: S3Client }> {
  const server: Server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (data) => answer(data.toString(), socket));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  return {
    client: new S3Client({ ...store.options, endpoint: `http://127.0.0.1:${port}` }),
    [Symbol.asyncDispose]: () => new Promise<void>((done) => server.close(() => done())),
  };
}

async function readAll(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of source) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

function rangeOf(request: string): [number, number] {
  const [, from, to] = /range: bytes=(\d+)-(\d+)/i.exec(request) ?? [];
  return [Number(from), Number(to) + 1];
}

test("an answer that is cut off goes on from there, and is never short", async () => {
  const asked: number[] = [];
  let cut = (): void => undefined;
  await using bad = await badServer((request, socket) => {
    const [from, to] = rangeOf(request);
    asked.push(from);
    cut = () => void socket.destroy();
    socket.write(`HTTP/1.1 206 Partial Content\r\nContent-Length: ${to - from}\r\nConnection: close\r\n\r\n`);
    socket.write(BYTES.subarray(from, Math.min(to, from + 1500)));
  });
  const parts: Uint8Array[] = [];
  for await (const part of bad.client.read("key", { start: 10, end: 4000 })) {
    parts.push(Buffer.from(part));
    // What the client has not been given by then may be lost, and comes again.
    cut();
  }
  expect(Buffer.concat(parts).equals(BYTES.subarray(10, 4000))).toBe(true);
  expect(asked[0]).toBe(10);
  expect(asked.length).toBeGreaterThan(2);
});

test("a store that knows no ranges gives the right bytes", async () => {
  await using bad = await badServer((_, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BYTES.byteLength}\r\nConnection: close\r\n\r\n`);
    socket.end(BYTES);
  });
  const found = await readAll(bad.client.read("key", { start: 1234, end: 1300 }));
  expect(found.equals(BYTES.subarray(1234, 1300))).toBe(true);
});

test("an answer that never has a byte ends in one line", async () => {
  await using bad = await badServer((request, socket) => {
    const [from, to] = rangeOf(request);
    socket.end(`HTTP/1.1 206 Partial Content\r\nContent-Length: ${to - from}\r\nConnection: close\r\n\r\n`);
  });
  const failed = await readAll(bad.client.read("key", { start: 0, end: 100 })).then(
    () => "read",
    (error: Error) => error.message,
  );
  expect(failed).toMatch(/^bucket registry at 127\.0\.0\.1:\d+: [^\n]+$/);
  expect(failed).not.toContain(store.options.secretAccessKey);
});

test("what fails for the store's load is asked again", async () => {
  let asked = 0;
  await using bad = await badServer((_, socket) => {
    const status = ++asked < 3 ? "503 Slow Down" : "200 OK";
    socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok`);
  });
  expect((await bad.client.get("key", 100))?.toString()).toBe("ok");
  expect(asked).toBe(3);
});
