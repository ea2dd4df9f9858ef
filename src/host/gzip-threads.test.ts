import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { GzipThreads } from "./gzip-threads.ts";

const KIB = 1024;
const noise = (size: number): Uint8Array<ArrayBuffer> => new Uint8Array(randomBytes(size).buffer.slice(0, size));

test("no more threads than it may have, and none some time after the last block", async () => {
  const threads = new GzipThreads(2);
  const blocks = Array.from({ length: 6 }, () => new Uint8Array(400 * KIB).fill(7));
  const made = Promise.all(blocks.map((block) => threads.member(block)));
  expect(threads.running).toBe(2);
  for (const { member, block } of await made) {
    expect([block.byteLength, block[0], member.byteLength < 10_000]).toEqual([400 * KIB, 7, true]);
    expect(gunzipSync(member).equals(block)).toBe(true);
  }
  await threads.ended();
  expect(threads.running).toBe(0);
  expect((await threads.member(new Uint8Array(100 * KIB))).block.byteLength).toBe(100 * KIB);
  await threads.ended();
});

test("small blocks need no thread", async () => {
  const threads = new GzipThreads(2);
  const small = await threads.member(new Uint8Array(64 * KIB).fill(1));
  expect(threads.running).toBe(0);
  expect(gunzipSync(small.member).equals(Buffer.alloc(64 * KIB, 1))).toBe(true);
});

test("a block's memory is away until the answer, and is the whole of its buffer then", async () => {
  const threads = new GzipThreads(1);
  const whole = noise(300 * KIB);
  const copy = Buffer.from(whole);
  const made = threads.member(whole.subarray(0, 200 * KIB));
  expect(whole.byteLength).toBe(0);
  const { member, block } = await made;
  expect(gunzipSync(member).equals(copy.subarray(0, 200 * KIB))).toBe(true);
  expect(Buffer.from(block.buffer).equals(copy)).toBe(true);
  await threads.ended();
});

test("the event loop goes on meanwhile", async () => {
  const threads = new GzipThreads(1);
  let turns = 0;
  const turn = setInterval(() => (turns += 1), 1);
  await Promise.all(Array.from({ length: 20 }, () => threads.member(noise(512 * KIB))));
  clearInterval(turn);
  expect(turns).toBeGreaterThan(5);
  await threads.ended();
});
