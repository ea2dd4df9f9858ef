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
