import { once } from "node:events";
import type { Socket } from "node:net";
import type { HijackedStream } from "../../client/hijack.ts";
import { BerthError } from "../../spec/errors.ts";
import { StdDemux } from "../../spec/stdcopy.ts";
import type { Context } from "../context.ts";
import { OutputClosed } from "../io.ts";
import { DEFAULT_DETACH_KEYS, DetachFilter, parseDetachKeys } from "./detach-keys.ts";
import { rawMode } from "./terminal.ts";

/** How to carry an attached stream. */
export interface AttachedOptions {
  tty: boolean;
  /** Forward standard input. */
  stdin: boolean;
  detachKeys?: string;
}

/**
 * Carries standard input, output and error to and from an attached container or exec until the other side has ended, or the
 * user typed the detach keys. Slow readers hold the engine back. The terminal is raw meanwhile, with `tty` and `stdin`.
 */
export async function carry(
  ctx: Context,
  stream: HijackedStream,
  options: AttachedOptions,
): Promise<"ended" | "detached"> {
  const { socket } = stream;
  const restore = options.tty && options.stdin ? rawMode(ctx) : () => undefined;
  const input = options.stdin ? forwardInput(ctx, socket, options) : undefined;
  try {
    const output = writeFrames(ctx, socket, options.tty).then(() => "ended" as const);
    return await (input ? Promise.race([output, input.detached]) : output);
  } finally {
    input?.stop();
    restore();
    socket.destroy();
  }
}

function forwardInput(
  ctx: Context,
  socket: Socket,
  options: AttachedOptions,
): { detached: Promise<"detached">; stop: () => void } {
  const stdin = ctx.io.stdin();
  const filter = options.tty ? new DetachFilter(parseDetachKeys(options.detachKeys || DEFAULT_DETACH_KEYS)) : undefined;
  let detach: (how: "detached") => void = () => undefined;
  const detached = new Promise<"detached">((resolve) => {
    detach = resolve;
  });
  const onData = (chunk: Uint8Array): void => {
    const { send, detach: found } = filter?.push(chunk) ?? { send: chunk, detach: false };
    if (send.length > 0 && !socket.write(send)) {
      stdin.pause();
      socket.once("drain", () => stdin.resume());
    }
    if (found) detach("detached");
  };
  const onEnd = (): void => void socket.end();
  stdin.on("data", onData).once("end", onEnd);
  stdin.resume();
  const stop = (): void => {
    stdin.off("data", onData).off("end", onEnd);
    stdin.pause();
    stdin.unref?.();
  };
  return { detached, stop };
}

const SYSTEM_ERROR = 3;

/** Writes an output stream of the engine to our own; framed unless `raw`. Rejects with the engine's error where it sends one. */
export async function writeFrames(ctx: Context, source: AsyncIterable<Uint8Array>, raw: boolean): Promise<void> {
  const demux = new StdDemux();
  let failure = "";
  for await (const chunk of source) {
    const frames = raw ? [{ stream: 1, data: chunk }] : demux.push(chunk);
    for (const { stream, data } of frames) {
      if (stream === SYSTEM_ERROR) failure += Buffer.from(data).toString();
      else await writeOut(stream === 2 ? ctx.io.stderr() : ctx.io.stdout(), data);
    }
  }
  await flush(ctx.io.stdout());
  await flush(ctx.io.stderr());
  if (failure !== "") throw new BerthError("internal", failure.trim());
}

/** Streams whose reader has gone. Without a listener their error would end the process with a stack trace. */
const closed = new WeakSet<NodeJS.WriteStream>();
const watched = new WeakSet<NodeJS.WriteStream>();

async function writeOut(stream: NodeJS.WriteStream, data: Uint8Array): Promise<void> {
  if (!watched.has(stream)) {
    watched.add(stream);
    stream.on("error", () => closed.add(stream));
  }
  if (closed.has(stream)) throw new OutputClosed();
  if (stream.write(data)) return;
  await once(stream, "drain").catch(() => {
    throw new OutputClosed();
  });
}

function flush(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return Promise.resolve();
  // The callback comes with an error too, where the reader has gone: there is nothing left to flush then.
  return new Promise((resolve) => stream.write("", () => resolve()));
}
