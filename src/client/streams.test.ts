import { expect, test } from "bun:test";
import { jsonLines } from "./json-stream.ts";
import { StdDemux } from "./stdcopy.ts";

function frame(stream: number, text: string): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

test("frames are taken apart however the bytes are cut", () => {
  const whole = Buffer.concat([frame(1, "hello"), frame(2, ""), frame(2, "err"), frame(1, "x".repeat(1000))]);
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
  const [part] = [...new StdDemux().push(frame(1, "abcdef").subarray(0, 11))];
  expect(Buffer.from(part?.data ?? []).toString()).toBe("abc");
});

async function* bytes(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === "string" ? Buffer.from(part) : part;
}

test("lines of JSON are read across chunks, also inside a character, and without a last newline", async () => {
  const text = Buffer.from('{"a":"é"}\r\n\n{"a":"ü"}');
  const lines: unknown[] = [];
  for await (const line of jsonLines(bytes(text.subarray(0, 7), text.subarray(7)))) lines.push(line);
  expect(lines).toEqual([{ a: "é" }, { a: "ü" }]);
});

test("a line that is not JSON is an error that shows it", async () => {
  const read = async () => {
    for await (const line of jsonLines(bytes("<html>\n"))) expect(line).toBeUndefined();
  };
  expect(read()).rejects.toThrow("not JSON: <html>");
});
