import { expect, test } from "bun:test";
import { frame, StdDemux } from "./stdcopy.ts";

test("frames survive any chunking", () => {
  const whole = Buffer.concat([
    frame("stdout", Buffer.from("hello")),
    frame("stderr", Buffer.alloc(0)),
    frame("stderr", Buffer.from("err")),
    frame("stdout", Buffer.from("x".repeat(1000))),
  ]);
  for (let size = 1; size <= whole.length; size += 7) {
    const demux = new StdDemux();
    const texts: Record<number, string> = { 1: "", 2: "" };
    for (let at = 0; at < whole.length; at += size) {
      for (const { stream, data } of demux.push(whole.subarray(at, at + size)))
        texts[stream] += Buffer.from(data).toString();
    }
    expect(texts).toEqual({ 1: `hello${"x".repeat(1000)}`, 2: "err" });
  }
});

test("a frame is passed on before it is complete", () => {
  const [part] = [...new StdDemux().push(frame("stdout", Buffer.from("abcdef")).subarray(0, 11))];
  expect(Buffer.from(part?.data ?? []).toString()).toBe("abc");
});

test("a frame's header is the stream, three zeros and the length, big-endian", () => {
  expect([...frame("stderr", Buffer.from("ab"))]).toEqual([2, 0, 0, 0, 0, 0, 0, 2, 97, 98]);
  expect([...frame("stdout", Buffer.alloc(258)).subarray(0, 8)]).toEqual([1, 0, 0, 0, 0, 0, 1, 2]);
});

/** All that the pieces hold, by stream, and how many frames or parts came. */
function demuxed(...pieces: Uint8Array[]): { texts: Record<number, string>; parts: number } {
  const demux = new StdDemux();
  const texts: Record<number, string> = {};
  let parts = 0;
  for (const piece of pieces) {
    for (const { stream, data } of demux.push(piece)) {
      texts[stream] = (texts[stream] ?? "") + Buffer.from(data).toString("latin1");
      parts++;
    }
  }
  return { texts, parts };
}

const raw = (stream: number, text: string, length = text.length): Buffer => {
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(length, 4);
  return Buffer.concat([header, Buffer.from(text, "latin1")]);
};

test("frames say the same wherever they are cut in two, and byte by byte", () => {
  const whole = Buffer.concat([raw(1, "one"), raw(2, ""), raw(1, ""), raw(2, "\x00\xff\n"), raw(1, "x".repeat(40))]);
  const texts = { 1: `one${"x".repeat(40)}`, 2: "\x00\xff\n" };
  for (let at = 0; at <= whole.length; at++)
    expect(demuxed(whole.subarray(0, at), whole.subarray(at)).texts).toEqual(texts);
  expect(demuxed(...Array.from(whole, (byte) => new Uint8Array([byte]))).texts).toEqual(texts);
});

test("empty frames are nothing, also the last one and many in a row", () => {
  expect(demuxed(raw(1, ""))).toEqual({ texts: {}, parts: 0 });
  const many = Buffer.concat([...Array.from({ length: 500 }, (_, i) => raw(1 + (i % 2), "")), raw(2, "end")]);
  expect(demuxed(many)).toEqual({ texts: { 2: "end" }, parts: 1 });
});

test("streams of other numbers keep theirs: 0 is stdin, 3 the engine's own errors", () => {
  expect(
    demuxed(Buffer.concat([raw(0, "in"), raw(3, "bad"), raw(9, "new"), raw(255, "top"), raw(1, "out")])).texts,
  ).toEqual({
    0: "in",
    1: "out",
    3: "bad",
    9: "new",
    255: "top",
  });
});

test("the length has 32 bits, and a frame as long as that holds no memory", () => {
  const { texts, parts } = demuxed(raw(1, "start", 0xffffffff), Buffer.from("more"));
  expect([texts, parts]).toEqual([{ 1: "startmore" }, 2]);
});

test("a stream that ends within a frame gives what came; within a header, nothing more", () => {
  expect(demuxed(raw(1, "abc", 10)).texts).toEqual({ 1: "abc" });
  for (let n = 0; n < 8; n++)
    expect(demuxed(raw(1, "abc"), raw(2, "never").subarray(0, n)).texts).toEqual({ 1: "abc" });
});

test("a view into a larger buffer is read within its bounds", () => {
  const frames = raw(2, "inside");
  const larger = Buffer.concat([Buffer.alloc(13, 7), frames, Buffer.alloc(9, 7)]);
  const view = new Uint8Array(larger.buffer, larger.byteOffset + 13, frames.length);
  expect(demuxed(view).texts).toEqual({ 2: "inside" });
});
