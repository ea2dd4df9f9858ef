import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { errnoOf } from "../../spec/errors.ts";

const CHUNK = 64 * 1024;
const NEWLINE = 10;
/** A line that never ends is cut here: the monitor itself writes lines of at most 16 KiB of output. */
const MAX_LINE = 1024 * 1024;

/**
 * A rotated log as one sequence of lines: `path.(n-1)`, …, `path.1`, `path`. The file in hand is known by its inode, so a rotation in
 * the middle loses and doubles nothing as long as the file has not been rotated out of existence.
 */
export class LogFiles {
  #fd: number | undefined;
  #ino = 0n;
  #position = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(
    private readonly path: string,
    private readonly maxFiles: number,
  ) {}

  /** Goes to the start of the last `count` lines. */
  seekTail(count: number): void {
    const seen = new Set<bigint>();
    let left = count;
    for (let index = 0; index < this.maxFiles; index++) {
      const file = openFile(this.name(index));
      if (!file) continue;
      // Rotated while this looks: the file of the last round under its next name.
      if (seen.has(file.ino)) {
        closeSync(file.fd);
        continue;
      }
      seen.add(file.ino);
      const { offset, lines } = tailOffset(file.fd, left);
      this.adopt(file, offset);
      if (lines >= left) return;
      left -= lines;
    }
  }

  /**
   * Goes to the oldest line. From the newest name to the oldest: a rotation in the middle moves files towards names that are still to be
   * looked at, so none is missed.
   */
  seekStart(): void {
    for (let index = 0; index < this.maxFiles; index++) {
      const file = openFile(this.name(index));
      if (file) this.adopt(file, 0);
    }
  }

  /** The complete lines that are there now and were not read yet. May be called again when more has been written. */
  *lines(): Generator<Buffer> {
    if (this.#fd === undefined) this.seekStart();
    while (this.#fd !== undefined) {
      yield* this.#readToEnd(this.#fd);
      if (!this.#next()) return;
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  private name(index: number): string {
    return index === 0 ? this.path : `${this.path}.${index}`;
  }

  private adopt(file: OpenFile, offset: number): void {
    this.close();
    this.#fd = file.fd;
    this.#ino = file.ino;
    this.#position = offset;
    this.#rest = Buffer.alloc(0);
  }

  *#readToEnd(fd: number): Generator<Buffer> {
    const chunk = Buffer.allocUnsafe(CHUNK);
    for (;;) {
      const count = readSync(fd, chunk, 0, CHUNK, this.#position);
      if (count === 0) return;
      this.#position += count;
      let data = Buffer.concat([this.#rest, chunk.subarray(0, count)]);
      for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE)) {
        yield data.subarray(0, end);
        data = data.subarray(end + 1);
      }
      this.#rest = data.length > MAX_LINE ? Buffer.alloc(0) : Buffer.from(data);
    }
  }

  /** Opens the file that follows the one in hand. False where the one in hand is still being written. */
  #next(): boolean {
    for (;;) {
      const inodes = Array.from({ length: this.maxFiles }, (_, i) => inodeOf(this.name(i)));
      const at = inodes.indexOf(this.#ino);
      if (at === 0) return false;
      // Rotated out of existence: the oldest that is left follows. Between rename and creation there is no newer one yet.
      const follower = at > 0 ? at - 1 : inodes.findLastIndex((ino) => ino !== undefined);
      const wanted = inodes[follower];
      if (wanted === undefined || follower < 0) return false;
      // The rename happened after the last read, which may have left a tail unread.
      if (this.#hasMore()) return true;
      const file = openFile(this.name(follower));
      if (file?.ino === wanted) {
        this.adopt(file, 0);
        return true;
      }
      // Rotated again in between: the names mean other files by now.
      if (file) closeSync(file.fd);
    }
  }

  #hasMore(): boolean {
    return this.#fd !== undefined && fstatSync(this.#fd).size > this.#position;
  }
}

interface OpenFile {
  fd: number;
  ino: bigint;
}

function openFile(path: string): OpenFile | undefined {
  try {
    const fd = openSync(path, "r");
    return { fd, ino: fstatSync(fd, { bigint: true }).ino };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** Where the last `wanted` lines of a file begin, reading backwards; `lines` says how many there are. */
function tailOffset(fd: number, wanted: number): { offset: number; lines: number } {
  const chunk = Buffer.allocUnsafe(CHUNK);
  const { size } = fstatSync(fd);
  let lines = 0;
  if (wanted === 0) return { offset: size, lines };
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - CHUNK);
    readSync(fd, chunk, 0, end - start, start);
    for (let i = end - start - 1; i >= 0; i--) {
      // The newline at the very end closes the last line and begins none.
      if (chunk[i] !== NEWLINE || start + i === size - 1) continue;
      if (++lines === wanted) return { offset: start + i + 1, lines };
    }
    end = start;
  }
  return { offset: 0, lines: size > 0 ? lines + 1 : 0 };
}
