import { fstatSync, readSync } from "node:fs";

const CHUNK = 64 * 1024;
const NEWLINE = 10;

/** Where the last lines of a file begin, and how many there are from there on: those wanted, or all. */
export interface Tail {
  offset: number;
  lines: number;
}

/** Where the last `wanted` lines of an open file begin, reading backwards. */
export function tailOffset(fd: number, wanted: number): Tail {
  const chunk = Buffer.allocUnsafe(CHUNK);
  const { size } = fstatSync(fd);
  let lines = 0;
  if (wanted === 0) return { offset: size, lines };
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - CHUNK);
    readSync(fd, chunk, 0, end - start, start);
    for (let i = end - start - 1; i >= 0; i--) {
      // The newline at the very end closes the last line and begins none.
      if (chunk[i] !== NEWLINE || start + i === size - 1) continue;
      if (++lines === wanted) return { offset: start + i + 1, lines };
    }
    end = start;
  }
  return { offset: 0, lines: size > 0 ? lines + 1 : 0 };
}

/** As `tailOffset`, for what can only be read forwards: the starts of the last lines are kept while it is read. */
export async function lineStart(text: AsyncIterable<Uint8Array>, wanted: number): Promise<Tail> {
  let starts: number[] = [0];
  let size = 0;
  for await (const chunk of text) {
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) starts.push(size + at + 1);
    size += chunk.length;
    // One more than wanted: the last may turn out to begin no line.
    if (starts.length > 2 * wanted + 2) starts = starts.slice(-(wanted + 1));
  }
  if (starts.at(-1) === size) starts.pop();
  if (wanted === 0) return { offset: size, lines: 0 };
  const kept = starts.slice(-wanted);
  return { offset: kept[0] ?? 0, lines: kept.length };
}
