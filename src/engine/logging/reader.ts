import { closeSync, createReadStream, fstatSync, openSync, read, readdirSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { createGunzip } from "node:zlib";
import { errnoOf } from "../../spec/errors.ts";
import { lineStart, tailOffset } from "./tail.ts";

const readAt = promisify(read);
const CHUNK = 128 * 1024;
const NEWLINE = 10;
/** A line that never ends is cut here: the monitor itself writes lines of at most 16 KiB of output, and what the container adds to each. */
const MAX_LINE = 4 * 1024 * 1024;

/** A place in a log: the file's number, and the bytes of it that were read, uncompressed. */
export interface LogPosition {
  file: number;
  offset: number;
}

interface OpenFile {
  number: number;
  /** Undefined: compressed, and read as a stream. */
  fd: number | undefined;
  ino: bigint;
  path: string;
}

/**
 * A rotated log as one sequence of lines: `path.1`, …, `path.n` or their compressed forms `path.n.gz`, then `path`, which the monitor writes. A number is
 * never used again and the file in hand is known by its inode, so rotation and compression in the middle lose and double nothing as long as
 * the next file has not been rotated out of existence.
 */
export class LogReader {
  #file: OpenFile | undefined;
  #offset = 0;
  #rest: Buffer = Buffer.alloc(0);
  readonly #name: RegExp;

  constructor(private readonly path: string) {
    this.#name = new RegExp(`^${basename(path).replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}\\.([1-9]\\d*)(?:\\.gz)?$`);
  }

  /** After the last complete line that was read; where nothing was, the start. */
  get position(): LogPosition {
    return { file: this.#file?.number ?? 0, offset: this.#offset - this.#rest.length };
  }

  /** Goes to a place that `position` gave, in this process or another; where that file is gone, to the oldest that is left after it. */
  seek(at: LogPosition): void {
    const file = this.#openAfter(at.file - 1);
    if (file) this.#adopt(file, file.number === at.file ? at.offset : 0);
  }

  /** Goes to the start of the last `count` lines. */
  async seekTail(count: number): Promise<void> {
    let left = count;
    let file = this.#openCurrent() ?? this.#openBefore(Number.MAX_SAFE_INTEGER);
    while (file) {
      const { offset, lines } =
        file.fd === undefined ? await lineStart(unpacked(file), left) : tailOffset(file.fd, left);
      this.#adopt(file, offset);
      if (lines >= left) return;
      left -= lines;
      file = this.#openBefore(file.number);
    }
  }

  /**
   * The complete lines that are there now and were not read yet, many at once; each buffer is good until the next one is asked for. May be called again
   * when more has been written.
   */
  async *chunks(): AsyncGenerator<Buffer> {
    if (!this.#file) {
      const first = this.#openAfter(0);
      if (first) this.#adopt(first, 0);
    }
    while (this.#file) {
      const { fd } = this.#file;
      yield* fd === undefined ? this.#unpack(this.#file) : this.#readToEnd(fd);
      if (!this.#next()) return;
    }
  }

  close(): void {
    if (this.#file?.fd !== undefined) closeSync(this.#file.fd);
    this.#file = undefined;
  }

  #adopt(file: OpenFile, offset: number): void {
    this.close();
    this.#file = file;
    this.#offset = offset;
    this.#rest = Buffer.alloc(0);
  }

  async *#readToEnd(fd: number): AsyncGenerator<Buffer> {
    const chunk = Buffer.allocUnsafe(CHUNK);
    for (;;) {
      const { bytesRead } = await readAt(fd, chunk, 0, CHUNK, this.#offset);
      if (bytesRead === 0) return;
      const lines = this.#wholeLines(chunk.subarray(0, bytesRead));
      if (lines.length > 0) yield lines;
    }
  }

  async *#unpack(file: OpenFile): AsyncGenerator<Buffer> {
    let skip = this.#offset;
    for await (const chunk of unpacked(file)) {
      const wanted = chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - wanted.length;
      const lines = wanted.length > 0 ? this.#wholeLines(wanted) : wanted;
      if (lines.length > 0) yield lines;
    }
  }

  /** Takes what follows the last newline to the next read. */
  #wholeLines(chunk: Buffer): Buffer {
    this.#offset += chunk.length;
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      this.#rest = this.#rest.length + chunk.length > MAX_LINE ? Buffer.alloc(0) : Buffer.concat([this.#rest, chunk]);
      return Buffer.alloc(0);
    }
    const head = chunk.subarray(0, end);
    const lines = this.#rest.length > 0 ? Buffer.concat([this.#rest, head]) : head;
    this.#rest = Buffer.from(chunk.subarray(end));
    return lines;
  }

  /** Opens the file that follows the one in hand. False where the one in hand is still being written. */
  #next(): boolean {
    const file = this.#file;
    if (!file) return false;
    if (file.fd !== undefined) {
      if (inodeOf(this.path) === file.ino) return false;
      // The rename happened after the last read, which may have left a tail unread.
      if (fstatSync(file.fd).size > this.#offset) return true;
    }
    const next = this.#openAfter(file.number);
    if (!next) return false;
    if (next.fd !== undefined && next.ino === file.ino) {
      // Somebody removed the older files, after which this one's number was taken for a lower one.
      closeSync(next.fd);
      file.number = next.number;
      return true;
    }
    this.#adopt(next, 0);
    return true;
  }

  /** The numbers of the rotated files, the oldest first; none where the container was removed meanwhile, and its folder with it. */
  #numbers(): number[] {
    const found = namesIn(dirname(this.path)).map((name) => Number(this.#name.exec(name)?.[1] ?? 0));
    return [...new Set(found)].filter((n) => n > 0).sort((a, b) => a - b);
  }

  /** The oldest file whose number is greater than `number`. Undefined where there is none: the monitor has renamed its own and not begun the next. */
  #openAfter(number: number): OpenFile | undefined {
    for (;;) {
      const rotated = this.#numbers().find((n) => n > number);
      const file = rotated === undefined ? this.#openCurrent(number) : this.#openRotated(rotated);
      if (file) return file;
      if (rotated === undefined && inodeOf(this.path) === undefined) return undefined;
    }
  }

  #openBefore(number: number): OpenFile | undefined {
    for (;;) {
      const rotated = this.#numbers().findLast((n) => n < number);
      if (rotated === undefined) return undefined;
      const file = this.#openRotated(rotated);
      if (file) return file;
    }
  }

  /** The file that is being written, with the number that it will have; undefined where it was rotated while this looked, or does not exist. */
  #openCurrent(after?: number): OpenFile | undefined {
    for (;;) {
      const fd = openFile(this.path);
      if (fd === undefined) return undefined;
      const { ino } = fstatSync(fd, { bigint: true });
      const newest = this.#numbers().at(-1) ?? 0;
      const isNewest = after === undefined ? inodeOf(this.path) === ino : newest <= after;
      if (isNewest) return { number: Math.max(newest, after ?? 0) + 1, fd, ino, path: this.path };
      closeSync(fd);
      if (after !== undefined) return undefined;
    }
  }

  /** The plain form as long as it is there: the compressed one is whole only when that has gone. */
  #openRotated(number: number): OpenFile | undefined {
    const path = `${this.path}.${number}`;
    const fd = openFile(path);
    if (fd !== undefined) return { number, fd, ino: fstatSync(fd, { bigint: true }).ino, path };
    const ino = inodeOf(`${path}.gz`);
    return ino === undefined ? undefined : { number, fd: undefined, ino, path: `${path}.gz` };
  }
}

/** A compressed file's text. One that is cut off, or has just been removed, ends early. */
async function* unpacked(file: OpenFile): AsyncGenerator<Buffer> {
  const source = createReadStream(file.path);
  const out = createGunzip({ chunkSize: CHUNK });
  source.on("error", (error) => out.destroy(error));
  try {
    for await (const chunk of source.pipe(out) as Readable) yield chunk as Buffer;
  } catch {
    // What could be read has been.
  } finally {
    source.destroy();
    out.destroy();
  }
}

function openFile(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
