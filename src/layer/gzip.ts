import { type GzipMember, GzipThreads } from "../host/gzip-threads.ts";

/** Cutting costs a quarter of a percent here; smaller blocks cost more, larger ones only memory. */
const BLOCK = 512 * 1024;
const SHARED = new GzipThreads();

/** How to compress. */
export interface GzipOptions {
  /** Looked at before each block and each chunk of the source: ends the stream with the signal's reason. */
  signal?: AbortSignal;
  /** Default: threads that all streams of the process share, as many as it has processors. */
  threads?: GzipThreads;
}

/**
 * The source as a gzip stream of a member for each 512 KiB (RFC 1952 section 2.2: members in a row are one file). Its bytes are a function of the source's
 * and of Berth's version, neither of how the source comes in pieces nor of how many threads there are. Some blocks at a time are in memory: the source is read as the stream is.
 * Throws what the source throws; ending the iteration early ends the source's.
 */
export async function* gzipBlocks(
  source: AsyncIterable<Uint8Array>,
  { signal, threads = SHARED }: GzipOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const queue = new BlockQueue(threads);
  for await (const chunk of source) {
    signal?.throwIfAborted();
    for (let at = 0; at < chunk.byteLength; ) {
      at += queue.fill(chunk.subarray(at));
      if (!queue.isFull) continue;
      yield await queue.take();
      signal?.throwIfAborted();
    }
  }
  queue.close();
  while (queue.length > 0) {
    yield await queue.take();
    signal?.throwIfAborted();
  }
}

/** Blocks on their way through the threads, in order. */
class BlockQueue {
  readonly #made: Promise<GzipMember>[] = [];
  /** Memory of blocks that are done. */
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  #block: Uint8Array<ArrayBuffer> | undefined;
  #used = 0;
  #any = false;

  constructor(private readonly threads: GzipThreads) {}

  get length(): number {
    return this.#made.length;
  }

  /** One block for each thread, and one that waits for the first of them. */
  get isFull(): boolean {
    return this.#made.length > this.threads.count;
  }

  /** Puts what fits into the open block; says how many bytes. */
  fill(bytes: Uint8Array): number {
    this.#block ??= this.#free.pop() ?? new Uint8Array(BLOCK);
    const n = Math.min(bytes.byteLength, BLOCK - this.#used);
    this.#block.set(bytes.subarray(0, n), this.#used);
    this.#used += n;
    if (this.#used === BLOCK) this.#send(this.#block);
    return n;
  }

  /** The rest; nothing at all is a member too. */
  close(): void {
    if (this.#used > 0 || !this.#any) this.#send(this.#block ?? new Uint8Array(0));
  }

  async take(): Promise<Uint8Array> {
    const first = await this.#made.shift();
    if (!first) return new Uint8Array(0);
    this.#free.push(new Uint8Array(first.block.buffer));
    return first.member;
  }

  #send(block: Uint8Array<ArrayBuffer>): void {
    const made = this.threads.member(block.subarray(0, this.#used));
    // Told by `take`, where it comes to that.
    made.catch(() => undefined);
    this.#made.push(made);
    [this.#block, this.#used, this.#any] = [undefined, 0, true];
  }
}
