import { expect, test } from "bun:test";
import { acceptKey, CLOSE, ClientFrames, type ClientPiece, closeFrame, OPCODE, serverFrame } from "./websocket.ts";

/** A client's frame, masked unless told otherwise. */
function clientFrame(opcode: number, data: Uint8Array, how: { final?: boolean; mask?: boolean; rsv?: number } = {}) {
  const server = serverFrame(opcode, data);
  const head = Buffer.from(server.subarray(0, server.length - data.length));
  if (how.final === false) head[0] = (head[0] ?? 0) & 0x7f;
  head[0] = (head[0] ?? 0) | (how.rsv ?? 0);
  if (how.mask === false) return Buffer.concat([head, data]);
  head[1] = (head[1] ?? 0) | 0x80;
  const mask = [0xa1, 0x02, 0xff, 0x40];
  return Buffer.concat([head, Buffer.from(mask), data.map((byte, i) => byte ^ (mask[i % 4] ?? 0))]);
}

function read(bytes: Uint8Array, cut = bytes.length): ClientPiece[] {
  const frames = new ClientFrames();
  const pieces: ClientPiece[] = [];
  for (let at = 0; at < bytes.length; at += cut) pieces.push(...frames.push(bytes.subarray(at, at + cut)));
  return pieces;
}
const dataOf = (pieces: ClientPiece[]): string =>
  Buffer.concat(pieces.flatMap((p) => (p.kind === "data" ? [p.data] : []))).toString("latin1");

test("the key of RFC 6455, section 1.3", () => {
  expect(acceptKey("dGhlIHNhbXBsZSBub25jZQ==")).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
});

test.each([0, 1, 125, 126, 127, 65535, 65536])("a payload of %i bytes, whole and in pieces", (length) => {
  const payload = Buffer.alloc(length, "abcdefg");
  const frame = serverFrame(OPCODE.binary, payload);
  expect(frame.length - length).toBe(length < 126 ? 2 : length < 65536 ? 4 : 10);
  for (const cut of [1, 7, 4096, length + 20].filter((c) => length / c < 20_000)) {
    expect(dataOf(read(clientFrame(OPCODE.binary, payload), cut))).toBe(payload.toString());
  }
});

test("text, fragments with a ping between them, and the close", () => {
  const bytes = Buffer.concat([
    clientFrame(OPCODE.text, Buffer.from("te"), { final: false }),
    clientFrame(OPCODE.ping, Buffer.from("?")),
    clientFrame(0, Buffer.from("xt")),
    clientFrame(OPCODE.pong, Buffer.from("!")),
    closeFrameOfClient(),
    clientFrame(OPCODE.binary, Buffer.from("behind it")),
  ]);
  for (const cut of [1, 3, bytes.length]) {
    const pieces = read(bytes, cut);
    expect(dataOf(pieces)).toBe("text");
    expect(pieces.filter((p) => p.kind !== "data")).toEqual([
      { kind: "ping", data: Buffer.from("?") },
      { kind: "close" },
    ]);
  }
});

function closeFrameOfClient(): Buffer {
  return clientFrame(OPCODE.close, closeFrame(CLOSE.normal).subarray(2));
}

test.each([
  ["unmasked", clientFrame(OPCODE.binary, Buffer.from("x"), { mask: false }), CLOSE.protocolError],
  ["an opcode that is none", clientFrame(3, Buffer.from("x")), CLOSE.protocolError],
  ["a reserved bit", clientFrame(OPCODE.binary, Buffer.from("x"), { rsv: 0x40 }), CLOSE.protocolError],
  ["a ping in fragments", clientFrame(OPCODE.ping, Buffer.from("x"), { final: false }), CLOSE.protocolError],
  ["a long ping", clientFrame(OPCODE.ping, Buffer.alloc(126)), CLOSE.protocolError],
  ["2^63 bytes", Buffer.from("82ff8000000000000000aabbccdd", "hex"), CLOSE.tooBig],
])("%s ends it", (_name, bytes, status) => {
  const after = Buffer.concat([bytes, clientFrame(OPCODE.binary, Buffer.from("after"))]);
  for (const cut of [1, after.length]) expect(read(after, cut)).toEqual([{ kind: "failed", status }]);
});

test("random bytes never throw and never grow what is held", () => {
  const frames = new ClientFrames();
  for (let i = 0; i < 2000; i++)
    for (const piece of frames.push(crypto.getRandomValues(new Uint8Array(64)))) void piece;
});
