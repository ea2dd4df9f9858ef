import { describe, expect, test } from "bun:test";
import { digestOf } from "../../spec/digest.ts";
import { VerifiedBlob } from "./verified.ts";

const MIB = 1024 * 1024;
const whole = Buffer.alloc(20 * MIB);
for (let at = 0; at < whole.length; at += 4) whole.writeUInt32LE((at * 2654435761) >>> 0, at);
const want = { digest: digestOf(whole), size: whole.length };

async function* pieces(bytes: Uint8Array, size = 300_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** A blob of these bytes, and where it was opened. */
function blobOf(bytes: Uint8Array, options: { told?: (done: number) => void; signal?: AbortSignal } = {}) {
  const opened: number[] = [];
  const open = async (from: number) => {
    opened.push(from);
    return pieces(bytes.subarray(from));
  };
  return { blob: new VerifiedBlob(want, { open, ...options }), opened };
}

const read = async (source: AsyncIterable<Uint8Array>): Promise<Buffer> => Buffer.concat(await Array.fromAsync(source));

test("the very bytes, with their count", async () => {
  const told: number[] = [];
  expect((await read(blobOf(whole, { told: (n) => told.push(n) }).blob.from())).equals(whole)).toBe(true);
  expect(told.at(-1)).toBe(whole.length);
  expect(told).toEqual([...told].sort((a, b) => a - b));
});

test("an empty blob", async () => {
  const empty = new VerifiedBlob(
    { digest: digestOf(Buffer.alloc(0)), size: 0 },
    { open: async () => pieces(whole.subarray(0, 0)) },
  );
  expect(await read(empty.from())).toEqual(Buffer.alloc(0));
});

describe("what is wrong is found before the last byte is given", () => {
  const changed = Buffer.from(whole);
  changed[7] = (changed[7] ?? 0) ^ 1;
  test.each([
    ["another byte", changed, "digest mismatch: want sha256:"],
    ["one byte less", whole.subarray(1), "size mismatch"],
    ["one byte more", Buffer.concat([whole, Buffer.alloc(1)]), "more than"],
    ["nothing", whole.subarray(0, 0), "has 0"],
  ])("%s", async (_, bytes, words) => {
    let given = 0;
    const reading = (async () => {
      for await (const piece of blobOf(bytes).blob.from()) given += piece.length;
    })();
    await expect(reading).rejects.toThrow(words);
    expect(given).toBeLessThan(whole.length);
  });
});

test("it goes on in the middle, from a mark a little before, and is still verified", async () => {
  const { blob, opened } = blobOf(whole);
  for await (const piece of blob.from()) if (piece.length === 0 || opened.length > 1) break;
  for (const start of [10 * MIB, 17 * MIB + 3, 0, 5, whole.length - 1]) {
    expect((await read(blob.from(start))).equals(whole.subarray(start))).toBe(true);
    const at = opened.at(-1) ?? -1;
    expect(at).toBeLessThanOrEqual(start);
    expect(start - at).toBeLessThan(9 * MIB);
  }
});

test("a part that is wrong is found by a reader that began behind it", async () => {
  const changed = Buffer.from(whole);
  changed[12 * MIB] = (changed[12 * MIB] ?? 0) ^ 1;
  const { blob } = blobOf(changed);
  let given = 0;
  for await (const piece of blob.from()) if ((given += piece.length) > 13 * MIB) break;
  await expect(read(blob.from(13 * MIB))).rejects.toThrow("digest mismatch");
});

test("a signal ends it", async () => {
  const stop = new AbortController();
  const { blob } = blobOf(whole, { signal: stop.signal, told: () => stop.abort() });
  await expect(read(blob.from())).rejects.toThrow("aborted");
});
