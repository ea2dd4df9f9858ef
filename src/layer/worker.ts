import { closeSync, fstatSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { BerthError, type ErrorKind, messageOf } from "../spec/errors.ts";
import { withinBounds } from "./bomb.ts";
import { decompress } from "./compression.ts";
import { type Unpacked, unpackDigested } from "./digested.ts";
import { packTree } from "./pack.ts";

/** What an unpack worker is told: a line of JSON on stdin, the next one when it has answered. Stdin stays open as long as somebody wants the result. */
export interface UnpackJob {
  /** A tar, compressed or not; or an overlay upper folder, which is copied as the layer that it makes. */
  source: { tar: string } | { tree: string };
  /** An existing folder to unpack into. */
  target: string;
}

/** What an unpack worker says: lines of JSON on stdout, for each job any number of `progress`, then one of the others. */
export type UnpackMessage =
  | { type: "progress"; done: number; total: number }
  | { type: "done"; result: Unpacked }
  | { type: "error"; kind: ErrorKind; message: string };

const CHUNK = 256 * 1024;
const PROGRESS_EVERY = 8;

/**
 * `berth worker unpack`: unpacks or copies layers, one job after the other; to sync them is the caller's. Resolves with the exit code: 1 after a job that failed, which has
 * an `error` message; the others have a `done` message each. Ends at once when stdin does, with 1 in the middle of a job: its daemon is gone or needs it no more.
 */
export function runUnpackWorker(): Promise<number> {
  return new Promise((resolve) => {
    let isBusy = false;
    const lines = createInterface({ input: process.stdin });
    lines.on("line", async (line) => {
      isBusy = true;
      if (!(await unpack(line))) resolve(1);
      isBusy = false;
    });
    lines.on("close", () => process.exit(isBusy ? 1 : 0));
  });
}

/** False where it failed. */
async function unpack(line: string): Promise<boolean> {
  try {
    const { source, target } = JSON.parse(line) as UnpackJob;
    const tar = "tar" in source ? plainOf(source.tar) : packTree(source.tree, { whiteouts: "overlay" });
    const result = await unpackDigested(tar, target);
    say({ type: "done", result });
    return true;
  } catch (e) {
    say({ type: "error", kind: e instanceof BerthError ? e.kind : "internal", message: messageOf(e) });
    return false;
  }
}

function plainOf(path: string): AsyncIterable<Uint8Array> {
  return withinBounds(decompress(readFile(path)), statSync(path).size);
}

function say(message: UnpackMessage): void {
  writeSync(1, `${JSON.stringify(message)}\n`);
}

async function* readFile(path: string): AsyncGenerator<Uint8Array, void, void> {
  const fd = openSync(path, "r");
  try {
    const total = fstatSync(fd).size;
    let done = 0;
    for (let turn = 0; ; turn += 1) {
      const buffer = Buffer.allocUnsafe(CHUNK);
      const n = readSync(fd, buffer, 0, CHUNK, null);
      if (n === 0) return;
      done += n;
      if (turn % PROGRESS_EVERY === 0 || done === total) {
        say({ type: "progress", done, total });
        // Lets the end of stdin be noticed: reading and writing files here never wait.
        await setImmediate();
      }
      yield buffer.subarray(0, n);
    }
  } finally {
    closeSync(fd);
  }
}
