import { availableParallelism } from "node:os";
import { BerthError } from "../spec/errors.ts";

/** Of libdeflate. Of a Debian as many bytes as zlib's 6 makes, of JavaScript 6 % more, in three fifths of its time; 5 takes a seventh longer for 2 % less, 3 a tenth less for 1 to 2 % more. */
const LEVEL = 4;
/** What takes about a millisecond is not worth a thread. */
const IN_PLACE = 64 * 1024;
const MOST_THREADS = 8;
/** How long threads without work are kept, in milliseconds. */
const KEPT_MS = 250;
/** Passes a block's memory on and back; copies nothing. A thread of the executable has no file of its own to be loaded from. */
const THREAD = `onmessage = ({ data }) => {
  const member = Bun.gzipSync(data, { library: "libdeflate", level: ${LEVEL} });
  postMessage({ member, block: data }, [...new Set([member.buffer, data.buffer])]);
};`;

/** A block as a gzip member, and the block itself, whose memory is the caller's again. */
export interface GzipMember {
  member: Uint8Array<ArrayBuffer>;
  block: Uint8Array<ArrayBuffer>;
}

interface Job {
  block: Uint8Array<ArrayBuffer>;
  resolve(made: GzipMember): void;
  reject(error: BerthError): void;
}

/** Compresses blocks in threads, which begin with the first block and end shortly after the last. The same block becomes the same bytes in each. */
export class GzipThreads {
  readonly #waiting: Job[] = [];
  readonly #idle: Worker[] = [];
  #threads = 0;
  #jobs = 0;
  #url: string | undefined;
  readonly #onEnd: (() => void)[] = [];

  constructor(readonly count = Math.min(availableParallelism(), MOST_THREADS)) {}

  /** Threads that there are at the moment. */
  get running(): number {
    return this.#threads;
  }

  /**
   * One member (RFC 1952 section 2.3: no name, no time) of a block that has its memory to itself: that is gone for the caller until the answer. Blocks are begun in the order in which they come.
   */
  member(block: Uint8Array<ArrayBuffer>): Promise<GzipMember> {
    if (block.byteLength <= IN_PLACE) {
      return Promise.resolve({ member: Bun.gzipSync(block, { library: "libdeflate", level: LEVEL }), block });
    }
    return new Promise((resolve, reject) => {
      this.#jobs += 1;
      this.#waiting.push({ block, resolve, reject });
      const thread = this.#idle.pop() ?? (this.#threads < this.count ? this.#start() : undefined);
      if (thread) this.#next(thread);
    });
  }

  /** Resolves when no thread is left: some time after the last block. */
  async ended(): Promise<void> {
    if (this.#threads > 0) await new Promise<void>((resolve) => this.#onEnd.push(resolve));
  }

  #start(): Worker {
    this.#url ??= URL.createObjectURL(new Blob([THREAD], { type: "text/javascript" }));
    this.#threads += 1;
    return new Worker(this.#url, { smol: true });
  }

  #next(thread: Worker): void {
    const job = this.#waiting.shift();
    if (!job) {
      this.#keep(thread);
      return;
    }
    thread.onmessage = ({ data }: MessageEvent<GzipMember>) => {
      job.resolve(data);
      this.#next(thread);
    };
    thread.onerror = ({ message }) => {
      job.reject(new BerthError("internal", `compressing: ${message}`));
      this.#end(thread);
      if (this.#waiting.length > 0) this.#next(this.#start());
    };
    thread.postMessage(job.block, [job.block.buffer]);
  }

  #keep(thread: Worker): void {
    this.#idle.push(thread);
    const since = this.#jobs;
    const late = (): void => {
      if (this.#jobs !== since || !this.#idle.includes(thread)) return;
      this.#idle.splice(this.#idle.indexOf(thread), 1);
      this.#end(thread);
    };
    setTimeout(late, KEPT_MS);
  }

  #end(thread: Worker): void {
    this.#threads -= 1;
    thread.terminate();
    if (this.#threads > 0) return;
    for (const told of this.#onEnd.splice(0)) told();
  }
}
