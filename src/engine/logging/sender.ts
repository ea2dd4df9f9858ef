import { watch } from "node:fs";
import { basename, dirname } from "node:path";
import { readIfThere, writeAtomic } from "../../host/files.ts";
import { messageOf } from "../../spec/errors.ts";
import { type Signal, signal } from "../lock.ts";
import { parseEntry } from "./entry.ts";
import { LogReader } from "./reader.ts";
import type { LogConnection, LogDriver, LogMessage, LogSource } from "./types.ts";

const NEWLINE = 10;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 10_000;
/** How long a removal waits for a server that answers. */
const DRAIN_MS = 5_000;

const POLL_MS = 1_000;
/** How long its end waits for what is just being sent. */
const STOP_MS = 500;

/** What one sender is made of. */
export interface SenderOptions {
  source: LogSource;
  driver: LogDriver;
  /** The files that the monitor writes. */
  path: string;
  /** Where it is kept how far the log was sent. */
  positionPath: string;
  /** Opened already, to see that it can be. */
  connection?: LogConnection;
  warn: (message: string) => void;
}

/**
 * Sends a container's log away, from the files that its monitor writes: a server that is slow or gone holds up nothing, and what it missed is sent when it is
 * back, as long as the files hold it. How far it came is written after each batch, so that the next daemon goes on there: a kill in between sends
 * that one batch twice, and loses nothing.
 */
export class LogSender {
  readonly #files: LogReader;
  readonly #options: SenderOptions;
  readonly #watcher: { close(): void };
  readonly #partial = new Map<string, NonNullable<LogMessage["partial"]>>();
  readonly #stop = signal<void>();
  readonly done: Promise<void>;
  #connection: LogConnection | undefined;
  #changed: Signal<void> = signal();
  #runs = true;
  #stopped = false;
  #isAway = false;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#connection = options.connection;
    this.#files = new LogReader(options.path);
    const [file = 0, offset = 0] = (readIfThere(options.positionPath) ?? "").trim().split(" ").map(Number);
    if (file > 0) this.#files.seek({ file, offset });
    const name = basename(options.path);
    // Its own position is written to the same folder.
    this.#watcher = watchFolder(dirname(options.path), (changed) => {
      if (changed === null || changed.startsWith(name)) this.#wake();
    });
    this.done = this.#send()
      .catch((error: unknown) => options.warn(`log driver: ${messageOf(error)}`))
      .finally(() => this.#close());
  }

  /** True while it has something to do: its container runs, or there is more to send to a server that can be reached. */
  get isBusy(): boolean {
    return this.#runs || !this.#isAway;
  }

  /** The container has stopped: the sender ends when all is sent. */
  ended(): void {
    this.#runs = false;
    this.#wake();
  }

  /** Ends it now; what was not sent is left to the next one. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stop.resolve();
    this.#wake();
    const cut = setTimeout(() => this.#connection?.close(), STOP_MS);
    await this.done;
    clearTimeout(cut);
  }

  /** Before the files go: waits until all is sent, not for long, and not at all for a server that is away. */
  async drain(): Promise<void> {
    this.ended();
    if (!this.#isAway) await Promise.race([this.done, this.#pause(DRAIN_MS)]);
    await this.stop();
  }

  #wake(): void {
    this.#changed.resolve();
  }

  async #send(): Promise<void> {
    for (;;) {
      this.#changed = signal();
      // Asked before the read: what is written until the end is then read after it.
      const runs = this.#runs;
      for await (const lines of this.#files.chunks()) {
        const { file, offset } = this.#files.position;
        if (!(await this.#deliver(this.#messages(lines)))) return;
        writeAtomic(this.#options.positionPath, `${file} ${offset}\n`, { mode: 0o600 });
      }
      if (!runs || this.#stopped) return;
      await this.#changed.promise;
    }
  }

  /** False where it was stopped before the messages were sent. */
  async #deliver(messages: LogMessage[]): Promise<boolean> {
    const { driver, source, warn } = this.#options;
    for (let delay = FIRST_RETRY_MS; !this.#stopped; delay = Math.min(2 * delay, LAST_RETRY_MS)) {
      try {
        this.#connection ??= await driver.open(source);
        await this.#connection.send(messages);
        if (this.#isAway) warn("log driver: the server is back");
        this.#isAway = false;
        return true;
      } catch (error) {
        if (!this.#isAway) warn(`log driver: ${messageOf(error)}; its log waits in its files`);
        this.#isAway = true;
        this.#connection?.close();
        this.#connection = undefined;
        await this.#pause(delay);
      }
    }
    return false;
  }

  async #pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
      timer.unref();
    });
    await Promise.race([late, this.#stop.promise]);
    clearTimeout(timer);
  }

  #messages(lines: Buffer): LogMessage[] {
    const found: LogMessage[] = [];
    for (let at = 0; at < lines.length; ) {
      const end = lines.indexOf(NEWLINE, at);
      const entry = parseEntry(lines.subarray(at, end));
      at = end + 1;
      if (!entry) continue;
      const isWhole = entry.line.at(-1) === NEWLINE;
      const partial = this.#pieceOf(entry.stream, isWhole);
      const line = isWhole ? entry.line.subarray(0, -1) : entry.line;
      found.push({ line, stream: entry.stream, time: entry.time, ...(partial ? { partial } : {}) });
    }
    return found;
  }

  /** The place of an entry in a longer line; undefined for a line that is whole. */
  #pieceOf(stream: string, last: boolean): LogMessage["partial"] {
    const before = this.#partial.get(stream);
    if (!before && last) return undefined;
    const piece = {
      id: before?.id ?? crypto.randomUUID().replaceAll("-", ""),
      ordinal: (before?.ordinal ?? 0) + 1,
      last,
    };
    if (last) this.#partial.delete(stream);
    else this.#partial.set(stream, piece);
    return piece;
  }

  #close(): void {
    this.#watcher.close();
    this.#connection?.close();
    this.#connection = undefined;
    this.#files.close();
  }
}

/** Tells of changes in a folder; where the kernel's limit of watches is reached, every second. */
function watchFolder(path: string, changed: (name: string | null) => void): { close(): void } {
  try {
    const watcher = watch(path, { persistent: false }, (_, name) => changed(name));
    watcher.on("error", () => changed(null));
    return watcher;
  } catch {
    const timer = setInterval(() => changed(null), POLL_MS);
    timer.unref();
    return { close: () => clearInterval(timer) };
  }
}
