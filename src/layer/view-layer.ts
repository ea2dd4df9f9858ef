import { closeSync, constants, lstatSync, readlinkSync, readSync } from "node:fs";
import {
  AT,
  fgetxattr,
  fstatat,
  lgetxattr,
  O_PATH,
  openat2,
  RESOLVE,
  readdir,
  readlinkatRaw,
  S_IF,
} from "../host/sys.ts";
import { BerthError, errnoOf } from "../spec/errors.ts";
import { decodeName, encodeName, sysName } from "../spec/names.ts";
import { fdXattrs, xattrsAt } from "./pack.ts";
import { isWhiteout } from "./tree.ts";

/** What a view needs to know of one entry. */
export interface LayerStat {
  mode: number;
  uid: number;
  gid: number;
  size: number;
  rdev: number;
  mtimeMs: number;
  dev: number;
  ino: number | bigint;
  nlink: number;
}

/** One folder of a view's stack. A container's upper folder is `live`: its owner changes it while it is read. */
export interface ViewLayer {
  root: string;
  live: boolean;
}

const BELOW = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS;
const GONE = new Set(["ENOENT", "ENOTDIR", "ELOOP", "EXDEV"]);

/** The entry itself, or undefined. `rel` is clean, and its parents are known to be folders of this layer, not links. */
export function statIn(layer: ViewLayer, rel: string): LayerStat | undefined {
  // Of a name in the layer's root no parent can become a link meanwhile.
  if (!layer.live || !rel.includes("/")) return lstatSync(hostName(layer, rel), { throwIfNoEntry: false });
  return withFd(layer, rel, { flags: O_PATH | constants.O_NOFOLLOW }, (fd) => {
    const s = fstatat(fd, "", AT.EMPTY_PATH);
    return { ...s, mtimeMs: s.mtimeSec * 1000 + s.mtimeNsec / 1e6 };
  });
}

/** True for a folder that hides all of the layers below. */
export function isOpaqueIn(layer: ViewLayer, rel: string): boolean {
  const name = "trusted.overlay.opaque";
  const flags = constants.O_RDONLY | constants.O_DIRECTORY;
  const value = layer.live
    ? withFd(layer, rel, { flags }, (fd) => fgetxattr(fd, name))
    : lgetxattr(hostName(layer, rel), name);
  return value?.toString() === "y";
}

/** A link's target. */
export function readlinkIn(layer: ViewLayer, rel: string): string {
  if (!layer.live) return decodeName(readlinkSync(hostName(layer, rel), { encoding: "buffer" }));
  const read = (fd: number): string => decodeName(readlinkatRaw(fd, ""));
  return withFd(layer, rel, { flags: O_PATH | constants.O_NOFOLLOW }, read) ?? "";
}

/** Extended attributes of the entry itself, as a layer's tar has them; in a live layer only of folders and regular files. */
export function xattrsIn(layer: ViewLayer, rel: string): Map<string, Buffer> | undefined {
  if (!layer.live) return xattrsAt(hostName(layer, rel), rel);
  const type = (statIn(layer, rel)?.mode ?? 0) & S_IF.MT;
  if (type !== S_IF.REG && type !== S_IF.DIR) return undefined;
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  return withFd(layer, rel, { flags }, (fd) => fdXattrs(fd, rel));
}

/** Names in a folder of one layer, and which of them are whiteouts. */
export function readdirIn(layer: ViewLayer, rel: string): { name: string; whiteout: boolean }[] {
  const read = (fd: number): { name: string; whiteout: boolean }[] =>
    readdir(fd).map((e) => ({
      name: e.raw ? decodeName(e.raw) : e.name,
      whiteout: e.type === "char" && isWhiteout(fstatat(fd, e.raw ?? e.name)),
    }));
  return withFd(layer, rel, { flags: O_PATH | constants.O_DIRECTORY }, read) ?? [];
}

/** All bytes of a regular file; undefined where there is none. More than `limit` throws `invalid-argument`. */
export function readFileIn(layer: ViewLayer, rel: string, limit: number): Buffer | undefined {
  return withFd(layer, rel, { flags: constants.O_RDONLY | constants.O_NONBLOCK }, (fd) => {
    const stat = fstatat(fd, "", AT.EMPTY_PATH);
    if ((stat.mode & S_IF.MT) !== S_IF.REG) return undefined;
    if (stat.size > limit) throw new BerthError("invalid-argument", `/${rel} has more than ${limit} bytes`);
    const out = Buffer.alloc(stat.size);
    let have = 0;
    while (have < out.length) {
      const n = readSync(fd, out, have, out.length - have, have);
      if (n === 0) break;
      have += n;
    }
    return out.subarray(0, have);
  });
}

function hostName(layer: ViewLayer, rel: string): string | Buffer {
  const path = rel === "" ? layer.root : `${layer.root}/${rel}`;
  return path.isWellFormed() ? path : encodeName(path);
}

/** Opens below the layer without following any link; undefined where there is no such thing. */
function withFd<T>(layer: ViewLayer, rel: string, how: { flags: number }, use: (fd: number) => T): T | undefined {
  const root = openat2(AT.FDCWD, layer.root, { flags: O_PATH | constants.O_DIRECTORY });
  try {
    const fd = openat2(root, rel === "" ? "." : sysName(rel), { flags: how.flags, resolve: BELOW });
    try {
      return use(fd);
    } finally {
      closeSync(fd);
    }
  } catch (e) {
    if (GONE.has(errnoOf(e) ?? "")) return undefined;
    throw e;
  } finally {
    closeSync(root);
  }
}
