import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { collect } from "../../testing/engine-harness.ts";
import { LogReader } from "./reader.ts";

let dir: string;
let count = 0;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-reader."));
});
afterAll(() => rmSync(dir, { recursive: true }));

const fresh = (): string => join(dir, `log${count++}`);
const text = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join("");
const read = async (reader: LogReader): Promise<string> => (await collect(copied(reader))).toString();

/** Its buffers are used again. */
async function* copied(reader: LogReader): AsyncGenerator<Buffer> {
  for await (const lines of reader.chunks()) yield Buffer.from(lines);
}

/** As the monitor does it. */
function rotate(path: string, number: number): void {
  renameSync(path, `${path}.${number}`);
  writeFileSync(path, "");
}

/** As gzip does it: the plain form goes when the other is whole. */
function compress(path: string, number: number): void {
  const plain = `${path}.${number}`;
  writeFileSync(`${plain}.gz`, gzipSync(readFileSync(plain)));
  unlinkSync(plain);
}

/** 1 to 12 in four files, of which two are compressed. */
function mixed(): string {
  const path = fresh();
  writeFileSync(`${path}.7`, text(1, 3));
  writeFileSync(`${path}.8`, text(4, 6));
  writeFileSync(`${path}.9`, text(7, 9));
  writeFileSync(path, text(10, 12));
  compress(path, 7);
  compress(path, 8);
  return path;
}

test("compressed files are read in their place", async () => {
  expect(await read(new LogReader(mixed()))).toBe(text(1, 12));
});

test.each([0, 1, 3, 4, 6, 7, 8, 11, 12, 50])("tail %p over compressed files", async (tail) => {
  const reader = new LogReader(mixed());
  await reader.seekTail(tail);
  expect(await read(reader)).toBe(text(13 - Math.min(tail, 12), 12));
  reader.close();
});

test("a half-written compressed file counts for nothing while the plain one is there", async () => {
  const path = mixed();
  writeFileSync(`${path}.9.gz`, "half");
  expect(await read(new LogReader(path))).toBe(text(1, 12));
});

test("a compressed file that was cut off gives what can be read, and the next ones", async () => {
  const path = fresh();
  writeFileSync(`${path}.1.gz`, gzipSync(text(1, 9999)).subarray(0, 9000));
  writeFileSync(path, text(10_000, 10_001));
  const all = await read(new LogReader(path));
  expect(all).toStartWith(text(1, 100));
  expect(all).toEndWith(`\n${text(10_000, 10_001)}`);
});

test("the file in hand is rotated, compressed and followed by others: no line twice, none missing", async () => {
  const path = fresh();
  writeFileSync(path, text(1, 3));
  const reader = new LogReader(path);
  expect(await read(reader)).toBe(text(1, 3));
  appendFileSync(path, text(4, 5));
  rotate(path, 1);
  appendFileSync(path, text(6, 7));
  rotate(path, 2);
  appendFileSync(path, text(8, 8));
  compress(path, 1);
  compress(path, 2);
  expect(await read(reader)).toBe(text(4, 8));
  rotate(path, 3);
  compress(path, 3);
  expect(await read(reader)).toBe("");
  appendFileSync(path, text(9, 9));
  expect(await read(reader)).toBe(text(9, 9));
});

test("between the rename and the new file there is nothing, and nothing is lost", async () => {
  const path = fresh();
  writeFileSync(path, text(1, 2));
  const reader = new LogReader(path);
  await read(reader);
  renameSync(path, `${path}.1`);
  expect(await read(reader)).toBe("");
  writeFileSync(path, text(3, 4));
  expect(await read(reader)).toBe(text(3, 4));
});

test("with one file the next begins where the last was taken away", async () => {
  const path = fresh();
  writeFileSync(path, text(1, 2));
  const reader = new LogReader(path);
  await read(reader);
  unlinkSync(path);
  writeFileSync(path, text(3, 4));
  expect(await read(reader)).toBe(text(3, 4));
});

test("older files that somebody removed change nothing for who reads the newest", async () => {
  const path = mixed();
  const reader = new LogReader(path);
  await read(reader);
  for (const name of ["7.gz", "8.gz", "9"]) unlinkSync(`${path}.${name}`);
  rotate(path, 10);
  appendFileSync(path, text(13, 13));
  expect(await read(reader)).toBe(text(13, 13));
});

test("a position is good for another reader, also when its file was compressed or has gone", async () => {
  const path = fresh();
  writeFileSync(path, `${text(1, 3)}half`);
  const first = new LogReader(path);
  await read(first);
  const at = first.position;
  expect(at).toEqual({ file: 1, offset: 6 });
  const rest = async (): Promise<string> => {
    const reader = new LogReader(path);
    reader.seek(at);
    return read(reader);
  };
  writeFileSync(path, text(1, 5));
  expect(await rest()).toBe(text(4, 5));
  rotate(path, 1);
  appendFileSync(path, text(6, 6));
  expect(await rest()).toBe(text(4, 6));
  compress(path, 1);
  expect(await rest()).toBe(text(4, 6));
  unlinkSync(`${path}.1.gz`);
  rotate(path, 2);
  appendFileSync(path, text(7, 7));
  expect(await rest()).toBe(text(6, 7));
});

test("no log at all: nothing, until there is one", async () => {
  const path = fresh();
  const reader = new LogReader(path);
  await reader.seekTail(5);
  expect(await read(reader)).toBe("");
  writeFileSync(path, text(1, 2));
  expect(await read(reader)).toBe(text(1, 2));
});

test("a folder that is removed under who reads is the end, with what was read before", async () => {
  const folder = fresh();
  mkdirSync(folder);
  const path = join(folder, "log");
  writeFileSync(path, text(1, 3));
  const [begun, late] = [new LogReader(path), new LogReader(path)];
  expect(await read(begun)).toBe(text(1, 3));
  appendFileSync(path, text(4, 5));
  rmSync(folder, { recursive: true });
  expect(await read(begun)).toBe(text(4, 5));
  expect(await read(begun)).toBe("");
  await late.seekTail(2);
  expect(await read(late)).toBe("");
  begun.close();
});
