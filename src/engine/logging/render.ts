import type { LogsOptions } from "../../api/backend.ts";
import { type LogEntry, nineDigits, parseEntry } from "./entry.ts";

const NEWLINE = 10;
const QUOTE = 34;
const BACKSLASH = 92;
const LETTER_N = 110;
const HEADER = 8;
const STDOUT = 0x01000000;
const STDERR = 0x02000000;
/** `2026-01-02T03:04:05.000000000Z`. */
const TIME = 30;
/** How the monitor writes an entry: all that is between its text and its time has one length. */
const BEFORE = Buffer.from('{"log":"');
const BETWEEN = { out: Buffer.from('","stream":"stdout","time":"'), err: Buffer.from('","stream":"stderr","time":"') };
const TIME_END = Buffer.from('"}');

/**
 * Turns lines of the file into what a client gets: each entry in a frame of its own, as clients count on, or bare where the container has a
 * terminal. Entries as the monitor writes them, without attributes and with no escape but those of quotes and line ends, are copied byte by byte; the
 * rest takes the way over JSON.
 */
export class LogRenderer {
  readonly #options: LogsOptions;
  readonly #header: number;
  readonly #until: string | undefined;
  #since: string | undefined;
  #out: Buffer = Buffer.alloc(0);
  #length = 0;
  /** An entry was past `until`: nothing is wanted any more. */
  ended = false;

  constructor(options: LogsOptions, tty: boolean) {
    this.#options = options;
    this.#header = tty ? 0 : HEADER;
    this.#since = options.since === undefined ? undefined : nineDigits(options.since);
    this.#until = options.until === undefined ? undefined : nineDigits(options.until);
  }

  /** What is sent for these whole lines. */
  render(lines: Buffer): Buffer {
    // An entry's frame and time are shorter than what the file has around its text.
    this.#out = Buffer.allocUnsafe(lines.length + TIME);
    this.#length = 0;
    for (let at = 0; at < lines.length && !this.ended; ) {
      const next = this.#plain(lines, at);
      if (next > 0) {
        at = next;
        continue;
      }
      const end = lines.indexOf(NEWLINE, at);
      const entry = parseEntry(lines.subarray(at, end));
      if (entry) this.#entry(entry);
      at = end + 1;
    }
    return this.#out.subarray(0, this.#length);
  }

  /** The start of the next line; 0: this one is not of the simple kind, and nothing was written. */
  #plain(lines: Buffer, start: number): number {
    if (this.#options.details || !has(lines, start, BEFORE)) return 0;
    const begin = this.#length + this.#header + (this.#options.timestamps ? TIME + 1 : 0);
    this.#ensure(begin + lines.length - start);
    const out = this.#out;
    let to = begin;
    let from = start + BEFORE.length;
    for (;;) {
      let byte = lines[from++];
      if (byte === QUOTE) break;
      if (byte === BACKSLASH) {
        byte = lines[from++];
        if (byte === LETTER_N) byte = NEWLINE;
        else if (byte !== QUOTE && byte !== BACKSLASH) return 0;
      } else if (byte === undefined || byte === NEWLINE) return 0;
      out[to++] = byte;
    }
    const isOut = has(lines, from - 1, BETWEEN.out);
    if (!isOut && !has(lines, from - 1, BETWEEN.err)) return 0;
    const timeAt = from - 1 + BETWEEN.out.length;
    const timeEnd = lines.indexOf(QUOTE, timeAt);
    if (!has(lines, timeEnd, TIME_END) || lines[timeEnd + TIME_END.length] !== NEWLINE) return 0;
    if (this.#isTimed()) {
      const time = lines.toString("latin1", timeAt, timeEnd);
      if (time.length > TIME) return 0;
      if (!this.#wants(time)) return timeEnd + TIME_END.length + 1;
      if (this.#options.timestamps) out.write(`${nineDigits(time)} `, begin - TIME - 1, "latin1");
    }
    if (isOut ? this.#options.stdout : this.#options.stderr) this.#finish(isOut, to);
    return timeEnd + TIME_END.length + 1;
  }

  #entry({ line, stream, time, attrs }: LogEntry): void {
    if (this.#isTimed() && !this.#wants(time)) return;
    if (!this.#options[stream]) return;
    const before = `${this.#options.timestamps ? `${nineDigits(time)} ` : ""}${this.#options.details ? `${details(attrs)} ` : ""}`;
    const begin = this.#length + this.#header;
    this.#ensure(begin + Buffer.byteLength(before) + line.length);
    const textAt = begin + this.#out.write(before, begin);
    line.copy(this.#out, textAt);
    this.#finish(stream === "stdout", textAt + line.length);
  }

  #finish(isOut: boolean, end: number): void {
    if (this.#header > 0) {
      this.#out.writeUInt32BE(isOut ? STDOUT : STDERR, this.#length);
      this.#out.writeUInt32BE(end - this.#length - HEADER, this.#length + 4);
    }
    this.#length = end;
  }

  #isTimed(): boolean {
    return this.#options.timestamps || this.#since !== undefined || this.#until !== undefined;
  }

  /** After the first entry that is late enough all are, whatever the clock did. */
  #wants(time: string): boolean {
    if (this.#since === undefined && this.#until === undefined) return true;
    const at = nineDigits(time);
    if (this.#since !== undefined && at < this.#since) return false;
    this.#since = undefined;
    this.ended = this.#until !== undefined && at > this.#until;
    return !this.ended;
  }

  #ensure(size: number): void {
    if (size <= this.#out.length) return;
    const more = Buffer.allocUnsafe(Math.max(size, 2 * this.#out.length));
    this.#out.copy(more, 0, 0, this.#length);
    this.#out = more;
  }
}

function has(bytes: Buffer, at: number, wanted: Buffer): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}

/** `a=b,c=d` by name, each part as in a query (Go's url.QueryEscape). */
function details(attrs: Record<string, string>): string {
  const escaped = (text: string): string =>
    encodeURIComponent(text)
      .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll("%20", "+");
  return Object.entries(attrs)
    .map(([key, value]) => `${escaped(key)}=${escaped(String(value))}`)
    .sort()
    .join(",");
}
