import { expect, test } from "bun:test";
import { jsonLines } from "./json-stream.ts";

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
