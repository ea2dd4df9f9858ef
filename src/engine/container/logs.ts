import { watch } from "node:fs";
import { dirname } from "node:path";
import type { LogsOptions } from "../../api/backend.ts";
import { BerthError } from "../../spec/errors.ts";
import { frame } from "../../spec/stdcopy.ts";
import { type Container, isRunning } from "../container.ts";
import { containerDir, type EngineContext } from "../context.ts";
import { logOptions } from "./launch.ts";
import { LogFiles } from "./log-files.ts";

interface Entry {
  log: string;
  stream: "stdout" | "stderr";
  time: string;
}

/** A container's log as a stream in attach framing. Throws `not-implemented` in Docker's words where it has none. */
export async function containerLogs(
  ctx: EngineContext,
  reference: string,
  options: LogsOptions,
): Promise<{ tty: boolean; stream: AsyncIterable<Uint8Array> }> {
  const container = ctx.containers.find(reference);
  if (!options.stdout && !options.stderr) {
    throw new BerthError("invalid-argument", "Bad parameters: you must choose at least one stream");
  }
  if (!logOptions(ctx, container.record)) {
    throw new BerthError("not-implemented", "configured logging driver does not support reading");
  }
  return { tty: container.record.config.Tty === true, stream: readLogs(ctx, container, options) };
}

/**
 * The log's lines in order, oldest first, from `tail` on. With `follow` it goes on until the container stops, woken by inotify: every line that
 * the monitor has written is delivered before the end.
 */
export async function* readLogs(
  ctx: EngineContext,
  container: Container,
  options: LogsOptions,
): AsyncGenerator<Uint8Array> {
  const log = logOptions(ctx, container.record);
  if (!log) return;
  const render = renderer(options, container.record.config.Tty === true);
  const files = new LogFiles(log.path, log.maxFiles);
  const follower = options.follow && isRunning(container) ? follow(ctx, container, options.signal) : undefined;
  try {
    if (options.tail !== undefined) files.seekTail(options.tail);
    for (;;) {
      // Asked before the read: what is written until the end is then read after it.
      const ended = follower === undefined || follower.ended();
      for (const line of files.lines()) {
        if (options.signal.aborted) return;
        const out = render(line);
        if (out === "end") return;
        if (out) yield out;
      }
      if (ended || options.signal.aborted) return;
      await follower.changed();
    }
  } finally {
    follower?.close();
    files.close();
  }
}

interface Follower {
  ended(): boolean;
  /** Resolves at the next write, rotation or end; at once where there was one since the last call. */
  changed(): Promise<void>;
  close(): void;
}

function follow(ctx: EngineContext, container: Container, abort: AbortSignal): Follower {
  let ended = false;
  let dirty = false;
  let wake: () => void = () => undefined;
  const touch = (): void => {
    dirty = true;
    wake();
  };
  const end = (): void => {
    ended = true;
    touch();
  };
  // The folder, not the file: it tells of rotations too.
  const watcher = watch(dirname(`${containerDir(ctx, container.record.id)}/log`), { persistent: false }, touch);
  watcher.on("error", end);
  void container.run?.done.then(end);
  abort.addEventListener("abort", end);
  ctx.closing.addEventListener("abort", end);
  return {
    ended: () => ended,
    changed: async () => {
      if (!dirty) await new Promise<void>((resolve) => (wake = resolve));
      dirty = false;
    },
    close: () => {
      watcher.close();
      abort.removeEventListener("abort", end);
      ctx.closing.removeEventListener("abort", end);
    },
  };
}

/** Turns one line of the file into what is sent: undefined where it is not wanted, `end` past `until`. */
function renderer(options: LogsOptions, tty: boolean): (line: Buffer) => Uint8Array | undefined | "end" {
  const { since, until } = options;
  return (line) => {
    const entry = parse(line);
    if (!entry) return undefined;
    const millis = since !== undefined || until !== undefined ? Date.parse(entry.time) : 0;
    if (until !== undefined && millis > until) return "end";
    if (since !== undefined && millis < since) return undefined;
    if (!options[entry.stream]) return undefined;
    const bytes = Buffer.from(options.timestamps ? `${nineDigits(entry.time)} ${entry.log}` : entry.log);
    return tty ? bytes : frame(entry.stream, bytes);
  };
}

function parse(line: Buffer): Entry | undefined {
  try {
    const { log, stream, time } = JSON.parse(line.toString()) as Partial<Entry>;
    if (log === undefined || time === undefined) return undefined;
    return { log, stream: stream === "stderr" ? "stderr" : "stdout", time };
  } catch {
    return undefined; // A line that a power cut tore: the others are whole.
  }
}

/** `2026-01-02T03:04:05.6Z` with nine digits of a second. */
function nineDigits(time: string): string {
  const match = /^(.*?:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(time);
  return match ? `${match[1]}.${(match[2] ?? "").padEnd(9, "0")}${match[3]}` : time;
}
