import { createHash } from "node:crypto";

/** What a frame carries (RFC 6455, section 5.2). */
export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Status codes of a close frame (RFC 6455, section 7.4.1). */
export const CLOSE = { normal: 1000, protocolError: 1002, tooBig: 1009 } as const;

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const MAX_CONTROL = 125;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** The value of `Sec-WebSocket-Accept` for a client's key (RFC 6455, section 4.2.2). */
export function acceptKey(key: string): string {
  return createHash("sha1").update(`${key}${GUID}`).digest("base64");
}

/** One whole frame of a server, which masks nothing. */
export function serverFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const size = length <= MAX_CONTROL ? 0 : length < 0x10000 ? 2 : 8;
  const head = Buffer.alloc(2 + size);
  head[0] = 0x80 | opcode;
  head[1] = size === 0 ? length : size === 2 ? LENGTH_16 : LENGTH_64;
  if (size === 2) head.writeUInt16BE(length, 2);
  if (size === 8) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}

/** A close frame with its status. */
export function closeFrame(status: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(status);
  return serverFrame(OPCODE.close, payload);
}

/** What a client has sent: bytes of a message, or a whole control frame. `failed` is the status to close with: nothing is read after it. */
export type ClientPiece =
  | { kind: "data"; data: Buffer }
  | { kind: "close" }
  | { kind: "ping"; data: Buffer }
  | { kind: "failed"; status: number };

interface Head {
  opcode: number;
  mask: Buffer;
  left: number;
  /** Where in the payload the next byte is: the mask goes round. */
  at: number;
}

/** Takes a client's frames apart. The bytes of a message are passed on as they come, so that a frame of any size costs no more memory than one read. */
export class ClientFrames {
  #rest = Buffer.alloc(0);
  #head: Head | undefined;
  #control = Buffer.alloc(0);
  #ended = false;

  /** The pieces that `chunk` completes. */
  *push(chunk: Uint8Array): Generator<ClientPiece> {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (!this.#ended) {
      if (!this.#head) {
        const head = this.#takeHead();
        if (head === undefined) return;
        if (typeof head === "number") {
          this.#ended = true;
          yield { kind: "failed", status: head };
          return;
        }
        this.#head = head;
      }
      const piece = this.#takePayload(this.#head);
      if (piece) yield piece;
      if (this.#head) return;
    }
  }

  /** The next frame's head; undefined while it is not whole, a status where it breaks the protocol. */
  #takeHead(): Head | number | undefined {
    const bytes = this.#rest;
    if (bytes.length < 2) return undefined;
    const [first = 0, second = 0] = bytes;
    const opcode = first & 0x0f;
    const short = second & 0x7f;
    const known = opcode <= OPCODE.binary || (opcode >= OPCODE.close && opcode <= OPCODE.pong);
    const control = opcode >= OPCODE.close;
    const masked = (second & 0x80) !== 0;
    if (!known || !masked || (first & 0x70) !== 0) return CLOSE.protocolError;
    if (control && (short > MAX_CONTROL || (first & 0x80) === 0)) return CLOSE.protocolError;
    const size = short === LENGTH_16 ? 2 : short === LENGTH_64 ? 8 : 0;
    const end = 2 + size + 4;
    if (bytes.length < end) return undefined;
    const length = size === 0 ? BigInt(short) : size === 2 ? BigInt(bytes.readUInt16BE(2)) : bytes.readBigUInt64BE(2);
    if (length > Number.MAX_SAFE_INTEGER) return CLOSE.tooBig;
    this.#rest = bytes.subarray(end);
    return { opcode, mask: Buffer.from(bytes.subarray(end - 4, end)), left: Number(length), at: 0 };
  }

  #takePayload(head: Head): ClientPiece | undefined {
    const data = Buffer.from(this.#rest.subarray(0, head.left));
    this.#rest = this.#rest.subarray(data.length);
    for (let i = 0; i < data.length; i++) data[i] = (data[i] ?? 0) ^ (head.mask[(head.at + i) % 4] ?? 0);
    head.at += data.length;
    head.left -= data.length;
    if (head.left === 0) this.#head = undefined;
    if (head.opcode <= OPCODE.binary) return data.length > 0 ? { kind: "data", data } : undefined;
    this.#control = Buffer.concat([this.#control, data]);
    if (head.left > 0) return undefined;
    const whole = this.#control;
    this.#control = Buffer.alloc(0);
    if (head.opcode === OPCODE.pong) return undefined;
    if (head.opcode === OPCODE.ping) return { kind: "ping", data: whole };
    this.#ended = true;
    return { kind: "close" };
  }
}
