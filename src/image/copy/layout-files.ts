import { createReadStream } from "node:fs";
import { type FileHandle, mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { decompress, detectCompression } from "../../layer/compression.ts";
import type { SeekableStream } from "../../layer/tar/input.ts";
import { readTar } from "../../layer/tar/reader.ts";
import { BerthError, errnoOf, fromErrno } from "../../spec/errors.ts";
import { cleanName } from "../archive.ts";

/** More files than an archive of images has. */
const MAX_FILES = 200_000;
const MAX_HOPS = 16;
const CHUNK = 256 * 1024;
const HEAD = 6;

/** The files of a layout by their names, read where they are: nothing is unpacked. Names never reach the file system unchecked. */
export interface LayoutFiles extends AsyncDisposable {
  /** For messages. */
  readonly name: string;
  /** Bytes; undefined where there is no such file. */
  size(name: string): Promise<number | undefined>;
  /** The bytes of a file that is there, from `from` on. */
  stream(name: string, from?: number): AsyncIterable<Uint8Array>;
}

/** A small file as a whole; undefined where there is none. Throws `invalid-argument` where it has more than `limit` bytes. */
export async function readFile(files: LayoutFiles, name: string, limit: number): Promise<Buffer | undefined> {
  const size = await files.size(name);
  if (size === undefined) return undefined;
  if (size > limit)
    throw new BerthError("invalid-argument", `${files.name}: ${name} has ${size} bytes, at most ${limit} are read`);
  const parts: Buffer[] = [];
  for await (const chunk of files.stream(name)) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts);
}

/** A folder in OCI's layout. Names are `index.json`, `oci-layout` and those of blobs, which have been checked: none climbs. */
export async function openFolder(path: string, name: string): Promise<LayoutFiles> {
  const found = await stat(path).catch((error: unknown) => {
    throw unreadable(error, name, "folder");
  });
  if (!found.isDirectory()) throw new BerthError("invalid-argument", `${name}: not a folder`);
  return {
    name,
    size: async (file) => {
      const there = await stat(join(path, file)).catch((error: unknown) => {
        if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
        throw fromErrno(error, `${name}: ${file}`);
      });
      return there?.isFile() ? there.size : undefined;
    },
    stream: (file, start = 0) => createReadStream(join(path, file), { start, highWaterMark: CHUNK }),
    async [Symbol.asyncDispose]() {},
  };
}

/**
 * A tar of a layout, whose headers are read once. One that is compressed, or comes as a stream, is first written, uncompressed, to a temporary file that has no name: it goes with the process. Throws
 * `invalid-argument` for what is no tar, for names that climb and for sparse files.
 */
export async function openArchive(from: { path: string; stream?: AsyncIterable<Uint8Array> }, name: string) {
  const file = await plainFile(from, name).catch((error: unknown) => {
    throw errnoOf(error) === undefined ? error : unreadable(error, name, "file");
  });
  try {
    return new ArchiveFile(file, await indexOf(file, name), name);
  } catch (error) {
    await file.close();
    throw error;
  }
}

function unreadable(error: unknown, name: string, what: string): BerthError {
  if (errnoOf(error) !== "ENOENT") return fromErrno(error, name);
  return new BerthError("not-found", `${name}: no such ${what}`);
}

type Entry = { offset: number; size: number } | { link: string };

class ArchiveFile implements LayoutFiles {
  constructor(
    private readonly file: FileHandle,
    private readonly entries: Map<string, Entry>,
    readonly name: string,
  ) {}

  async size(name: string): Promise<number | undefined> {
    return this.#find(name)?.size;
  }

  stream(name: string, from = 0): AsyncIterable<Uint8Array> {
    const found = this.#find(name);
    if (!found) throw new BerthError("not-found", `${this.name}: no file ${JSON.stringify(name.slice(0, 200))}`);
    return new Bytes(this.file, Math.min(found.size, from) + found.offset, found.offset + found.size);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.file.close();
  }

  /** Links are followed inside the archive. */
  #find(name: string): { offset: number; size: number } | undefined {
    let at = cleanName(name);
    for (let hops = 0; at !== undefined && hops < MAX_HOPS; hops++) {
      const entry = this.entries.get(at);
      if (!entry || !("link" in entry)) return entry;
      at = cleanName(entry.link);
    }
    return undefined;
  }
}

async function indexOf(file: FileHandle, name: string): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  const { size } = await file.stat();
  for await (const { header, offset, segments } of readTar(new Bytes(file, 0, size))) {
    const path = cleanName(header.path);
    if (path === undefined) throw refused(name, `entry ${JSON.stringify(header.path)} points outside of it`);
    if (segments) throw refused(name, `entry ${JSON.stringify(path)} is stored as a sparse file`);
    if (header.type === "file") entries.set(path, { offset, size: header.size });
    else if (header.type === "link") entries.set(path, { link: header.link });
    else if (header.type === "symlink") entries.set(path, { link: posix.join(posix.dirname(path), header.link) });
    if (entries.size > MAX_FILES) throw refused(name, `it has more than ${MAX_FILES} files`);
  }
  return entries;
}

function refused(name: string, why: string): BerthError {
  return new BerthError("invalid-argument", `${name} is no image archive: ${why}`);
}

/** The archive as a file that can be read anywhere. */
async function plainFile(
  { path, stream }: { path: string; stream?: AsyncIterable<Uint8Array> },
  name: string,
): Promise<FileHandle> {
  if (stream) return spooled(stream);
  const file = await open(path, "r");
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return await spooled(streamOf(file));
    const head = Buffer.alloc(HEAD);
    const { bytesRead } = await file.read(head, 0, HEAD, 0);
    if (bytesRead === 0) throw refused(name, "it is empty");
    if (detectCompression(head) === "none") return await open(path, "r");
    return await spooled(streamOf(file));
  } finally {
    await file.close();
  }
}

function streamOf(file: FileHandle): AsyncIterable<Uint8Array> {
  return file.createReadStream({ autoClose: false, highWaterMark: CHUNK });
}

async function spooled(source: AsyncIterable<Uint8Array>): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), "berth-copy."));
  let file: FileHandle;
  try {
    file = await open(join(folder, "archive"), "wx+", 0o600);
  } finally {
    // What is open stays until it is closed, and no kill leaves it behind.
    await rm(folder, { recursive: true, force: true });
  }
  try {
    let at = 0;
    for await (const chunk of decompress(source)) at += await writeAll(file, chunk, at);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Writes all of the chunk at a place in the file; returns its length. */
export async function writeAll(file: FileHandle, chunk: Uint8Array, at: number): Promise<number> {
  for (let done = 0; done < chunk.byteLength; ) {
    done += (await file.write(chunk, done, chunk.byteLength - done, at + done)).bytesWritten;
  }
  return chunk.byteLength;
}

/** A part of a file, for one reader. */
class Bytes implements SeekableStream {
  #at: number;

  constructor(
    private readonly file: FileHandle,
    start: number,
    private readonly end: number,
  ) {
    this.#at = start;
  }

  seek(bytes: number): number {
    const passed = Math.min(bytes, Math.max(0, this.end - this.#at));
    this.#at += passed;
    return passed;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    while (this.#at < this.end) {
      const length = Math.min(CHUNK, this.end - this.#at);
      const { bytesRead, buffer } = await this.file.read(Buffer.allocUnsafe(length), 0, length, this.#at);
      // The file was cut meanwhile: whoever reads misses the rest.
      if (bytesRead === 0) return;
      this.#at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }
}
