import { chmodSync, closeSync, constants, fchmodSync, ftruncateSync, writeSync } from "node:fs";
import {
  AT,
  fchownat,
  fsetxattr,
  linkat,
  lsetxattr,
  makedev,
  mkdirat,
  mknodat,
  O_PATH,
  openat2,
  S_IF,
  symlinkat,
  utimensat,
} from "../host/sys.ts";
import { errnoOf } from "../spec/errors.ts";
import { encodeName, sysName } from "../spec/names.ts";
import { badTar } from "./tar/error.ts";
import type { TarHeader } from "./tar/header.ts";
import type { TarBody, TarEntry } from "./tar/reader.ts";
import type { Segment } from "./tar/sparse.ts";
import { isWhiteout, statAt, type TreeRoot } from "./tree.ts";

/** Where an entry goes: a folder that is open, and the name in it. */
export interface Place {
  parent: number;
  base: string;
}

/** Attributes that overlay keeps its own state in; an archive has no say in them. */
export const OVERLAY_XATTR = /^(trusted|user)\.overlay\./;
const OPAQUE = "trusted.overlay.opaque";
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const NEW_DIR = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Makes a regular file with its bytes, owner, mode, attributes and times, in the one order that keeps setuid bits and capabilities. */
export function makeFile(tree: TreeRoot, place: Place, entry: TarEntry): undefined | Promise<void> {
  const fd = replacing(tree, place, () => openat2(place.parent, sysName(place.base), { flags: NEW_FILE, mode: 0o600 }));
  let open = true;
  const finish = (): void => {
    open = false;
    try {
      setAttributes(fd, entry.header);
    } finally {
      closeSync(fd);
    }
  };
  try {
    const waiting = entry.segments ? writeSparse(fd, entry, entry.segments) : writeBody(fd, entry.body);
    if (waiting) return waiting.then(finish, (e: unknown) => fail(fd, e));
    finish();
  } catch (e) {
    if (open) closeSync(fd);
    throw e;
  }
  return undefined;
}

/** Makes a folder or keeps the one that is there, with owner, mode and attributes; its times are the caller's. Returns an open descriptor. */
export function makeDir(tree: TreeRoot, place: Place, header: TarHeader): number {
  let wasWhiteout = false;
  try {
    mkdirat(place.parent, sysName(place.base), 0o700);
  } catch (e) {
    if (errnoOf(e) !== "EEXIST") throw e;
    const old = statAt(place.parent, place.base);
    if (old && (old.mode & S_IF.MT) !== S_IF.DIR) {
      wasWhiteout = isWhiteout(old);
      tree.remove(place.parent, place.base);
      mkdirat(place.parent, sysName(place.base), 0o700);
    }
  }
  const fd = openat2(place.parent, sysName(place.base), { flags: NEW_DIR });
  try {
    dirAttributes(fd, header);
    if (wasWhiteout) setOpaque(fd);
  } catch (e) {
    closeSync(fd);
    throw e;
  }
  return fd;
}

/** Owner, mode and attributes of an open folder. */
export function dirAttributes(fd: number, header: TarHeader): void {
  fchownat(fd, "", { uid: header.uid, gid: header.gid, flags: AT.EMPTY_PATH });
  fchmodSync(fd, header.mode);
  setXattrs(header, (name, value) => fsetxattr(fd, name, value));
}

/** Marks an open folder so that nothing of it shows from the layers below. */
export function setOpaque(fd: number): void {
  fsetxattr(fd, OPAQUE, Buffer.from("y"));
}

/** Makes a symbolic link; its target is text, and may say anything. */
export function makeSymlink(tree: TreeRoot, place: Place, header: TarHeader): void {
  if (header.link === "") throw badTar("a symbolic link has no target");
  replacing(tree, place, () => symlinkat(sysName(header.link), place.parent, sysName(place.base)));
  linkAttributes(place, header);
}

/** Makes a second name for what is at `target`. */
export function makeHardLink(tree: TreeRoot, place: Place, target: Place): void {
  replacing(tree, place, () =>
    linkat({ dirfd: target.parent, path: sysName(target.base) }, { dirfd: place.parent, path: sysName(place.base) }),
  );
}

/** Makes a device node or fifo. */
export function makeNode(tree: TreeRoot, place: Place, header: TarHeader): void {
  const type = header.type === "char" ? S_IF.CHR : header.type === "block" ? S_IF.BLK : S_IF.IFO;
  const dev = header.type === "fifo" ? 0 : makedev(header.major, header.minor);
  replacing(tree, place, () => mknodat(place.parent, sysName(place.base), type | (header.mode & 0o777), dev));
  const fd = openat2(place.parent, sysName(place.base), { flags: O_PATH | constants.O_NOFOLLOW });
  try {
    fchownat(fd, "", { uid: header.uid, gid: header.gid, flags: AT.EMPTY_PATH });
    chmodSync(`/proc/self/fd/${fd}`, header.mode);
  } finally {
    closeSync(fd);
  }
  pathXattrs(place, header);
  setTimes(place.parent, place.base, header);
}

/** Sets access and modification time of the name itself. */
export function setTimes(parent: number, base: string, time: { mtimeSec: number; mtimeNsec: number }): void {
  const mtime = [time.mtimeSec, time.mtimeNsec] as const;
  const flags = base === "" ? AT.EMPTY_PATH : AT.SYMLINK_NOFOLLOW;
  utimensat(parent, sysName(base), { atime: mtime, mtime, flags });
}

/** Runs `make`; where the name is taken, removes what has it and runs `make` again. */
function replacing<T>(tree: TreeRoot, place: Place, make: () => T): T {
  try {
    return make();
  } catch (e) {
    if (errnoOf(e) !== "EEXIST") throw e;
    tree.remove(place.parent, place.base);
    return make();
  }
}

function fail(fd: number, error: unknown): never {
  closeSync(fd);
  throw error;
}

function writeAll(fd: number, data: Buffer, position: number | null = null): void {
  for (let done = 0; done < data.length; ) {
    done += writeSync(fd, data, done, data.length - done, position === null ? null : position + done);
  }
}

/** Writes what is at hand without a promise; only then waits. */
function writeBody(fd: number, body: TarBody): undefined | Promise<void> {
  for (;;) {
    const piece = body.next();
    if (piece === undefined) return undefined;
    if (piece instanceof Promise) return writeRest(fd, body, piece);
    writeAll(fd, piece);
  }
}

async function writeRest(fd: number, body: TarBody, first: Promise<Buffer | undefined>): Promise<void> {
  for (let piece = await first; piece; piece = await body.next()) writeAll(fd, piece);
}

async function writeSparse(fd: number, entry: TarEntry, segments: readonly Segment[]): Promise<void> {
  ftruncateSync(fd, entry.header.size);
  let rest: Buffer = Buffer.alloc(0);
  for (const { offset, length } of segments) {
    for (let done = 0; done < length; ) {
      if (rest.length === 0) rest = (await entry.body.next()) ?? rest;
      if (rest.length === 0) throw badTar("a sparse file's data is short");
      const piece = rest.subarray(0, length - done);
      writeAll(fd, piece, offset + done);
      rest = rest.subarray(piece.length);
      done += piece.length;
    }
  }
}

function setAttributes(fd: number, header: TarHeader): void {
  fchownat(fd, "", { uid: header.uid, gid: header.gid, flags: AT.EMPTY_PATH });
  fchmodSync(fd, header.mode);
  setXattrs(header, (name, value) => fsetxattr(fd, name, value));
  setTimes(fd, "", header);
}

function linkAttributes(place: Place, header: TarHeader): void {
  fchownat(place.parent, sysName(place.base), { uid: header.uid, gid: header.gid, flags: AT.SYMLINK_NOFOLLOW });
  pathXattrs(place, header);
  setTimes(place.parent, place.base, header);
}

/** For what cannot be opened: the folder is named by its descriptor, so that only the last name is looked up, and not followed. */
function pathXattrs(place: Place, header: TarHeader): void {
  if (!header.xattrs) return;
  const path = Buffer.concat([Buffer.from(`/proc/self/fd/${place.parent}/`), encodeName(place.base)]);
  setXattrs(header, (name, value) => lsetxattr(path, name, value));
}

function setXattrs(header: TarHeader, set: (name: string, value: Buffer) => void): void {
  if (!header.xattrs) return;
  for (const [name, value] of header.xattrs) {
    if (OVERLAY_XATTR.test(name)) continue;
    try {
      set(name, value);
    } catch (e) {
      // As Docker: a file system without such attributes, or a user attribute on a link or device, loses them and keeps the file.
      const code = errnoOf(e);
      if (code !== "EOPNOTSUPP" && code !== "ENOTSUP" && !(code === "EPERM" && name.startsWith("user."))) throw e;
    }
  }
}
