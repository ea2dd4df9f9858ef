/** One entry of a log file. */
export interface LogEntry {
  /** What the container wrote, with its newline; a piece of a longer line has none. */
  line: Buffer;
  stream: "stdout" | "stderr";
  /** RFC 3339 in UTC, the fraction's trailing zeros left out. */
  time: string;
  attrs: Record<string, string>;
}

const BACKSLASH = 92;
const LETTER_Z = 90;
const POINT = 46;
/** The length of `2026-01-02T03:04:05`, and of the same with nine digits and a Z. */
const SECONDS = 19;
const FULL = 30;
/** The surrogates that stand for the bytes 0x80 to 0xff where these are no UTF-8. No text has one alone. */
const RAW_BYTES = { first: 0xdc80, last: 0xdcff } as const;

/** An entry of the file; undefined for a line that is none, torn by a power cut. */
export function parseEntry(row: Buffer): LogEntry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(row.toString());
  } catch {
    return undefined;
  }
  const { log, stream, time, attrs = {} } = Object(value) as Record<string, unknown>;
  if (typeof log !== "string" || typeof time !== "string") return undefined;
  return {
    line: row.includes(BACKSLASH) ? bytesOf(log) : Buffer.from(log),
    stream: stream === "stderr" ? "stderr" : "stdout",
    time,
    attrs: attrs as Record<string, string>,
  };
}

/** The bytes that a log's text stands for. */
function bytesOf(text: string): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // The second half of a pair is no byte.
    if (unit >= 0xd800 && unit < 0xdc00) i++;
    else if (unit >= RAW_BYTES.first && unit <= RAW_BYTES.last) {
      parts.push(Buffer.from(text.slice(from, i)), Buffer.of(unit & 0xff));
      from = i + 1;
    }
  }
  return from === 0 ? Buffer.from(text) : Buffer.concat([...parts, Buffer.from(text.slice(from))]);
}

/** `2026-01-02T03:04:05.6Z` with nine digits of a second: such texts compare as their times do. */
export function nineDigits(time: string): string {
  // The monitor's own form, without the search.
  if (time.length === FULL && time.charCodeAt(FULL - 1) === LETTER_Z) return time;
  if (time.charCodeAt(time.length - 1) === LETTER_Z && time.charCodeAt(SECONDS) === POINT)
    return `${time
      .slice(0, -1)
      .padEnd(FULL - 1, "0")
      .slice(0, FULL - 1)}Z`;
  const match = /^(.*?:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(time);
  return match ? `${match[1]}.${(match[2] ?? "").padEnd(9, "0").slice(0, 9)}${match[3]}` : time;
}
