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

async function linesOf(...parts: (string | Uint8Array)[]): Promise<unknown[]> {
  const lines: unknown[] = [];
  for await (const line of jsonLines(bytes(...parts))) lines.push(line);
  return lines;
}

test("a stream of JSON says the same wherever it is cut in two, and byte by byte", async () => {
  const objects = [{ a: "é€😀" }, { b: 'line\nend }{ \\" ' }, { c: [1, { d: null }] }, {}, 7, "text", true];
  const text = Buffer.from(`${objects.map((o) => JSON.stringify(o)).join("\r\n")}\n\n \n`);
  for (let at = 0; at <= text.length; at++)
    expect(await linesOf(text.subarray(0, at), text.subarray(at))).toEqual(objects);
  expect(await linesOf(...Array.from(text, (byte) => new Uint8Array([byte])))).toEqual(objects);
});

test("an empty stream, and one of empty lines, has no objects", async () => {
  expect(await linesOf()).toEqual([]);
  expect(await linesOf("", "\n", "\r\n", "  \n", "")).toEqual([]);
});

test("objects that came before a broken line are given; the line is shown, but not without end", async () => {
  const seen: unknown[] = [];
  const read = async (text: string): Promise<void> => {
    for await (const line of jsonLines(bytes(text))) seen.push(line);
  };
  expect(await read('{"a":1}\n{"a":\n{"a":2}\n').catch((e: Error) => e.message)).toBe(
    'the engine sent a line that is not JSON: {"a":',
  );
  expect(seen).toEqual([{ a: 1 }]);
  const message = await read(`${"x".repeat(5000)}\n`).catch((e: Error) => e.message);
  expect(message).toBe(`the engine sent a line that is not JSON: ${"x".repeat(120)}`);
  expect(await read('{"cut":').catch((e: Error) => e.message)).toContain("not JSON");
});

test("a line without an end is given up before it fills the memory", async () => {
  let sent = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (const chunk = Buffer.alloc(2 ** 20, "x"); sent < 64; sent++) yield chunk;
  }
  const read = async (): Promise<void> => {
    for await (const line of jsonLines(endless())) expect(line).toBeUndefined();
  };
  expect(await read().catch((e: Error) => e.message)).toBe("the engine sent a line without an end");
  expect(sent).toBeLessThan(20);
});

test("leaving early ends the source", async () => {
  let ended = false;
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield Buffer.from('{"a":1}\n');
    } finally {
      ended = true;
    }
  }
  for await (const line of jsonLines(source())) {
    expect(line).toEqual({ a: 1 });
    break;
  }
  expect(ended).toBe(true);
});
