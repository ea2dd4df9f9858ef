import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import { type GzipMember, GzipThreads } from "../host/gzip-threads.ts";
import { decompress } from "./compression.ts";
import { type GzipOptions, gzipBlocks } from "./gzip.ts";

const KIB = 1024;
const BLOCK = 512 * KIB;
/** Words, noise and zeros: what layers have. */
const PLAIN = Buffer.concat([
  Buffer.from(Array.from({ length: 200_000 }, (_, i) => `line ${(i * 7919) % 10_007} `).join("")),
  randomBytes(700 * KIB),
  Buffer.alloc(900 * KIB + 123),
]);
const threads = [1, 2, 3].map((count) => new GzipThreads(count));
afterAll(async () => {
  for (const one of threads) await one.ended();
});

async function* pieces(data: Uint8Array, size = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

async function packed(source: AsyncIterable<Uint8Array>, options: GzipOptions = {}): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(gzipBlocks(source, options)));
}

/** Without threads: tells what it was asked, and answers when the test wants it. */
class Held extends GzipThreads {
  readonly asked: { size: number; answer: () => void; fail: (error: Error) => void }[] = [];

  override member(block: Uint8Array<ArrayBuffer>): Promise<GzipMember> {
    return new Promise((resolve, reject) => {
      const member = new Uint8Array(gzipSync(block));
      const answer = (): void => resolve({ member, block });
      this.asked.push({ size: block.byteLength, answer, fail: reject });
    });
  }
}

test("the bytes are those of the source alone: neither of its pieces nor of the threads, and the same each time", async () => {
  const first = await packed(pieces(PLAIN));
  for (const size of [4093, BLOCK, PLAIN.length])
    for (const one of threads) expect((await packed(pieces(PLAIN, size), { threads: one })).equals(first)).toBe(true);
  const together = await Promise.all(Array.from({ length: 5 }, () => packed(pieces(PLAIN, 65_536))));
  expect(together.every((one) => one.equals(first))).toBe(true);
});

test("answers of the threads in any order leave the members in order", async () => {
  const held = new Held(3);
  const done = packed(pieces(PLAIN), { threads: held });
  for (let turn = 0; !(await Promise.race([done.then(() => true), new Promise((r) => setImmediate(r, false))])); turn++)
    held.asked.splice(-1 - (turn % 2), 1)[0]?.answer();
  expect(gunzipSync(await done).equals(PLAIN)).toBe(true);
});

const PYTHON = "import gzip, sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))";
test.each([
  ["gzip", ["gzip", "-dc"]],
  ["python", ["python3", "-c", PYTHON]],
])("%s reads it", async (_, [file = "", ...args]) => {
  const done = spawnSync(file, args, { input: await packed(pieces(PLAIN)), maxBuffer: 1 << 26 });
  expect([done.status, String(done.stderr)]).toEqual([0, ""]);
  expect(done.stdout.equals(PLAIN)).toBe(true);
});

test("our own reader does, however it comes in pieces; a lost or spoilt member is damage", async () => {
  const whole = await packed(pieces(PLAIN));
  for (const size of [1000, whole.length])
    expect(Buffer.concat(await Array.fromAsync(decompress(pieces(whole, size)))).equals(PLAIN)).toBe(true);
  const spoilt = Buffer.from(whole);
  spoilt[spoilt.length - 6] = (spoilt.at(-6) ?? 0) ^ 1;
  for (const bad of [spoilt, whole.subarray(0, -1)])
    await expect(Array.fromAsync(decompress(pieces(bad)))).rejects.toMatchObject({ kind: "invalid-argument" });
});

test.each([
  ["nothing", 0],
  ["one byte", 1],
  ["an empty layer's tar", KIB],
  ["a block less one", BLOCK - 1],
  ["a block", BLOCK],
  ["a block and one", BLOCK + 1],
])("%s", async (_, size) => {
  const plain = PLAIN.subarray(0, size);
  const made = await packed(pieces(plain));
  expect(gunzipSync(made).equals(plain)).toBe(true);
  // Magic, deflate, no flags, no time; then the flags of compression and the system, which say nothing of this machine.
  expect([...made.subarray(0, 8)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
  expect(made[9]).toBe(255);
});

test("hardly larger than what zlib makes in one piece", async () => {
  const text = PLAIN.subarray(0, -(1600 * KIB));
  expect((await packed(pieces(text))).length / gzipSync(text).length).toBeLessThan(1.03);
});

test("the source is read as the stream is, a few blocks ahead", async () => {
  const held = new Held(2);
  let [read, ended] = [0, false];
  const source = (async function* () {
    try {
      for (;;) {
        read += 1;
        yield PLAIN.subarray(0, BLOCK);
      }
    } finally {
      ended = true;
    }
  })();
  const stream = gzipBlocks(source, { threads: held });
  const first = stream.next();
  await new Promise((resolve) => setImmediate(resolve));
  expect([read, held.asked.length]).toEqual([3, 3]);
  held.asked[0]?.answer();
  expect((await first).done).toBe(false);
  await new Promise((resolve) => setImmediate(resolve));
  expect(read).toBe(3);
  await stream.return();
  expect(ended).toBe(true);
});

test("the source's error comes out, after the members that were whole before it; nothing of it stays in the threads", async () => {
  const bad = async function* (): AsyncGenerator<Uint8Array> {
    yield* pieces(PLAIN);
    throw new Error("the files have changed");
  };
  await expect(packed(bad(), { threads: threads[1] as GzipThreads })).rejects.toThrow("the files have changed");
  expect((await packed(pieces(PLAIN))).length).toBeGreaterThan(700 * KIB);
});

test("a block that cannot be compressed is an error, once the stream comes to it", async () => {
  const held = new Held(1);
  const done = packed(pieces(PLAIN), { threads: held });
  await new Promise((resolve) => setImmediate(resolve));
  held.asked[1]?.fail(new Error("no memory"));
  held.asked[0]?.answer();
  await expect(done).rejects.toThrow("no memory");
});

test("an abort ends it with its reason, and the source too", async () => {
  const stop = new AbortController();
  let ended = false;
  const source = (async function* () {
    try {
      for (;;) yield PLAIN.subarray(0, BLOCK);
    } finally {
      ended = true;
    }
  })();
  const stream = gzipBlocks(source, { signal: stop.signal });
  expect((await stream.next()).done).toBe(false);
  stop.abort(new Error("enough"));
  await expect(stream.next()).rejects.toThrow("enough");
  expect(ended).toBe(true);
  await expect(packed(pieces(PLAIN), { signal: stop.signal })).rejects.toThrow("enough");
});

test("many streams at once stay apart", async () => {
  const sources = Array.from({ length: 8 }, (_, i) => PLAIN.subarray(i * 50_000));
  const made = await Promise.all(sources.map((source) => packed(pieces(source, 70_000 + (source.length % 999)))));
  const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
  expect(made.map((one) => digest(gunzipSync(one)))).toEqual(sources.map(digest));
});
