import { afterAll, beforeAll, expect, test } from "bun:test";
import { TestDaemon } from "../../src/testing/daemon.ts";
import { RawClient } from "../../src/testing/raw-client.ts";

let d: TestDaemon;
beforeAll(async () => {
  d = await TestDaemon.start();
  const echo = "while read x; do echo out $x; echo err $x >&2; [ $x = quit ] && exit 3; done";
  await d.ok("run", "-di", "--name", "echo", "--net", "none", "busybox", "sh", "-c", echo);
  await d.ok("run", "-dit", "--name", "term", "--net", "none", "busybox", "sh", "-c", "stty -echo; echo up; exec cat");
});
afterAll(() => d[Symbol.asyncDispose]());

const KEY = {
  Upgrade: "websocket",
  Connection: "Upgrade",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version": "13",
};

/** A masked frame of at most 125 bytes. */
function frame(opcode: number, text: string): Buffer {
  const data = Buffer.from(text, "latin1").map((byte, i) => byte ^ (i % 4));
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | data.length, 0, 1, 2, 3]), data]);
}
async function attach(name: string, query: string, version = "v1.51"): Promise<RawClient> {
  const ws = new RawClient(d.socket, `GET /${version}/containers/${name}/attach/ws?${query}`, KEY);
  await ws.until((t) => t.includes("\r\n\r\n"));
  return ws;
}
const BYE = "\x88\x02\x03\xe8";

test("the handshake, input, and output in binary frames without stdcopy's headers; a ping is answered", async () => {
  const ws = await attach("echo", "stream=1&stdin=1&stdout=1&stderr=1");
  ws.send(frame(9, "?"));
  ws.send(frame(2, "one\n"));
  await ws.until((t) => t.includes("out one") && t.includes("err one"));
  ws.send(frame(1, "two\n"));
  const text = await ws.until((t) => t.includes("out two") && t.includes("err two"));
  expect(text).toStartWith("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n");
  expect(text).toContain("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x8a\x01?");
  expect(text).toContain("\x82\x08out one\n");
  expect(text).toContain("\x82\x08err two\n");
  ws.send(frame(8, "\x03\xe8"));
  expect(await ws.whole()).toEndWith(BYE);
});

test("only the streams that were asked for; before 1.42 all, before 1.28 as text", async () => {
  const chosen = await attach("echo", "stream=1&stdin=1&stdout=1");
  const old = await attach("echo", "stream=1", "v1.27");
  old.send(frame(2, "who\n"));
  const seen = await old.until((t) => t.includes("out who") && t.includes("err who"));
  expect(seen).toContain("\x81\x08out who\n");
  chosen.send(frame(2, "me\n"));
  expect(await chosen.until((t) => t.includes("out me"))).not.toContain("err ");
  old.destroy();
  chosen.destroy();
  const nothing = await attach("echo", "stream=1");
  expect(await nothing.whole()).toEndWith(`\r\n\r\n${BYE}`);
});

test("logs end with the close frame", async () => {
  expect(await (await attach("echo", "logs=1&stdout=1")).whole()).toMatch(/\x82\x08out one\n[\s\S]*\x88\x02\x03\xe8$/);
});

test("a terminal: one stream, and the detach keys close it", async () => {
  const ws = await attach("term", "stream=1&stdin=1&stdout=1&detachKeys=ctrl-a,b");
  ws.send(frame(2, "hello\n"));
  await ws.until((t) => t.includes("\x82\x07hello\r\n"));
  ws.send(frame(2, "\x01"));
  ws.send(frame(2, "b"));
  expect(await ws.whole()).toEndWith(BYE);
  expect(await d.ok("inspect", "-f", "{{.State.Running}}", "term")).toBe("true");
});

test("a client that breaks the protocol is closed with 1002", async () => {
  const ws = await attach("echo", "stream=1&stdin=1&stdout=1");
  ws.send(Buffer.from("\x82\x01x", "latin1"));
  expect(await ws.whole()).toEndWith("\x88\x02\x03\xea");
});

test.each([
  ["no upgrade", {}, "echo", 400, "not websocket protocol"],
  ["another upgrade", { ...KEY, Upgrade: "tcp" }, "echo", 400, "not websocket protocol"],
  ["an old version", { ...KEY, "Sec-WebSocket-Version": "8" }, "echo", 400, "missing or bad WebSocket Version"],
  ["no key", { ...KEY, "Sec-WebSocket-Key": "" }, "echo", 400, "mismatch challenge/response"],
  ["no container", KEY, "nosuch", 404, "No such container: nosuch"],
])("%s is refused before the upgrade", async (_name, headers, container, status, message) => {
  const raw = new RawClient(d.socket, `GET /v1.51/containers/${container}/attach/ws?stream=1&stdout=1`, headers);
  const text = await raw.until((t) => t.endsWith("}\n"));
  raw.destroy();
  expect(text).toStartWith(`HTTP/1.1 ${status} `);
  expect(text).toEndWith(`{"message":"${message}"}\n`);
});

test("a paused container is refused", async () => {
  await d.ok("pause", "echo");
  expect(await (await attach("echo", "stream=1&stdout=1")).whole()).toContain(
    "is paused, unpause the container before attach",
  );
  await d.ok("unpause", "echo");
});

test("the container's end closes it; so does a client that just goes", async () => {
  const gone = await attach("echo", "stream=1&stdout=1");
  gone.destroy();
  const ws = await attach("echo", "stream=1&stdin=1&stdout=1&stderr=1");
  ws.send(frame(2, "quit\n"));
  expect(await ws.whole()).toEndWith(BYE);
  expect(await d.ok("wait", "echo")).toBe("3");
});

const H2C = { Upgrade: "h2c", Connection: "Upgrade", "X-Docker-Expose-Session-Uuid": "one" };
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const SETTINGS = Buffer.from("000000040000000000", "hex");
const PING = Buffer.from("0000080600000000000102030405060708", "hex");
const GOAWAY = Buffer.from("0000080700000000000000000000000000", "hex");

test("a session is an HTTP/2 connection that the engine begins; settings and pings are acknowledged", async () => {
  const session = new RawClient(d.socket, "POST /v1.51/session", H2C);
  const head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
  expect(await session.until((t) => t.length >= head.length + PREFACE.length)).toBe(head + PREFACE);
  session.send(SETTINGS);
  for (const byte of PING) session.send(Buffer.from([byte]));
  const acks = "\0\0\0\x04\x01\0\0\0\0\0\0\x08\x06\x01\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08";
  expect(await session.until((t) => t.endsWith(acks))).toBe(head + PREFACE + acks);
  const twice = new RawClient(d.socket, "POST /v1.51/session", H2C);
  expect(await twice.whole()).toContain("HTTP/1.1 400 Bad Request\r\n");
  session.send(GOAWAY);
  await session.whole();
  const again = new RawClient(d.socket, "POST /v1.51/session", H2C);
  await again.until((t) => t.endsWith(PREFACE));
  again.destroy();
});

test.each([
  ["/session", undefined, 400, "no upgrade proto in request"],
  ["/session", "tcp", 400, "protocol tcp not supported"],
  ["/grpc", undefined, 500, "no upgrade proto in request"],
  ["/grpc", "tcp", 500, "protocol tcp not supported"],
  ["/grpc", "h2c", 501, "BuildKit is not implemented by Berth (set DOCKER_BUILDKIT=0 to build)"],
])("POST %s with upgrade %p: %i", async (path, upgrade, status, message) => {
  const raw = new RawClient(d.socket, `POST /v1.51${path}`, upgrade ? { Upgrade: upgrade, Connection: "Upgrade" } : {});
  const text = await raw.until((t) => t.endsWith("}\n"));
  raw.destroy();
  expect([text.slice(0, 12), text.endsWith(`{"message":"${message}"}\n`)]).toEqual([`HTTP/1.1 ${status}`, true]);
});
