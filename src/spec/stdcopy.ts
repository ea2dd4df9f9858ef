/** One piece of a multiplexed stream: 0 stdin, 1 stdout, 2 stderr, 3 an error of the engine's own. */
export interface StdFrame {
  stream: number;
  data: Uint8Array;
}

const HEADER = 8;
const LENGTH_AT = 4;

/** One frame of Docker's multiplexed stream (Engine API, "attach", stream format): `[stream, 0, 0, 0, length BE]`, then the payload. */
export function frame(stream: "stdout" | "stderr", payload: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(HEADER + payload.length);
  out.writeUInt32BE(stream === "stdout" ? 0x01000000 : 0x02000000, 0);
  out.writeUInt32BE(payload.length, LENGTH_AT);
  out.set(payload, HEADER);
  return out;
}

/**
 * Takes frames apart again. Payloads are passed on as they come, so a frame of any size costs no more memory than one read. What is left
 * of a frame when the input ends has been passed on; a cut header is dropped.
 */
export class StdDemux {
  #header = Buffer.alloc(0);
  #stream = 0;
  #left = 0;

  /** The frames, or parts of frames, that `chunk` completes. */
  *push(chunk: Uint8Array): Generator<StdFrame> {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    while (rest.length > 0) {
      if (this.#left === 0) {
        const take = HEADER - this.#header.length;
        this.#header = Buffer.concat([this.#header, rest.subarray(0, take)]);
        rest = rest.subarray(take);
        if (this.#header.length < HEADER) return;
        this.#stream = this.#header.readUInt8(0);
        this.#left = this.#header.readUInt32BE(LENGTH_AT);
        this.#header = Buffer.alloc(0);
        continue;
      }
      const data = rest.subarray(0, this.#left);
      this.#left -= data.length;
      rest = rest.subarray(data.length);
      yield { stream: this.#stream, data };
    }
  }
}
