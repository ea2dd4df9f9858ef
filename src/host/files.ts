import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { errnoOf } from "../spec/errors.ts";

/** Syncs a file or folder to disk. */
export function fsyncPath(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Replaces `path` whole: after a crash it has the old bytes or the new ones, and a failure leaves no other file. With `durable` both file and folder are synced; with `like` it has
 * that owner and that mode from the first moment.
 */
export function writeAtomic(path: string, data: string | Uint8Array, options: WriteOptions = {}): void {
  const tmp = `${path}.${process.pid}.tmp`;
  try {
    writeWhole(tmp, data, options);
    renameSync(tmp, path);
  } catch (error) {
    rmSync(tmp, { force: true });
    throw error;
  }
  if (options.durable) fsyncPath(dirname(path));
}

interface WriteOptions {
  mode?: number;
  durable?: boolean;
  like?: { mode: number; uid: number; gid: number };
}

function writeWhole(path: string, data: string | Uint8Array, options: WriteOptions): void {
  const fd = openSync(path, "w", options.mode ?? 0o644);
  try {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    if (options.like) {
      fchownSync(fd, options.like.uid, options.like.gid);
      fchmodSync(fd, options.like.mode & 0o7777);
    }
    if (options.durable) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes a folder with its parents; an existing one is fine. */
export function ensureDir(path: string, mode = 0o755): void {
  mkdirSync(path, { recursive: true, mode });
}

/** Makes a folder, or makes an existing one, that only root may enter: what images hold below it (set-uid programs) is out of reach of the host's users. */
export function ensurePrivateDir(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
}

/** A file's text (UTF-8), or undefined where there is none. */
export function readIfThere(path: string): string | undefined {
  return ifThere(() => readFileSync(path, "utf8"));
}

/** The names in a folder; none where it is missing. */
export function listIfThere(path: string): string[] {
  return ifThere(() => readdirSync(path)) ?? [];
}

function ifThere<R>(read: () => R): R | undefined {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Removes a tree; a missing one is fine. */
export function removeTree(path: string | Buffer): void {
  rmSync(path, { recursive: true, force: true });
}
