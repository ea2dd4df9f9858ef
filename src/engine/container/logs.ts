import { watch } from "node:fs";
import { dirname } from "node:path";
import type { LogsOptions } from "../../api/backend.ts";
import { BerthError } from "../../spec/errors.ts";
import { type Container, isRunning } from "../container.ts";
import { containerDir, type EngineContext } from "../context.ts";
import { isFileDriver, logConfigOf, logFiles } from "../logging/files.ts";
import { booleanOption } from "../logging/options.ts";
import { LogReader } from "../logging/reader.ts";
import { LogRenderer } from "../logging/render.ts";

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
  const { type, options: logOpts } = logConfigOf(container.record.hostConfig);
  if (type === "none" || (!isFileDriver(type) && booleanOption(logOpts["cache-disabled"], false))) {
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
  const log = logFiles(ctx, container.record);
  if (!log) return;
  const renderer = new LogRenderer(options, container.record.config.Tty === true);
  const files = new LogReader(log.path);
  const follower = options.follow && isRunning(container) ? follow(ctx, container, options.signal) : undefined;
  try {
    if (options.tail !== undefined) await files.seekTail(options.tail);
    for (;;) {
      // Asked before the read: what is written until the end is then read after it.
      const ended = follower === undefined || follower.ended();
      for await (const lines of files.chunks()) {
        if (options.signal.aborted) return;
        const out = renderer.render(lines);
        if (out.length > 0) yield out;
        if (renderer.ended) return;
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
