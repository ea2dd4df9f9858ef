import { afterAll, beforeAll, expect, test } from "bun:test";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loggedContainer } from "../../testing/log-servers.ts";
import { LogSender } from "./sender.ts";
import type { LogConnection, LogDriver, LogMessage } from "./types.ts";

let root: string;
let count = 0;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "berth-sender."));
});
afterAll(() => rmSync(root, { recursive: true }));

/** A server in memory that can be away, or hang. */
class FakeServer implements LogDriver {
  readonly messages: LogMessage[] = [];
  isUp = true;
  hangs = false;
  opened = 0;
  #wake: () => void = () => undefined;

  check(): void {}

  async open(): Promise<LogConnection> {
    this.opened++;
    if (!this.isUp) {
      this.#wake();
      throw new Error("connection refused");
    }
    let lost: (error: Error) => void = () => undefined;
    return {
      send: async (messages) => {
        if (!this.isUp) throw new Error("broken pipe");
        if (this.hangs) await new Promise((_, reject) => (lost = reject));
        this.messages.push(...messages.map((m) => ({ ...m, line: Buffer.from(m.line) })));
        this.#wake();
      },
      close: () => lost(new Error("closed")),
    };
  }

  text(): string {
    return this.messages.map(({ line }) => line.toString()).join(" ");
  }

  async until(enough: () => boolean): Promise<void> {
    while (!enough()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

function place(): { path: string; positionPath: string } {
  const dir = mkdtempSync(join(root, `c${count++}-`));
  return { path: join(dir, "cached.log"), positionPath: join(dir, "log-sent") };
}

const rows = (from: number, to: number, newline = true): string =>
  Array.from(
    { length: to - from + 1 },
    (_, i) => `{"log":"${from + i}${newline ? "\\n" : ""}","stream":"stdout","time":"2026-01-02T03:04:05Z"}\n`,
  ).join("");
const numbers = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i).join(" ");

function send(server: FakeServer, at: { path: string; positionPath: string }, warnings: string[] = []): LogSender {
  const source = { record: loggedContainer(), options: {} };
  return new LogSender({ source, driver: server, ...at, warn: (line) => warnings.push(line) });
}

test("sends what is there and what comes, over rotations, and ends with its container", async () => {
  const server = new FakeServer();
  const at = place();
  writeFileSync(at.path, rows(1, 3));
  const sender = send(server, at);
  await server.until(() => server.messages.length === 3);
  appendFileSync(at.path, rows(4, 5));
  renameSync(at.path, `${at.path}.1`);
  writeFileSync(at.path, rows(6, 6));
  await server.until(() => server.messages.length === 6);
  expect(sender.isBusy).toBe(true);
  appendFileSync(at.path, rows(7, 7));
  sender.ended();
  await sender.done;
  expect(server.text()).toBe(numbers(1, 7));
  expect(server.opened).toBe(1);
});

test("the next one goes on where this one was stopped", async () => {
  const server = new FakeServer();
  const at = place();
  writeFileSync(at.path, rows(1, 3));
  const first = send(server, at);
  await server.until(() => server.messages.length === 3);
  await first.stop();
  expect(readFileSync(at.positionPath, "utf8")).toMatch(/^1 \d+\n$/);
  appendFileSync(at.path, rows(4, 4));
  renameSync(at.path, `${at.path}.1`);
  writeFileSync(at.path, rows(5, 6));
  const second = send(server, at);
  second.ended();
  await second.done;
  expect(server.text()).toBe(numbers(1, 6));
});

test("a position that makes no sense means from the start: rather twice than never", async () => {
  const server = new FakeServer();
  const at = place();
  writeFileSync(at.path, rows(1, 2));
  writeFileSync(at.positionPath, "garbage");
  const sender = send(server, at);
  sender.ended();
  await sender.done;
  expect(server.text()).toBe(numbers(1, 2));
});

test("a server that is away is told of once; when it is back nothing is missing", async () => {
  const server = new FakeServer();
  server.isUp = false;
  const at = place();
  const warnings: string[] = [];
  writeFileSync(at.path, rows(1, 3));
  const sender = send(server, at, warnings);
  await server.until(() => server.opened > 1);
  expect(existsSync(at.positionPath)).toBe(false);
  appendFileSync(at.path, rows(4, 5));
  server.isUp = true;
  await server.until(() => server.messages.length === 5);
  server.isUp = false;
  appendFileSync(at.path, rows(6, 6));
  await server.until(() => server.opened > 3);
  server.isUp = true;
  sender.ended();
  await sender.done;
  expect(server.text()).toBe(numbers(1, 6));
  const away = expect.stringMatching(/connection refused|broken pipe/);
  expect(warnings).toEqual([away, "log driver: the server is back", away, "log driver: the server is back"]);
});

test("stopping does not wait for a server that is away, nor for one that hangs", async () => {
  const away = new FakeServer();
  away.isUp = false;
  const one = place();
  writeFileSync(one.path, rows(1, 1));
  const first = send(away, one);
  await away.until(() => away.opened > 0);
  await first.drain();
  expect(first.isBusy).toBe(false);
  const hanging = new FakeServer();
  hanging.hangs = true;
  const two = place();
  writeFileSync(two.path, rows(1, 1));
  await send(hanging, two).stop();
  expect(hanging.messages).toEqual([]);
  expect(existsSync(two.positionPath)).toBe(false);
});

test("draining waits for a server that takes it", async () => {
  const server = new FakeServer();
  const at = place();
  writeFileSync(at.path, rows(1, 2000));
  await send(server, at).drain();
  expect(server.text()).toBe(numbers(1, 2000));
});

test("pieces of a long line are numbered and share an id, stream by stream", async () => {
  const server = new FakeServer();
  const at = place();
  const err = rows(9, 9).replace("stdout", "stderr");
  writeFileSync(at.path, rows(1, 2, false) + err + rows(3, 4));
  const sender = send(server, at);
  sender.ended();
  await sender.done;
  const [a, b, other, c, whole] = server.messages;
  expect([a, b, c].map((m) => [m?.partial?.ordinal, m?.partial?.last])).toEqual([
    [1, false],
    [2, false],
    [3, true],
  ]);
  expect(new Set([a, b, c].map((m) => m?.partial?.id)).size).toBe(1);
  expect(a?.partial?.id).toMatch(/^[0-9a-f]{32}$/);
  expect([other?.partial, whole?.partial, other?.stream]).toEqual([undefined, undefined, "stderr"]);
});

test("torn lines are left out", async () => {
  const server = new FakeServer();
  const at = place();
  writeFileSync(at.path, `{"log":"tor\n${rows(1, 1)}\0\0\n${rows(2, 2)}`);
  const sender = send(server, at);
  sender.ended();
  await sender.done;
  expect(server.text()).toBe(numbers(1, 2));
});
