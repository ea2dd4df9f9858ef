import { mkdirSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { Channel } from "../../../build/channel.ts";
import { BerthError, fromErrno } from "../../../spec/errors.ts";
import type { EngineContext } from "../../context.ts";
import type { Make, Workshop } from "./recipe.ts";

const DAY_SECONDS = 86_400;

/** A workshop with its door: what is said, what comes out, and its end. */
export interface OpenWorkshop extends AsyncDisposable {
  lines: AsyncIterable<string>;
  /** The tar, once. Its end, and its failure, end the lines. */
  bytes(make: Make): AsyncIterable<Uint8Array>;
  /** Nobody waits any more: what runs is killed, and `bytes` throws. Repeatable. */
  stop(): void;
}

/**
 * A folder to make an image in, under the data root's `tmp`: a kill of the daemon leaves it to the next start, which empties that. Disposing removes it; by
 * then `bytes` has to have come to its end.
 */
export async function openWorkshop(ctx: EngineContext, signal: AbortSignal): Promise<OpenWorkshop> {
  mkdirSync(`${ctx.dataRoot}/tmp`, { recursive: true });
  const dir = await mkdtemp(`${ctx.dataRoot}/tmp/bootstrap-`);
  await chmod(dir, 0o755);
  const lines = new Channel<string>();
  const stopping = new AbortController();
  const shop: Workshop = {
    dir,
    say: (line) => lines.push(line),
    signal: AbortSignal.any([signal, stopping.signal]),
    epoch: Math.floor(Date.now() / 1000 / DAY_SECONDS) * DAY_SECONDS,
  };
  return {
    lines,
    bytes: (make) => bytesOf(make, shop, () => lines.close()),
    stop: () => stopping.abort(),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}

async function* bytesOf(make: Make, shop: Workshop, ended: () => void): AsyncGenerator<Uint8Array> {
  try {
    shop.signal.throwIfAborted();
    yield* make(shop);
  } catch (error) {
    if (shop.signal.aborted) throw new BerthError("unavailable", "the bootstrap was cancelled");
    throw fromErrno(error, "bootstrap");
  } finally {
    ended();
  }
}
