import { BerthError } from "../spec/errors.ts";

const FRAME = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;

type Expect = "magic" | "skippable-size" | "descriptor" | "frame-header" | "block-header" | "checksum";

/**
 * Follows the frames of a zstd stream by their headers alone (RFC 8878, section 3.1), skipping over the data. The decoder that comes with the
 * runtime takes a stream that stops in the middle, or goes on with something else, for a whole one; this does not.
 */
export class ZstdFrames {
  #expect: Expect = "magic";
  #need = 4;
  #have = Buffer.alloc(0);
  #skip = 0;
  #checksum = false;
  #afterSkip: Expect = "magic";

  /** Looks at the next bytes. Throws `invalid-argument` where no frame starts where one should. */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#skip > 0) {
        const n = Math.min(this.#skip, chunk.length - at);
        this.#skip -= n;
        at += n;
        if (this.#skip === 0) this.#await(this.#afterSkip);
        continue;
      }
      const part = chunk.subarray(at, at + this.#need - this.#have.length);
      at += part.length;
      this.#have = Buffer.concat([this.#have, part]);
      if (this.#have.length === this.#need) this.#step();
    }
  }

  /** True where the bytes so far are whole frames. */
  get whole(): boolean {
    return this.#expect === "magic" && this.#have.length === 0 && this.#skip === 0;
  }

  #await(what: Expect): void {
    const sizes = { magic: 4, "skippable-size": 4, descriptor: 1, "block-header": 3, checksum: 4, "frame-header": 0 };
    this.#expect = what;
    this.#need = sizes[what];
    this.#have = Buffer.alloc(0);
  }

  #skipOver(n: number, then: Expect): void {
    this.#await(then);
    this.#skip = n;
    this.#afterSkip = then;
  }

  #step(): void {
    const bytes = this.#have;
    switch (this.#expect) {
      case "magic": {
        const magic = bytes.readUInt32LE();
        if (magic === FRAME) this.#await("descriptor");
        else if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) this.#await("skippable-size");
        else throw new BerthError("invalid-argument", "zstd data is damaged: something else follows a frame");
        break;
      }
      case "skippable-size":
        this.#skipOver(bytes.readUInt32LE(), "magic");
        break;
      case "descriptor":
        this.#descriptor(bytes[0] ?? 0);
        break;
      case "block-header":
        this.#block(bytes.readUIntLE(0, 3));
        break;
      default:
        this.#await("magic");
    }
  }

  #descriptor(flags: number): void {
    const single = (flags & 0x20) !== 0;
    this.#checksum = (flags & 0x04) !== 0;
    const contentSize = [single ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0;
    const dictionaryId = [0, 1, 2, 4][flags & 3] ?? 0;
    this.#skipOver((single ? 0 : 1) + dictionaryId + contentSize, "block-header");
  }

  #block(header: number): void {
    const last = (header & 1) !== 0;
    const type = (header >> 1) & 3;
    const size = type === 1 ? 1 : header >> 3;
    this.#skipOver(size, !last ? "block-header" : this.#checksum ? "checksum" : "magic");
  }
}
