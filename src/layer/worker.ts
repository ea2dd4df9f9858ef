import { closeSync, fstatSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { BerthError, type ErrorKind, messageOf } from "../spec/errors.ts";
import { withinBounds } from "./bomb.ts";
import { decompress } from "./compression.ts";
import { type Unpacked, unpackDigested } from "./digested.ts";
import { packTree } from "./pack.ts";

/** What an unpack worker is told: one line of JSON on stdin. Stdin stays open as long as somebody wants the result. */
export interface UnpackJob {
  /** A tar, compressed or not; or an overlay upper folder, which is copied as the layer that it makes. */
  source: { tar: string } | { tree: string };
  /** An existing folder to unpack into. */
  target: string;
}

/** What an unpack worker says: lines of JSON on stdout, any number of `progress`, then one of the others. */
export type UnpackMessage =
  | { type: "progress"; done: number; total: number }
  | { type: "done"; result: Unpacked }
  | { type: "error"; kind: ErrorKind; message: string };

const CHUNK = 256 * 1024;
const PROGRESS_EVERY = 8;

/**
 * `berth worker unpack`: unpacks or copies one layer; to sync it is the caller's. Returns the exit code: 0 with a `done` message, 1 with an `error` message.
 * Ends at once when stdin does, since then its daemon is gone.
 */
export async function runUnpackWorker(): Promise<number> {
  try {
    const job = JSON.parse(await firstLine()) as UnpackJob;
    const { source, target } = job;
    const tar = "tar" in source ? plainOf(source.tar) : packTree(source.tree, { whiteouts: "overlay" });
    const result = await unpackDigested(tar, target);
    say({ type: "done", result });
    return 0;
  } catch (e) {
    say({ type: "error", kind: e instanceof BerthError ? e.kind : "internal", message: messageOf(e) });
    return 1;
  }
}

function plainOf(path: string): AsyncIterable<Uint8Array> {
  return withinBounds(decompress(readFile(path)), statSync(path).size);
}

function say(message: UnpackMessage): void {
  writeSync(1, `${JSON.stringify(message)}\n`);
}

function firstLine(): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    process.stdin.on("data", (d) => {
      text += d;
      const end = text.indexOf("\n");
      if (end >= 0) resolve(text.slice(0, end));
    });
    process.stdin.on("end", () => process.exit(1));
  });
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
