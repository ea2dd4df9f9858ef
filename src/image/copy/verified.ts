import { createHash, type Hash } from "node:crypto";
import type { Digest } from "../../spec/digest.ts";
import { BerthError } from "../../spec/errors.ts";

/** How often, in bytes, it is kept how far the digest was. */
const MARK = 8 * 1024 * 1024;

/** A blob that is read in order to be verified. */
export interface VerifiedOptions {
  /** The bytes from a place on. */
  open: (from: number) => Promise<AsyncIterable<Uint8Array>>;
  /** Told of the number of bytes that have gone, with those before the place that a reader began at. */
  told?: (done: number) => void;
  signal?: AbortSignal;
}

/**
 * The bytes of a blob, verified on their way: the last of them is only given once it is known that all are right, so a reader that counts never has a whole blob that is wrong. A reader that
 * was cut off may begin again in the middle: the digest goes on from a mark a little before, so few bytes are read twice.
 */
export class VerifiedBlob {
  /** Not empty, from the first byte on, in their order. */
  readonly #marks: { at: number; hash: Hash }[] = [{ at: 0, hash: createHash("sha256") }];

  constructor(
    private readonly want: { digest: Digest; size: number },
    private readonly options: VerifiedOptions,
  ) {}

  /** The bytes from `start` on. Throws `invalid-argument` for others than were wanted, for too few and, at once, for too many. */
  async *from(start = 0): AsyncGenerator<Uint8Array, void, void> {
    const { open, told, signal } = this.options;
    const { size } = this.want;
    const mark = this.#marks.findLast(({ at }) => at <= start) ?? { at: 0, hash: createHash("sha256") };
    const hash = mark.hash.copy();
    let done = mark.at;
    let last: Uint8Array | undefined;
    for await (const chunk of await open(done)) {
      signal?.throwIfAborted();
      if (chunk.byteLength === 0) continue;
      const fresh = chunk.subarray(Math.min(chunk.byteLength, Math.max(0, start - done)));
      done += chunk.byteLength;
      if (done > size) throw this.#wrongSize(`more than ${size}`);
      hash.update(chunk);
      this.#mark(done, hash);
      if (fresh.byteLength === 0) continue;
      told?.(done);
      // The last piece waits for the verdict; sources may use their buffers again.
      if (done === size) last = Buffer.from(fresh);
      else yield fresh;
    }
    signal?.throwIfAborted();
    if (done !== size) throw this.#wrongSize(String(done));
    this.#check(hash);
    if (last) yield last;
  }

  #mark(at: number, hash: Hash): void {
    const [newest] = this.#marks.slice(-1);
    if (newest && at - newest.at >= MARK) this.#marks.push({ at, hash: hash.copy() });
  }

  #check(hash: Hash): void {
    const digest = `sha256:${hash.digest("hex")}`;
    if (digest === this.want.digest) return;
    throw new BerthError("invalid-argument", `digest mismatch: want ${this.want.digest}, content has ${digest}`, {
      hint: "nothing was committed; the source is damaged, or somebody changed it on the way",
    });
  }

  #wrongSize(got: string): BerthError {
    const { digest, size } = this.want;
    return new BerthError("invalid-argument", `size mismatch: ${digest} should have ${size} bytes, has ${got}`);
  }
}
