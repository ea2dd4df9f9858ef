import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { BerthError } from "../spec/errors.ts";
import { decompress, detectCompression } from "./compression.ts";

const PLAIN = Buffer.concat([randomBytes(300_000), Buffer.alloc(700_000, "berth ")]);
const program = (argv: string[], input: Buffer): Buffer =>
  spawnSync(argv[0] ?? "", argv.slice(1), { input, maxBuffer: 1 << 26 }).stdout;

const PACKED: Record<string, Buffer> = {
  none: PLAIN,
  gzip: gzipSync(PLAIN),
  bzip2: program(["bzip2", "-c"], PLAIN),
  xz: program(["xz", "-c"], PLAIN),
  zstd: zstdCompressSync(PLAIN),
};

async function* chunks(data: Buffer, size = 10_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

async function plain(data: Buffer, size?: number): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(decompress(chunks(data, size))));
}

async function failure(data: Buffer): Promise<unknown> {
  return plain(data).then(
    () => "no error",
    (e: unknown) => (e instanceof BerthError ? e.kind : e),
  );
}

describe.each(Object.entries(PACKED))("%s", (kind, packed) => {
  test("is known by its magic", () => {
    expect(detectCompression(packed.subarray(0, 6))).toBe(kind as "none");
  });
  test("decompresses, also when it comes byte by byte at first", async () => {
    expect((await plain(packed)).equals(PLAIN)).toBe(true);
    const slow = async function* (): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 20; i += 1) yield packed.subarray(i, i + 1);
      yield packed.subarray(20);
    };
    expect(Buffer.concat(await Array.fromAsync(decompress(slow()))).equals(PLAIN)).toBe(true);
  });
  if (kind !== "none") {
    test("concatenated members are one stream", async () => {
      expect((await plain(Buffer.concat([packed, packed]))).length).toBe(2 * PLAIN.length);
    });
    test.each([1, 7, 5000])("truncated by %d bytes throws", async (n) => {
      expect(await failure(packed.subarray(0, packed.length - n))).toBe("invalid-argument");
    });
    test("garbage behind it throws", async () => {
      expect(await failure(Buffer.concat([packed, Buffer.from("garbage! garbage!")]))).toBe(
        kind === "bzip2" ? "no error" : "invalid-argument",
      );
    });
  }
});

test("every kind of damage to a checked stream throws", async () => {
  const checked = { gzip: PACKED["gzip"], xz: PACKED["xz"], zstd: program(["zstd", "-c", "--check"], PLAIN) };
  for (const data of Object.values(checked)) {
    const bad = Buffer.from(data ?? "");
    bad[100_000] = (bad[100_000] ?? 0) ^ 0xff;
    expect(await failure(bad)).toBe("invalid-argument");
  }
});

test("zstd: skippable frames, single-segment frames and checksums are passed over", async () => {
  const skip = Buffer.from([0x55, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9]);
  const small = Buffer.from("small");
  const data = Buffer.concat([skip, program(["zstd", "-c", "--check"], small), skip, zstdCompressSync(small)]);
  for (const size of [1, 2, 3, 1000]) expect((await plain(data, size)).toString()).toBe("smallsmall");
});

test("an error of the source comes through, and the source is told when nobody reads on", async () => {
  for (const packed of Object.values(PACKED)) {
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield packed.subarray(0, 1000);
      throw new Error("the wire broke");
    };
    await expect(Array.fromAsync(decompress(failing()))).rejects.toThrow("the wire broke");
    const told = Promise.withResolvers<void>();
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for (let at = 0; ; at = (at + 1000) % packed.length) yield packed.subarray(at, at + 1000);
      } finally {
        told.resolve();
      }
    };
    for await (const _ of decompress(endless())) break;
    await told.promise;
  }
});

test("an empty stream is an empty plain stream", async () => {
  expect((await plain(Buffer.alloc(0))).length).toBe(0);
});
