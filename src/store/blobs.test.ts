import { afterEach, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Digest } from "../spec/digest.ts";
import { openBlobStore } from "./blobs.ts";
import type { BlobStore } from "./types.ts";

let root = "";
let blobs: BlobStore;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "berth-blobs-"));
  blobs = openBlobStore(root);
});
afterEach(() => rmSync(root, { recursive: true }));

const digestOf = (bytes: Uint8Array): Digest => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const leftovers = (): string[] => [...readdirSync(join(root, "tmp")), ...blobs.list()];

async function* chunks(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

test("a blob comes back whole, at its place in the OCI layout", async () => {
  const a = Buffer.from("first half, ");
  const b = Buffer.alloc(300_000, 7);
  const whole = Buffer.concat([a, b]);
  const info = await blobs.ingest(chunks(a, b), { digest: digestOf(whole), size: whole.length });
  expect(info).toEqual({ digest: digestOf(whole), size: whole.length });
  expect(blobs.path(info.digest)).toBe(join(root, "blobs/sha256", info.digest.slice(7)));
  expect((await blobs.read(info.digest)).equals(whole)).toBe(true);
  expect(blobs.size(info.digest)).toBe(whole.length);
  expect(blobs.list()).toEqual([info.digest]);
  expect(readdirSync(join(root, "tmp"))).toEqual([]);
  blobs.remove(info.digest);
  blobs.remove(info.digest);
  expect(blobs.has(info.digest)).toBe(false);
  expect(blobs.size(info.digest)).toBeUndefined();
  expect(blobs.read(info.digest)).rejects.toThrow("not in the store");
});

test("an empty blob is a blob", async () => {
  const { digest } = await blobs.ingestBytes(Buffer.alloc(0));
  expect((await blobs.read(digest)).length).toBe(0);
});

test("a wrong digest leaves nothing and names both", async () => {
  const want = digestOf(Buffer.from("other"));
  const ingest = blobs.ingest(chunks(Buffer.from("this")), { digest: want });
  expect(ingest).rejects.toThrow(`digest mismatch: want ${want}, content has ${digestOf(Buffer.from("this"))}`);
  await ingest.catch(() => undefined);
  expect(leftovers()).toEqual([]);
});

test("a wrong size leaves nothing, and a stream without end is stopped", async () => {
  const short = blobs.ingest(chunks(Buffer.from("abc")), { size: 4 });
  expect(short).rejects.toThrow("should have 4 bytes, has 3");
  let produced = 0;
  const endless = (async function* () {
    for (;;) {
      produced++;
      yield Buffer.alloc(1000);
    }
  })();
  const long = blobs.ingest(endless, { size: 2500 });
  expect(long).rejects.toThrow("should have 2500 bytes, has more than 2500");
  await Promise.allSettled([short, long]);
  expect(produced).toBe(3);
  expect(leftovers()).toEqual([]);
});

test("a source that fails half-way leaves nothing", async () => {
  const broken = (async function* () {
    yield Buffer.from("some");
    throw new Error("connection lost");
  })();
  const ingest = blobs.ingest(broken);
  expect(ingest).rejects.toThrow("connection lost");
  await ingest.catch(() => undefined);
  expect(leftovers()).toEqual([]);
});

test("two ingests of one digest at once both succeed", async () => {
  const bytes = Buffer.alloc(100_000, 1);
  const both = await Promise.all([blobs.ingest(chunks(bytes)), blobs.ingest(chunks(bytes))]);
  expect(both[0]).toEqual(both[1]);
  expect(leftovers()).toEqual([both[0].digest]);
});

test("the lease has the digest before the blob can be seen", async () => {
  const seen: boolean[] = [];
  const lease = {
    add: (id: Digest) => void seen.push(blobs.has(id)),
    [Symbol.asyncDispose]: async () => undefined,
  };
  const { digest } = await blobs.ingest(chunks(Buffer.from("x")), { lease });
  expect(seen).toEqual([false]);
  expect(blobs.has(digest)).toBe(true);
});

test("a start removes what a killed daemon left half done, and only that", async () => {
  const { digest } = await blobs.ingestBytes(Buffer.from("kept"));
  writeFileSync(join(root, "tmp", "half"), "h");
  mkdirSync(join(root, "tmp", "folder"));
  blobs = openBlobStore(root);
  expect(leftovers()).toEqual([digest]);
});

test("files that are no blobs are not listed, and a path is never built from anything but a digest", async () => {
  writeFileSync(join(root, "blobs/sha256/README"), "?");
  expect(blobs.list()).toEqual([]);
  expect(() => blobs.path("sha256:../../../etc/passwd")).toThrow("invalid digest");
});

test("read refuses what is larger than its limit", async () => {
  const { digest } = await blobs.ingestBytes(Buffer.alloc(11));
  expect(blobs.read(digest, 10)).rejects.toThrow("11 bytes, at most 10 allowed");
});

test("no space left: one clear error, and nothing is left", async () => {
  const script = `
    const { openBlobStore } = await import(${JSON.stringify(join(import.meta.dir, "blobs.ts"))});
    const { readdirSync } = await import("node:fs");
    const blobs = openBlobStore(${JSON.stringify(root)});
    const kind = await blobs.ingestBytes(Buffer.alloc(4_000_000)).then(() => "none", (e) => e.kind + ": " + e.message);
    console.log(JSON.stringify({ kind, tmp: readdirSync(${JSON.stringify(join(root, "tmp"))}), list: blobs.list() }));`;
  // The small file system exists in the child's own mount namespace only.
  const sh = `mount -t tmpfs -o size=1m none '${root}' && exec '${process.execPath}' -e "$0"`;
  const child = Bun.spawn(["unshare", "-m", "sh", "-c", sh, script], { stdout: "pipe", stderr: "inherit" });
  const answer: unknown = JSON.parse(await new Response(child.stdout).text());
  expect(answer).toEqual({
    kind: expect.stringMatching(/^no-space: blob .*: no space left on device \(free some space/),
    tmp: [],
    list: [],
  });
});

// Blobs that come in parts.

const WHOLE = Buffer.alloc(3_000_000, "part of a blob, ");
const PART = { digest: digestOf(WHOLE), size: WHOLE.length };
const CUT = new Error("cut");
/** Gives the blob from where it is asked to `end`, then fails. Notes where it was asked to begin. */
function upTo(end: number, asked: number[] = [], bytes = WHOLE): (from: number) => Promise<AsyncIterable<Uint8Array>> {
  return async (from) => {
    asked.push(from);
    return (async function* () {
      yield bytes.subarray(from, end);
      if (end < WHOLE.length) throw CUT;
    })();
  };
}

test("what has come of a blob outlives failures and a new start, and is gone on with", async () => {
  const asked: number[] = [];
  await expect(blobs.complete(upTo(1000, asked), PART)).rejects.toThrow("cut");
  expect([blobs.partial(PART.digest), blobs.partials(), blobs.has(PART.digest)]).toEqual([1000, [PART.digest], false]);
  writeFileSync(join(root, "partial", "no-digest"), "");
  blobs = openBlobStore(root);
  expect(readdirSync(join(root, "partial"))).toEqual([PART.digest.slice(7)]);
  await expect(blobs.complete(upTo(2_500_000, asked), PART)).rejects.toThrow("cut");
  expect(await blobs.complete(upTo(WHOLE.length, asked), PART)).toEqual(PART);
  expect(asked).toEqual([0, 1000, 2_500_000]);
  expect((await blobs.read(PART.digest, WHOLE.length)).equals(WHOLE)).toBe(true);
  expect(blobs.partials()).toEqual([]);
});

test("a part that is wrong, or longer than the blob, is thrown away and all of it fetched once more; a source that is wrong leaves nothing", async () => {
  const wrong = Buffer.alloc(WHOLE.length, 1);
  for (const part of [wrong.subarray(0, 5000), Buffer.alloc(WHOLE.length + 1), wrong]) {
    const asked: number[] = [];
    writeFileSync(join(root, "partial", PART.digest.slice(7)), part);
    expect(await blobs.complete(upTo(WHOLE.length, asked), PART)).toEqual(PART);
    expect(asked.at(-1)).toBe(0);
    blobs.remove(PART.digest);
  }
  const asked: number[] = [];
  await expect(blobs.complete(upTo(WHOLE.length, asked, wrong), PART)).rejects.toThrow("digest mismatch");
  await expect(blobs.complete(upTo(WHOLE.length, asked, wrong), { ...PART, size: 7 })).rejects.toThrow("size mismatch");
  expect(asked).toEqual([0, 0]);
  expect([leftovers(), blobs.partials()]).toEqual([[], []]);
});

test("one at a time for each digest; what is coming is not removed under it", async () => {
  const gate = Promise.withResolvers<void>();
  const slow = async (): Promise<AsyncIterable<Uint8Array>> =>
    (async function* () {
      yield WHOLE.subarray(0, 10);
      await gate.promise;
      yield WHOLE.subarray(10);
    })();
  const first = blobs.complete(slow, PART);
  while (blobs.partial(PART.digest) !== 10) await new Promise(setImmediate);
  await expect(blobs.complete(upTo(WHOLE.length), PART)).rejects.toThrow("already");
  blobs.remove(PART.digest);
  gate.resolve();
  expect(await first).toEqual(PART);
});

test("a link in the place of a part is not followed", async () => {
  const outside = join(root, "outside");
  writeFileSync(outside, "mine");
  symlinkSync(outside, join(root, "partial", PART.digest.slice(7)));
  await expect(blobs.complete(upTo(WHOLE.length), PART)).rejects.toThrow(PART.digest);
  expect(readFileSync(outside, "utf8")).toBe("mine");
});
