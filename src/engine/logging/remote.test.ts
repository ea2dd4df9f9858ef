import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, inflateSync } from "node:zlib";
import { loggedContainer, streamServer, udpServer, unixDatagramServer } from "../../testing/log-servers.ts";
import { fluentd } from "./fluentd.ts";
import { gelf } from "./gelf.ts";
import { journaldAt } from "./journald.ts";
import type { LogDriver, LogMessage } from "./types.ts";

// GELF, fluentd's forward protocol and the journal's: what arrives is taken apart by their specifications.

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-remote."));
});
afterAll(() => rmSync(dir, { recursive: true }));

const RECORD = loggedContainer();
const TIME = "2026-01-02T03:04:05.6789Z";
const SECONDS = Date.UTC(2026, 0, 2, 3, 4, 5) / 1000;
const ATTRS = { labels: "tier,absent", "labels-regex": "^com\\.", env: "REGION" };
const text = (line: string, more: Partial<LogMessage> = {}): LogMessage => ({
  line: Buffer.from(line),
  stream: "stdout",
  time: TIME,
  ...more,
});

async function send(driver: LogDriver, options: Record<string, string>, messages: LogMessage[]): Promise<void> {
  const connection = await driver.open({ record: RECORD, options });
  await connection.send(messages);
  connection.close();
}

const GELF = {
  version: "1.1",
  host: hostname(),
  short_message: "hello",
  timestamp: SECONDS + 0.678,
  level: 6,
  _command: "sh -c x",
  _container_id: RECORD.id,
  _container_name: "web",
  _created: "2026-01-02T00:00:00.000Z",
  _image_id: RECORD.image,
  _image_name: "busybox",
  _tag: RECORD.id.slice(0, 12),
};

test("gelf over UDP is compressed as asked for, and has no empty messages", async () => {
  await using server = await udpServer();
  const address = { "gelf-address": `udp://127.0.0.1:${server.port}` };
  const unpack: [string, (bytes: Buffer) => Buffer][] = [
    ["gzip", gunzipSync],
    ["zlib", inflateSync],
    ["none", (bytes) => bytes],
  ];
  for (const [type, open] of unpack) {
    server.received.length = 0;
    await send(gelf, { ...address, "gelf-compression-type": type }, [text(""), text("hello")]);
    const all = await server.until((bytes) => bytes.length > 0);
    expect(JSON.parse(open(all).toString())).toEqual(GELF);
    expect(server.received).toHaveLength(1);
  }
});

test("gelf in chunks: magic, one id, numbers, count; what is too long for that is dropped", async () => {
  await using server = await udpServer();
  const options = { "gelf-address": `udp://127.0.0.1:${server.port}`, "gelf-compression-type": "none" };
  await send(gelf, options, [text("x".repeat(300_000)), text("y".repeat(16_000), { stream: "stderr" })]);
  await server.until((all) => all.length > 16_000);
  const parts = server.received.map((part) => ({
    id: part.subarray(2, 10).toString("hex"),
    at: part[10],
    of: part[11],
  }));
  expect(server.received.every((part) => part.length <= 1420 && part.readUInt16BE() === 0x1e0f)).toBe(true);
  expect(new Set(parts.map(({ id }) => id)).size).toBe(1);
  expect(parts.map(({ at }) => at)).toEqual(parts.map((_, i) => i));
  expect(parts.every((part) => part.of === server.received.length)).toBe(true);
  const message = JSON.parse(Buffer.concat(server.received.map((part) => part.subarray(12))).toString());
  expect(message).toEqual({ ...GELF, level: 3, short_message: "y".repeat(16_000) });
});

test("gelf over TCP: each message ends with a NUL; attributes have an underscore", async () => {
  await using server = await streamServer();
  const options = { "gelf-address": `tcp://127.0.0.1:${server.port}`, tag: "{{.Name}}", ...ATTRS };
  await send(gelf, options, [text("hello"), text("two")]);
  const all = await server.until((bytes) => bytes.toString().split("\0").length > 2);
  const [first = "", second = ""] = all.toString().split("\0");
  const extra = { _tag: "web", _tier: "1", "_com.example.team": "blue", _REGION: "eu" };
  expect(JSON.parse(first)).toEqual({ ...GELF, ...extra });
  expect(JSON.parse(second)).toMatchObject({ short_message: "two" });
  await expect(gelf.open({ record: RECORD, options: { "gelf-address": "tcp://127.0.0.1:1" } })).rejects.toThrow(
    "gelf: cannot connect to GELF endpoint: 127.0.0.1:1 dial tcp 127.0.0.1:1: connect: connection refused",
  );
});

/** MessagePack, as far as the forward protocol goes. */
function unpack(bytes: Buffer, at: number): { value: unknown; end: number } {
  const byte = bytes[at] ?? 0;
  const many = (count: number, from: number): { value: unknown[]; end: number } => {
    const value: unknown[] = [];
    let end = from;
    for (let i = 0; i < count; i++) {
      const item = unpack(bytes, end);
      value.push(item.value);
      end = item.end;
    }
    return { value, end };
  };
  const string = (length: number, from: number) => ({
    value: bytes.toString("latin1", from, from + length),
    end: from + length,
  });
  const map = (count: number, from: number) => {
    const { value, end } = many(2 * count, from);
    return {
      value: Object.fromEntries(Array.from({ length: count }, (_, i) => [value[2 * i], value[2 * i + 1]])),
      end,
    };
  };
  if (byte < 0x80) return { value: byte, end: at + 1 };
  if (byte < 0x90) return map(byte & 15, at + 1);
  if (byte < 0xa0) return many(byte & 15, at + 1);
  if (byte < 0xc0) return string(byte & 31, at + 1);
  if (byte === 0xd9) return string(bytes.readUInt8(at + 1), at + 2);
  if (byte === 0xda) return string(bytes.readUInt16BE(at + 1), at + 3);
  if (byte === 0xdb) return string(bytes.readUInt32BE(at + 1), at + 5);
  if (byte === 0xde) return map(bytes.readUInt16BE(at + 1), at + 3);
  if (byte === 0xcf) return { value: Number(bytes.readBigUInt64BE(at + 1)), end: at + 9 };
  if (byte === 0xd7) return { value: [bytes.readUInt32BE(at + 2), bytes.readUInt32BE(at + 6)], end: at + 10 };
  throw new Error(`unexpected byte ${byte.toString(16)} at ${at}`);
}

function events(bytes: Buffer): unknown[] {
  const all: unknown[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { value, end } = unpack(bytes, at);
    all.push(value);
    at = end;
  }
  return all;
}

const FLUENTD = { container_id: RECORD.id, container_name: "/web", source: "stdout" };

test("fluentd: tag, time and record; pieces of a line are told", async () => {
  await using server = await streamServer();
  const options = { "fluentd-address": `127.0.0.1:${server.port}`, ...ATTRS, "env-regex": "." };
  const long = "z".repeat(70_000);
  const partial = { id: "p1", ordinal: 1, last: false };
  await send(fluentd, options, [text("hello"), text(long, { stream: "stderr", partial })]);
  const all = await server.until((bytes) => bytes.length > 70_000 && bytes.includes("partial_last"));
  const tag = RECORD.id.slice(0, 12);
  const extra = { tier: "1", "com.example.team": "blue", REGION: "eu", EMPTY: "" };
  const pieces = { partial_message: "true", partial_id: "p1", partial_ordinal: "1", partial_last: "false" };
  expect(events(all)).toEqual([
    [tag, SECONDS, { ...FLUENTD, log: "hello", ...extra }],
    [tag, SECONDS, { ...FLUENTD, source: "stderr", log: long, ...extra, ...pieces }],
  ]);
});

test("fluentd: nanoseconds, a unix socket, and acknowledgements that are waited for", async () => {
  const path = join(dir, "fluentd");
  let seen = 0;
  const answer = (bytes: Buffer): Buffer => {
    seen++;
    const [, , , option] = events(bytes)[0] as [string, unknown, unknown, { chunk: string }];
    return Buffer.concat([
      Buffer.of(0x81, 0xa3),
      Buffer.from("ack"),
      Buffer.of(0xa0 | option.chunk.length),
      Buffer.from(option.chunk),
    ]);
  };
  await using server = await streamServer({ path, answer });
  const options = {
    "fluentd-address": `unix://${path}`,
    "fluentd-sub-second-precision": "true",
    "fluentd-request-ack": "true",
    tag: "docker.{{.Name}}",
  };
  await send(fluentd, options, [text("one"), text("two")]);
  expect(seen).toBe(2);
  const [first] = events(Buffer.concat(server.received)) as [unknown[]];
  expect(first.slice(0, 3)).toEqual(["docker.web", [SECONDS, 678_900_000], { ...FLUENTD, log: "one" }]);
  expect(fluentd.isAsync?.({ "fluentd-async": "true" })).toBe(true);
  await expect(fluentd.open({ record: RECORD, options: { "fluentd-address": "127.0.0.1:1" } })).rejects.toThrow(
    "dial tcp 127.0.0.1:1: connect: connection refused",
  );
});

/** An entry of the journal's native protocol. */
function fields(bytes: Buffer): Record<string, string> {
  const found: Record<string, string> = {};
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(10, at);
    const [, name = "", value] = /^([A-Z0-9_]+)(?:=(.*))?$/s.exec(bytes.toString("latin1", at, end)) ?? [];
    const length = value === undefined ? Number(bytes.readBigUInt64LE(end + 1)) : 0;
    found[name] = value ?? bytes.toString("latin1", end + 9, end + 9 + length);
    at = value === undefined ? end + 9 + length + 1 : end + 1;
  }
  return found;
}

test("journald: Docker's fields, one datagram an entry", async () => {
  const path = join(dir, "journal");
  await using server = await unixDatagramServer(path);
  const partial = { id: "p1", ordinal: 2, last: true };
  await send(journaldAt(path), { tag: "{{.ImageName}}", ...ATTRS }, [
    text("hello"),
    { ...text(""), line: Buffer.from("a\nb\xff", "latin1"), stream: "stderr", partial },
  ]);
  await server.until(() => server.received.length === 2);
  const common = {
    CONTAINER_ID: RECORD.id.slice(0, 12),
    CONTAINER_ID_FULL: RECORD.id,
    CONTAINER_NAME: "web",
    CONTAINER_TAG: "busybox",
    IMAGE_NAME: "busybox",
    SYSLOG_IDENTIFIER: "busybox",
    SYSLOG_TIMESTAMP: TIME,
    TIER: "1",
    COM_EXAMPLE_TEAM: "blue",
    REGION: "eu",
  };
  expect(server.received.map(fields)).toEqual([
    { MESSAGE: "hello", PRIORITY: "6", ...common },
    {
      MESSAGE: "a\nb\xff",
      PRIORITY: "3",
      ...common,
      CONTAINER_PARTIAL_ID: "p1",
      CONTAINER_PARTIAL_ORDINAL: "2",
      CONTAINER_PARTIAL_LAST: "true",
    },
  ]);
});

test("no journal on this host: Docker's words", async () => {
  const driver = journaldAt(join(dir, "absent"));
  await expect(driver.open({ record: RECORD, options: {} })).rejects.toThrow("journald is not enabled on this host");
});
