import type { Duplex, Readable } from "node:stream";
import { finished } from "node:stream/promises";

/** The keys that leave an attach without ending it: ctrl-p ctrl-q. */
export const DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q";

const CTRL: Record<string, number> = { "@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, _: 31 };

/** Which directions of a client's connection are connected, and the bytes that detach it (tty with stdin only). */
export interface SpliceOptions {
  stdin: boolean;
  detach?: Uint8Array;
  /** The end of the client's input is not the process's: it ends the splice instead. */
  endLeaves?: boolean;
  /** Awaited when the monitor's side has ended, before the client's is: what a client asks next is then known. */
  settled?: Promise<unknown>;
}

/** How a splice ended. */
export type SpliceEnd = "ended" | "detached";

/**
 * Connects a client with a monitor's attach stream, bytes untouched, each side as fast as the other reads. Resolves when the monitor's side
 * has ended and all is with the client, or when the client has gone or detached; the monitor's side is closed then.
 */
export async function splice(client: Duplex, monitor: Duplex, options: SpliceOptions): Promise<SpliceEnd> {
  let detached = false;
  const leave = (): void => {
    detached = true;
    monitor.destroy();
  };
  // One that has gone while the monitor was being connected says so no more.
  if (client.destroyed) monitor.destroy();
  client.on("error", () => monitor.destroy()); // A client that has gone is an end as good as any.
  client.on("close", () => monitor.destroy());
  if (options.stdin && options.endLeaves) client.once("end", () => monitor.destroy());
  if (options.stdin) forwardStdin(client, monitor, options.detach ? { keys: options.detach, leave } : undefined);
  else client.resume();
  monitor.pipe(client, { end: false });
  await finished(monitor, { writable: false }).catch(() => undefined); // Destroyed by us or lost with its container: both are its end.
  if (!detached && !client.destroyed) await options.settled;
  await flush(client);
  monitor.destroy();
  return detached ? "detached" : "ended";
}

/** Ends the client's side and waits until all has been handed over; a client that has gone is fine. */
export async function flush(client: Duplex): Promise<void> {
  if (client.destroyed) return;
  client.end();
  await finished(client, { readable: false }).catch(() => undefined); // The client left before it had read all.
}

function forwardStdin(client: Duplex, monitor: Duplex, detach?: { keys: Uint8Array; leave: () => void }): void {
  // What a client types after the container has ended goes nowhere.
  monitor.on("error", () => client.unpipe(monitor));
  if (!detach) {
    client.pipe(monitor);
    return;
  }
  const scan = detachScanner(detach.keys);
  client.on("data", (bytes: Buffer) => {
    const { pass, matched } = scan(bytes);
    if (pass.length > 0 && !monitor.write(pass)) {
      client.pause();
      monitor.once("drain", () => client.resume());
    }
    if (matched) detach.leave();
  });
  client.on("end", () => monitor.end());
}

/** Finds `keys` in a stream of chunks, as Knuth, Morris and Pratt do. What may be their beginning is held back until it is or is not. */
export function detachScanner(keys: Uint8Array): (bytes: Uint8Array) => { pass: Buffer; matched: boolean } {
  const shorter = borders(keys);
  let held = 0;
  return (bytes) => {
    const out: number[] = [];
    for (const byte of bytes) {
      while (held > 0 && byte !== keys[held]) {
        const rest = shorter[held - 1] ?? 0;
        out.push(...keys.subarray(0, held - rest));
        held = rest;
      }
      if (byte === keys[held]) held++;
      else out.push(byte);
      if (held === keys.length) return { pass: Buffer.from(out), matched: true };
    }
    return { pass: Buffer.from(out), matched: false };
  };
}

/** For each beginning of `keys`, the length of the longest shorter beginning that it ends with. */
function borders(keys: Uint8Array): number[] {
  const lengths = [0];
  for (let i = 1; i < keys.length; i++) {
    let length = lengths[i - 1] ?? 0;
    while (length > 0 && keys[i] !== keys[length]) length = lengths[length - 1] ?? 0;
    lengths.push(keys[i] === keys[length] ? length + 1 : 0);
  }
  return lengths;
}

/** Bytes of `ctrl-p,ctrl-q`, `a,b`; undefined where a key is unknown. */
export function parseDetachKeys(text: string): Uint8Array | undefined {
  const codes = text.split(",").map((key) => {
    const match = /^ctrl-(.)$/i.exec(key);
    if (!match) return key.length === 1 ? key.charCodeAt(0) : -1;
    const letter = (match[1] ?? "").toLowerCase();
    return CTRL[letter] ?? (/[a-z]/.test(letter) ? letter.charCodeAt(0) - 96 : -1);
  });
  return codes.includes(-1) ? undefined : Uint8Array.from(codes);
}

/** Writes all of a readable to the client, as fast as it reads. */
export async function writeAll(client: Duplex, source: Readable | AsyncIterable<Uint8Array>): Promise<void> {
  for await (const bytes of source) {
    if (client.destroyed) return;
    if (!client.write(bytes)) await drained(client);
  }
}

function drained(client: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      client.off("drain", done);
      client.off("close", done);
      resolve();
    };
    client.once("drain", done);
    client.once("close", done);
  });
}
