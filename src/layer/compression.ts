import { type ChildProcessByStdio, spawn } from "node:child_process";
import { type Duplex, pipeline, Readable, type Writable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { notFound } from "../host/spawn.ts";
import { BerthError, errnoOf, messageOf } from "../spec/errors.ts";
import { ZstdFrames } from "./zstd-frames.ts";

/** How a stream is compressed. */
export type Compression = "none" | "gzip" | "bzip2" | "xz" | "zstd";

const MAGIC: [Compression, number[]][] = [
  ["gzip", [0x1f, 0x8b, 0x08]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];
const MAGIC_BYTES = 6;
const CHUNK = 256 * 1024;
const PROGRAMS = { xz: ["xz", "-dc", "--memlimit-decompress=1GiB"], bzip2: ["bzip2", "-dc"] } as const;

/** The compression that a stream's first bytes show; six are enough. */
export function detectCompression(head: Uint8Array): Compression {
  for (const [name, magic] of MAGIC) {
    if (magic.every((byte, i) => head[i] === byte)) return name;
  }
  const skippable = ((head[0] ?? 0) & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18;
  return skippable ? "zstd" : "none";
}

/**
 * The stream's plain bytes, whatever it is compressed with (found by its magic); an uncompressed one goes through as it is. Damaged or truncated
 * data throws `invalid-argument`; xz and bzip2 need the programs of that name (`not-found` otherwise). Ending the iteration early ends the source's.
 */
export async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const iterator = source[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < MAGIC_BYTES) {
    const next = await iterator.next();
    if (next.done) break;
    head.push(next.value);
    bytes += next.value.length;
  }
  const whole = resumed(head, iterator);
  const kind = detectCompression(Buffer.concat(head.map((c) => c.subarray(0, MAGIC_BYTES))));
  switch (kind) {
    case "none":
      return yield* whole;
    case "gzip":
      return yield* through(whole, createGunzip({ chunkSize: CHUNK }), kind);
    case "zstd":
      return yield* through(checkedFrames(whole), createZstdDecompress({ chunkSize: CHUNK }), kind);
    default:
      return yield* throughProgram(whole, kind);
  }
}

async function* resumed(head: Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* head;
    for (;;) {
      const next = await rest.next();
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await rest.return?.();
  }
}

async function* checkedFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const frames = new ZstdFrames();
  for await (const chunk of source) {
    frames.push(chunk);
    yield chunk;
  }
  if (!frames.whole) throw damaged("zstd", "it ends too early");
}

async function* through(
  source: AsyncIterable<Uint8Array>,
  decoder: Duplex,
  kind: Compression,
): AsyncGenerator<Uint8Array, void, void> {
  // The pipeline's own callback has nothing to add: a failure on either side destroys the decoder, and so ends the loop below with it.
  pipeline(Readable.from(source, { objectMode: false }), decoder, () => undefined);
  try {
    for await (const chunk of decoder) yield chunk as Buffer;
  } catch (e) {
    if (errnoOf(e)?.startsWith("Z") || errnoOf(e)?.startsWith("ERR_ZLIB")) throw damaged(kind, messageOf(e), e);
    throw e;
  } finally {
    decoder.destroy();
  }
}

async function* throughProgram(
  source: AsyncIterable<Uint8Array>,
  kind: "xz" | "bzip2",
): AsyncGenerator<Uint8Array, void, void> {
  const [file, ...args] = PROGRAMS[kind];
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] });
  const ended = outcome(child);
  let sourceError: unknown;
  pipeline(Readable.from(source, { objectMode: false }), child.stdin, (e) => {
    // EPIPE: the program stopped reading, and says why itself.
    if (e && errnoOf(e) !== "EPIPE") sourceError = e;
    if (sourceError) child.kill("SIGKILL");
  });
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const problem = await ended;
    if (sourceError) throw sourceError;
    if (problem !== undefined) throw damaged(kind, problem);
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

/** Undefined for exit code 0, else what the program said. */
function outcome(child: ChildProcessByStdio<Writable, Readable, Readable>): Promise<string | undefined> {
  let text = "";
  child.stderr.on("data", (d: Buffer) => (text = (text + d).slice(0, 1000)));
  return new Promise((resolve, reject) => {
    child.on("error", (e) => reject(errnoOf(e) === "ENOENT" ? notFound(child.spawnfile) : e));
    child.on("close", (code) =>
      resolve(code === 0 ? undefined : text.trim().split("\n").at(-1) || `exit code ${code}`),
    );
  });
}

function damaged(kind: Compression, cause: string, error?: unknown): BerthError {
  return new BerthError("invalid-argument", `${kind} data is damaged: ${cause}`, { cause: error });
}
