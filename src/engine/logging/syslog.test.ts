import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { runOk } from "../../host/spawn.ts";
import {
  type LogServer,
  loggedContainer,
  streamServer,
  udpServer,
  unixDatagramServer,
} from "../../testing/log-servers.ts";
import { syslog } from "./syslog.ts";
import type { LogMessage } from "./types.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-syslog."));
});
afterAll(() => rmSync(dir, { recursive: true }));

const ID = loggedContainer().id.slice(0, 12);
const TIME = "2026-01-02T03:04:05.6789Z";
const message = (line: string, stream: "stdout" | "stderr" = "stdout"): LogMessage => ({
  line: Buffer.from(line, "latin1"),
  stream,
  time: TIME,
});
const lines = (count: number) => (all: Buffer) => all.toString().split("\n").length > count;

async function sent(server: LogServer, options: Record<string, string>, messages: LogMessage[]): Promise<string> {
  const connection = await syslog.open({ record: loggedContainer(), options });
  await connection.send(messages);
  const all = await server.until(lines(messages.length));
  connection.close();
  return all.toString("latin1");
}

/** Docker's stamp is in the host's own time. */
function stamp(): string {
  const text = new Date(TIME).toString();
  return `${text.slice(4, 7)} ${String(Number(text.slice(8, 10))).padStart(2)} ${text.slice(16, 24)}`;
}

test("TCP: priority by stream, tag and pid; bytes as they are", async () => {
  await using server = await streamServer();
  const options = { "syslog-address": `tcp://127.0.0.1:${server.port}` };
  const text = await sent(server, options, [message("hello"), message("bad \xff", "stderr"), message("")]);
  const own = `${stamp()} ${ID}[${process.pid}]:`;
  expect(text).toBe(`<30>${own} hello\n<27>${own} bad \xff\n<30>${own} \n`);
});

test("UDP: one datagram a message; facility and tag", async () => {
  await using server = await udpServer();
  const options = {
    "syslog-address": `udp://127.0.0.1:${server.port}`,
    "syslog-facility": "local7",
    "syslog-format": "rfc3164",
    tag: "{{.ImageName}}/{{.Name}}/{{.ID}}/{{.DaemonName}}",
  };
  const text = await sent(server, options, [message("one"), message("two", "stderr")]);
  const own = `${stamp()} ${hostname()} busybox/web/${ID}/docker[${process.pid}]:`;
  expect(text).toBe(`<190>${own} one\n<187>${own} two\n`);
  expect(server.received).toHaveLength(2);
});

test.each([
  ["rfc5424", "2026-01-02T03:04:05Z"],
  ["rfc5424micro", "2026-01-02T03:04:05.678900Z"],
])("%s", async (format, time) => {
  await using server = await streamServer();
  const options = { "syslog-address": `tcp://127.0.0.1:${server.port}`, "syslog-format": format, tag: "t" };
  const text = await sent(server, options, [message("x")]);
  expect(text).toBe(`<30>1 ${time} ${hostname()} t ${process.pid} t - x\n`);
});

test("a unix socket of either kind, whichever was asked for", async () => {
  const path = join(dir, "stream");
  await using stream = await streamServer({ path });
  const want = `<30>${stamp()} ${ID}[${process.pid}]: x\n`;
  expect(await sent(stream, { "syslog-address": `unix://${path}` }, [message("x")])).toBe(want);
  await using datagrams = await unixDatagramServer(join(dir, "dgram"));
  for (const scheme of ["unixgram", "unix"]) {
    datagrams.received.length = 0;
    expect(await sent(datagrams, { "syslog-address": `${scheme}://${join(dir, "dgram")}` }, [message("x")])).toBe(want);
  }
});

test("TLS: the server's name is checked against the CA; messages are counted", async () => {
  const at = (name: string): string => join(dir, name);
  await runOk(
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
      .split(" ")
      .concat(["-keyout", at("key"), "-out", at("cert")]),
  );
  const files = { key: await Bun.file(at("key")).text(), cert: await Bun.file(at("cert")).text() };
  await using server = await streamServer({ tls: files });
  const options = { "syslog-address": `tcp+tls://localhost:${server.port}`, "syslog-format": "rfc5424", tag: "t" };
  await expect(syslog.open({ record: loggedContainer(), options })).rejects.toThrow(/certificate/);
  const trusting = { ...options, "syslog-tls-ca-cert": at("cert") };
  const body = `<30>1 2026-01-02T03:04:05Z ${hostname()} t ${process.pid} t - x\n`;
  expect(await sent(server, trusting, [message("x")])).toBe(`${body.length} ${body}`);
  server.received.length = 0;
  const careless = { ...options, "syslog-tls-skip-verify": "1" };
  expect(await sent(server, careless, [message("x")])).toBe(`${body.length} ${body}`);
  const missing = { ...options, "syslog-tls-ca-cert": "/nope" };
  await expect(syslog.open({ record: loggedContainer(), options: missing })).rejects.toThrow(
    'could not read CA certificate "/nope": open /nope: no such file or directory',
  );
});

test("nobody there: Go's words", async () => {
  const open = (address: string) => syslog.open({ record: loggedContainer(), options: { "syslog-address": address } });
  await expect(open("tcp://127.0.0.1:1")).rejects.toThrow("dial tcp 127.0.0.1:1: connect: connection refused");
  await expect(open("tcp://no.such.host.invalid:1")).rejects.toThrow(
    "dial tcp: lookup no.such.host.invalid: no such host",
  );
});

test("a server that goes away makes send fail", async () => {
  const server = await streamServer();
  const options = { "syslog-address": `tcp://127.0.0.1:${server.port}` };
  const connection = await syslog.open({ record: loggedContainer(), options });
  await connection.send([message("x")]);
  await server.until(lines(1));
  await server[Symbol.asyncDispose]();
  const again = async (): Promise<void> => {
    for (;;) await connection.send([message("y")]);
  };
  await expect(again()).rejects.toThrow();
  connection.close();
});
