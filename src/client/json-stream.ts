import { BerthError } from "../spec/errors.ts";

const MAX_LINE = 16 * 1024 * 1024;

/** The lines of a stream, without their ends; empty ones are left out. Throws `internal` on one longer than 16 MiB. */
export async function* textLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let pending = "";
  for await (const chunk of body) {
    pending += decoder.decode(chunk, { stream: true });
    const lines = pending.split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield line;
    if (pending.length > MAX_LINE) throw new BerthError("internal", "the engine sent a line without an end");
  }
  if (pending.trim() !== "") yield pending;
}

/** The objects of a stream of JSON, one a line (Engine API: events, stats, progress). Throws `internal` on a line that is not JSON. */
export async function* jsonLines<T>(body: AsyncIterable<Uint8Array>): AsyncGenerator<T> {
  for await (const line of textLines(body)) yield parse<T>(line);
}

function parse<T>(line: string): T {
  try {
    return JSON.parse(line) as T;
  } catch (cause) {
    throw new BerthError("internal", `the engine sent a line that is not JSON: ${line.slice(0, 120)}`, { cause });
  }
}
