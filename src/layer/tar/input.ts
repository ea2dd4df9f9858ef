import { badTar } from "./error.ts";

const EMPTY = Buffer.alloc(0);

/** A stream that can pass over bytes without giving them: `seek` skips up to so many of those that were not given yet, and returns how many there were. */
export interface SeekableStream extends AsyncIterable<Uint8Array> {
  seek(bytes: number): number;
}

/**
 * Reads a stream of chunks by byte counts. Whatever lies within one chunk is handed out as a view of it, without a copy and without a
 * promise; a view is valid as long as its chunk is.
 */
export class ByteInput {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Buffer = EMPTY;
  #at = 0;
  /** Bytes of the stream before the chunk. */
  #before = 0;
  readonly #seekable: SeekableStream | undefined;

  constructor(source: AsyncIterable<Uint8Array> | SeekableStream) {
    this.#source = source[Symbol.asyncIterator]();
    this.#seekable = "seek" in source ? source : undefined;
  }

  /** Where in the stream the next byte is. */
  get position(): number {
    return this.#before + this.#at;
  }

  /** Up to `max` bytes of what is at hand; empty where the next chunk has to be waited for (`more`). */
  take(max: number): Buffer {
    const end = Math.min(this.#chunk.length, this.#at + max);
    const view = this.#chunk.subarray(this.#at, end);
    this.#at = end;
    return view;
  }

  /** Waits for the next chunk, once all of the last is taken. False at the end of the stream. */
  async more(): Promise<boolean> {
    while (this.#at >= this.#chunk.length) {
      const next = await this.#source.next();
      if (next.done) return false;
      const c = next.value;
      this.#before += this.#chunk.length;
      this.#chunk = Buffer.from(c.buffer, c.byteOffset, c.byteLength);
      this.#at = 0;
    }
    return true;
  }

  /** Exactly `n` bytes. The end of the stream before them throws `invalid-argument`, but for the very first byte where `atEnd` is true: then undefined. */
  exact(n: number, atEnd = false): Buffer | undefined | Promise<Buffer | undefined> {
    return this.#chunk.length - this.#at >= n ? this.take(n) : this.#gather(n, atEnd);
  }

  /** Passes over `n` bytes, of which the last `spare` may be missing at the end of the stream. */
  async skip(n: number, spare = 0): Promise<void> {
    let left = n - this.take(n).length;
    if (left > 0 && this.#seekable) {
      const passed = this.#seekable.seek(left);
      this.#before += passed;
      left -= passed;
    }
    while (left > 0) {
      if (!(await this.more())) {
        if (left <= spare) return;
        throw truncated();
      }
      left -= this.take(left).length;
    }
  }

  /** Reads to the end of the stream and throws the bytes away. */
  async drain(): Promise<void> {
    while (await this.more()) this.#at = this.#chunk.length;
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #gather(n: number, atEnd: boolean): Promise<Buffer | undefined> {
    const out = Buffer.alloc(n);
    let have = 0;
    while (have < n) {
      if (!(await this.more())) {
        if (have === 0 && atEnd) return undefined;
        throw truncated();
      }
      const piece = this.take(n - have);
      out.set(piece, have);
      have += piece.length;
    }
    return out;
  }
}

function truncated(): Error {
  return badTar("it ends in the middle of an entry");
}
