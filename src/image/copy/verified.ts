import { createHash } from "node:crypto";
import type { Digest } from "../../spec/digest.ts";
import { BerthError } from "../../spec/errors.ts";

/**
 * The same bytes, verified on the way: the last of them is only given once it is known that all are right, so a reader that counts never has a whole blob that is wrong. Throws
 * `invalid-argument` for others, for too few and, at once, for too many. `told` gets the number of bytes so far.
 */
export async function* verified(
  source: AsyncIterable<Uint8Array>,
  want: { digest: Digest; size: number },
  options: { told?: (done: number) => void; signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array, void, void> {
  const { told, signal } = options;
  const hash = createHash("sha256");
  let done = 0;
  let last: Uint8Array | undefined;
  for await (const chunk of source) {
    signal?.throwIfAborted();
    if (chunk.byteLength === 0) continue;
    done += chunk.byteLength;
    if (done > want.size) throw wrongSize(want, `more than ${want.size}`);
    hash.update(chunk);
    told?.(done);
    // The last piece waits for the verdict; sources may use their buffers again.
    if (done === want.size) last = Buffer.from(chunk);
    else yield chunk;
  }
  signal?.throwIfAborted();
  if (done !== want.size) throw wrongSize(want, String(done));
  const digest = `sha256:${hash.digest("hex")}`;
  if (digest !== want.digest) {
    throw new BerthError("invalid-argument", `digest mismatch: want ${want.digest}, content has ${digest}`, {
      hint: "nothing was committed; the source is damaged, or somebody changed it on the way",
    });
  }
  if (last) yield last;
}

function wrongSize({ digest, size }: { digest: Digest; size: number }, got: string): BerthError {
  return new BerthError("invalid-argument", `size mismatch: ${digest} should have ${size} bytes, has ${got}`);
}
