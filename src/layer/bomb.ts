import { BerthError } from "../spec/errors.ts";

/** What a compressed layer may become, in bytes: anything up to `free`, and then so many times its own size. */
export interface Bounds {
  free: number;
  ratio: number;
}

const BOUNDS: Bounds = { free: 4 * 1024 ** 3, ratio: 1000 };

/** Passes a layer's plain bytes on. Throws `invalid-argument` where `packed` bytes have become more than any honest layer would: one that is made to fill the disk. */
export async function* withinBounds(
  plain: AsyncIterable<Uint8Array>,
  packed: number,
  { free, ratio }: Bounds = BOUNDS,
): AsyncGenerator<Uint8Array, void, void> {
  let size = 0;
  for await (const chunk of plain) {
    size += chunk.byteLength;
    if (size > free && size > packed * ratio) {
      throw new BerthError(
        "invalid-argument",
        `the layer unpacks to more than ${size} bytes, over ${ratio} times its ${packed}: it is made to fill the disk`,
      );
    }
    yield chunk;
  }
}
