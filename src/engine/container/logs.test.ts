import { afterAll, beforeAll, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collect, EngineHarness, never, textOf } from "../../testing/engine-harness.ts";
import { LogReader } from "../logging/reader.ts";

let h: EngineHarness;
let dir: string;
beforeAll(async () => {
  h = await EngineHarness.open();
  dir = mkdtempSync(join(tmpdir(), "berth-logs."));
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

const remove = (id: string): Promise<void> =>
  h.backend.container.remove(id, { force: true, volumes: true, link: false });
async function read(files: LogReader): Promise<string[]> {
  return (await collect(files.chunks())).toString().split("\n").slice(0, -1);
}
const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => String(from + i));
const text = (from: number, to: number): string =>
  numbers(from, to)
    .map((n) => `${n}\n`)
    .join("");

test("rotated files are one sequence, oldest first", async () => {
  const path = join(dir, "a");
  writeFileSync(`${path}.9`, text(1, 3));
  writeFileSync(`${path}.10`, text(4, 6));
  writeFileSync(path, text(7, 8));
  expect(await read(new LogReader(path))).toEqual(numbers(1, 8));
});

test.each([0, 1, 2, 3, 5, 8, 20])("tail %p reads the last lines, over files", async (count) => {
  const path = join(dir, "tail");
  writeFileSync(`${path}.1`, text(1, 5));
  writeFileSync(path, text(6, 8));
  const files = new LogReader(path);
  await files.seekTail(count);
  expect(await read(files)).toEqual(numbers(1, 8).slice(Math.max(0, 8 - count)));
  files.close();
});

test("tail finds lines longer than a chunk", async () => {
  const path = join(dir, "long");
  const long = "x".repeat(200_000);
  writeFileSync(path, `a\n${long}\nb\n`);
  const files = new LogReader(path);
  await files.seekTail(2);
  expect(await read(files)).toEqual([long, "b"]);
});

test("what is written after the first read is read by the next, over two rotations and half a line", async () => {
  const path = join(dir, "grow");
  writeFileSync(path, "1\n2\n3");
  const files = new LogReader(path);
  expect(await read(files)).toEqual(["1", "2"]);
  appendFileSync(path, "\n4\n");
  for (const n of [5, 6]) {
    renameSync(path, `${path}.${n - 4}`);
    writeFileSync(path, `${n}\n`);
  }
  expect(await read(files)).toEqual(["3", "4", "5", "6"]);
  expect(await read(files)).toEqual([]);
  files.close();
});

test("a log that is rotated while it is followed loses and doubles nothing", async () => {
  const config = {
    HostConfig: { LogConfig: { Type: "json-file" as const, Config: { "max-size": "4k", "max-file": "50" } } },
  };
  const id = await h.start(["sh", "-c", "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo $i; done"], config);
  expect(await h.logs(id, { follow: true })).toBe(text(1, 1000));
  expect(await h.logs(id)).toBe(text(1, 1000));
  expect(await h.logs(id, { tail: 300 })).toBe(text(701, 1000));
  await remove(id);
});

test("follow ends with the container and delivers its last line; streams are told apart; times have nine digits", async () => {
  const id = await h.start(["sh", "-c", "echo a; sleep 0.1; echo b >&2; sleep 0.1; echo c"]);
  const options = { stdout: true, stderr: true, follow: true, timestamps: true, signal: never() };
  const { tty, stream } = await h.backend.container.logs(id, options);
  const bytes = await collect(stream);
  expect(tty).toBe(false);
  expect(textOf(bytes, false, "stderr")).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z b\n$/);
  expect(
    textOf(bytes, false, "stdout")
      .match(/^\S+ (.)$/gm)
      ?.map((l) => l.at(-1)),
  ).toEqual(["a", "c"]);
  await remove(id);
});

test("since and until cut by time", async () => {
  const id = await h.start(["sh", "-c", "echo a; sleep 0.2; echo b"]);
  await h.wait(id);
  const wanted = { stdout: true, stderr: true, follow: false, timestamps: true, signal: never() };
  const all = textOf(await collect((await h.backend.container.logs(id, wanted)).stream), false);
  const [first = "", second = ""] = all.split("\n").map((line) => line.split(" ")[0] ?? "");
  const middle = new Date((Date.parse(first) + Date.parse(second)) / 2).toISOString();
  expect(await h.logs(id, { since: middle })).toBe("b\n");
  const { stream } = await h.backend.container.logs(id, { ...wanted, timestamps: false, until: middle });
  expect(textOf(await collect(stream), false)).toBe("a\n");
  await remove(id);
});

test("no log, no stream: Docker's words", async () => {
  const id = await h.create(["true"], { HostConfig: { LogConfig: { Type: "none" } } });
  const options = { stdout: true, stderr: true, follow: false, timestamps: false, signal: never() };
  await expect(h.backend.container.logs(id, options)).rejects.toThrow(
    "configured logging driver does not support reading",
  );
  await expect(h.backend.container.logs(id, { ...options, stdout: false, stderr: false })).rejects.toThrow(
    "you must choose at least one stream",
  );
  await remove(id);
});
