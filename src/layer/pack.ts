import { closeSync, constants, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import {
  AT,
  fgetxattr,
  flistxattr,
  fstatat,
  lgetxattr,
  llistxattr,
  majorOf,
  minorOf,
  openat2,
  readdir,
  readlinkatRaw,
  S_IF,
} from "../host/sys.ts";
import type { SysStat } from "../host/sys-types.ts";
import { BerthError, errnoOf } from "../spec/errors.ts";
import { compareNames, decodeName, encodeName, sysName } from "../spec/names.ts";
import { OVERLAY_XATTR } from "./entry.ts";
import { quoted } from "./tar/error.ts";
import type { TarHeader, TarType } from "./tar/header.ts";
import { encodeHeader, paddingOf, TAR_END, tarHeader } from "./tar/writer.ts";
import { isWhiteout } from "./tree.ts";

/** How a tree becomes an archive. */
export interface PackOptions {
  /** `overlay`: overlay's whiteouts and opaque marks become `.wh.` names. `plain`: every entry is what it is. */
  whiteouts: "overlay" | "plain";
  /** Keeps fractions of seconds in times; without it they are cut off, as Docker does. */
  subSecond?: boolean;
  /** The latest time that anything may have, in seconds since 1970: later ones become it. */
  newest?: number;
  /** Told of the bytes of each regular file once, hard links aside, and of each symbolic link: the length of its target. */
  onFile?: (size: number) => void;
  /** Says whether a folder's content comes too; one of which it does not comes empty. */
  enters?: (dev: number, path: string) => boolean;
  /** Says which file systems' files do not come at all. */
  leavesOut?: (dev: number) => boolean;
}

const OUT = 256 * 1024;
const DIR = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** What belongs to this host's security policy rather than to the file. */
const HOST_XATTR = /^security\.(selinux|ima|evm)$/;
const TYPES = new Map<number, TarType>([
  [S_IF.REG, "file"],
  [S_IF.DIR, "dir"],
  [S_IF.LNK, "symlink"],
  [S_IF.CHR, "char"],
  [S_IF.BLK, "block"],
  [S_IF.IFO, "fifo"],
]);

/**
 * The folder `root` as a tar stream, the same bytes for the same tree: names sorted by their bytes, PAX headers only where needed, no owner
 * names. Sockets are left out, and the root itself unless its owner or mode is not the usual one (0:0, 0755). Links are never followed, also where
 * somebody changes the tree meanwhile; a file that shrinks while it is read is filled up with zeros. Throws `not-implemented` for
 * a tree that overlay wrote with its redirect_dir or metacopy option. The event loop gets its turn between chunks.
 */
export async function* packTree(root: string, options: PackOptions): AsyncGenerator<Buffer, void, void> {
  for (const chunk of new Packing(options).run(root)) {
    yield chunk;
    await setImmediate();
  }
}

/**
 * One entry of the open folder `dir` as a tar stream, with all below it where it is a folder ("." names `dir` itself). In the archive it goes
 * by the name `as`. Otherwise as `packTree`.
 */
export async function* packEntry(
  entry: { dir: number; name: string; as: string },
  options: PackOptions,
): AsyncGenerator<Buffer, void, void> {
  for (const chunk of new Packing(options).one(entry)) {
    yield chunk;
    await setImmediate();
  }
}

class Packing {
  readonly #options: PackOptions;
  /** First name of each inode that has several. */
  readonly #links = new Map<string, string>();
  #out = Buffer.allocUnsafe(OUT);
  #used = 0;

  constructor(options: PackOptions) {
    this.#options = options;
  }

  *run(root: string): Generator<Buffer, void, void> {
    const fd = openat2(AT.FDCWD, root, { flags: constants.O_RDONLY | constants.O_DIRECTORY });
    try {
      const stat = fstatat(fd, "", AT.EMPTY_PATH);
      if (stat.uid !== 0 || stat.gid !== 0 || (stat.mode & 0o7777) !== 0o755) {
        yield* this.#put(encodeHeader(this.#header({ path: "./", stat, type: "dir" })));
      }
      yield* this.#dir(fd, "");
      yield* this.#put(TAR_END);
      if (this.#used > 0) yield this.#flush();
    } finally {
      closeSync(fd);
    }
  }

  *one({ dir, name, as }: { dir: number; name: string; as: string }): Generator<Buffer, void, void> {
    yield* this.#entry(dir, name, as);
    yield* this.#put(TAR_END);
    if (this.#used > 0) yield this.#flush();
  }

  *#dir(fd: number, prefix: string): Generator<Buffer, void, void> {
    const overlay = this.#options.whiteouts === "overlay";
    if (overlay && prefix !== "" && isOpaque(fd)) yield* this.#put(encodeHeader(mark(`${prefix}.wh..wh..opq`)));
    const names = readdir(fd).map((e) => (e.raw ? decodeName(e.raw) : e.name));
    for (const name of names.sort(compareNames)) {
      // A real file of such a name cannot be said in a layer (OCI image-spec, layer.md, "Whiteouts").
      if (overlay && name.startsWith(".wh.")) continue;
      yield* this.#entry(fd, name, prefix + name);
    }
  }

  /** The entry `name` of a folder, under the name `path`. */
  *#entry(dir: number, name: string, path: string): Generator<Buffer, void, void> {
    const stat = statOrGone(dir, name);
    const type = stat && TYPES.get(stat.mode & S_IF.MT);
    if (!stat || !type) return;
    if (this.#options.whiteouts === "overlay" && isWhiteout(stat)) {
      yield* this.#put(encodeHeader(mark(`${path.slice(0, path.length - name.length)}.wh.${name}`)));
      return;
    }
    if (type === "dir" || type === "file") {
      const fd = openOrGone(dir, name, type === "dir" ? DIR : FILE);
      if (fd === undefined) return;
      try {
        yield* type === "dir" ? this.#subDir(fd, path) : this.#file(fd, path);
      } finally {
        closeSync(fd);
      }
      return;
    }
    const link = this.#linkTo(stat, path);
    if (link !== undefined) {
      yield* this.#put(encodeHeader(this.#header({ path, stat, type: "link", link })));
      return;
    }
    const target = type === "symlink" ? decodeName(readlinkatRaw(dir, sysName(name))) : "";
    if (type === "symlink") this.#options.onFile?.(stat.size);
    const xattrs = pathXattrs(dir, name);
    yield* this.#put(encodeHeader(this.#header({ path, stat, type, link: target, xattrs })));
  }

  *#subDir(fd: number, path: string): Generator<Buffer, void, void> {
    const stat = fstatat(fd, "", AT.EMPTY_PATH);
    const prefix = path.endsWith("/") ? path : `${path}/`;
    yield* this.#put(encodeHeader(this.#header({ path: prefix, stat, type: "dir", xattrs: fdXattrs(fd, path) })));
    if (this.#options.enters?.(stat.dev, prefix) ?? true) yield* this.#dir(fd, prefix);
  }

  *#file(fd: number, path: string): Generator<Buffer, void, void> {
    const stat = fstatat(fd, "", AT.EMPTY_PATH);
    if ((stat.mode & S_IF.MT) !== S_IF.REG || this.#options.leavesOut?.(stat.dev)) return;
    const link = this.#linkTo(stat, path);
    if (link !== undefined) {
      yield* this.#put(encodeHeader(this.#header({ path, stat, type: "link", link })));
      return;
    }
    this.#options.onFile?.(stat.size);
    yield* this.#put(encodeHeader(this.#header({ path, stat, type: "file", xattrs: fdXattrs(fd, path) })));
    for (let left = stat.size; left > 0; ) {
      if (this.#used === OUT) yield this.#flush();
      const room = Math.min(left, OUT - this.#used);
      const n = readSync(fd, this.#out, this.#used, room, null) || this.#zeros(room);
      this.#used += n;
      left -= n;
    }
    yield* this.#put(Buffer.alloc(paddingOf(stat.size)));
  }

  /** The file is shorter than its header says by now. */
  #zeros(n: number): number {
    this.#out.fill(0, this.#used, this.#used + n);
    return n;
  }

  /** The name that the inode went by before, where it has one. */
  #linkTo(stat: SysStat, path: string): string | undefined {
    if (stat.nlink < 2) return undefined;
    const key = `${stat.dev}:${stat.ino}`;
    const first = this.#links.get(key);
    if (first === undefined) this.#links.set(key, path);
    return first;
  }

  #header(entry: {
    path: string;
    stat: SysStat;
    type: TarType;
    link?: string;
    xattrs?: Map<string, Buffer> | undefined;
  }): TarHeader {
    const { path, stat, type, link = "", xattrs } = entry;
    const device = type === "char" || type === "block";
    const { newest, subSecond } = this.#options;
    const isLate = newest !== undefined && stat.mtimeSec >= newest;
    return {
      type,
      path,
      link,
      mode: stat.mode & 0o7777,
      uid: stat.uid,
      gid: stat.gid,
      size: type === "file" ? stat.size : 0,
      mtimeSec: isLate ? newest : stat.mtimeSec,
      mtimeNsec: subSecond && !isLate ? stat.mtimeNsec : 0,
      major: device ? majorOf(stat.rdev) : 0,
      minor: device ? minorOf(stat.rdev) : 0,
      ...(xattrs ? { xattrs } : {}),
    };
  }

  *#put(bytes: Buffer): Generator<Buffer, void, void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#used === OUT) yield this.#flush();
      const n = bytes.copy(this.#out, this.#used, at);
      this.#used += n;
      at += n;
    }
  }

  #flush(): Buffer {
    const full = this.#out.subarray(0, this.#used);
    this.#out = Buffer.allocUnsafe(OUT);
    this.#used = 0;
    return full;
  }
}

/** A whiteout or opaque mark: always the same, whatever the inode that stood for it. */
function mark(path: string): TarHeader {
  return tarHeader({ path, mode: 0o600 });
}

function isOpaque(fd: number): boolean {
  return fgetxattr(fd, "trusted.overlay.opaque")?.toString() === "y";
}

/** A tree that is in use loses entries while it is read: what is gone was never there. */
function statOrGone(dir: number, name: string): SysStat | undefined {
  try {
    return fstatat(dir, sysName(name));
  } catch (e) {
    if (errnoOf(e) === "ENOENT") return undefined;
    throw e;
  }
}

function openOrGone(dir: number, name: string, flags: number): number | undefined {
  try {
    return openat2(dir, sysName(name), { flags });
  } catch (e) {
    // ELOOP, ENOTDIR, ENXIO: something else has taken the name since.
    if (["ENOENT", "ELOOP", "ENOTDIR", "ENXIO"].includes(errnoOf(e) ?? "")) return undefined;
    throw e;
  }
}

/** As `xattrsAt`, of an open file. */
export function fdXattrs(fd: number, path: string): Map<string, Buffer> | undefined {
  return collect(flistxattr(fd), { path, get: (name) => fgetxattr(fd, name) });
}

function pathXattrs(dir: number, name: string): Map<string, Buffer> | undefined {
  return xattrsAt(Buffer.concat([Buffer.from(`/proc/self/fd/${dir}/`), encodeName(name)]), name);
}

/** Extended attributes of the entry itself that belong to an image: neither overlay's nor the host's. `shown` names it in errors. */
export function xattrsAt(path: string | Buffer, shown: string): Map<string, Buffer> | undefined {
  return collect(llistxattr(path), { path: shown, get: (key) => lgetxattr(path, key) });
}

function collect(
  names: string[],
  from: { path: string; get: (name: string) => Buffer | undefined },
): Map<string, Buffer> | undefined {
  if (names.length === 0) return undefined;
  const out = new Map<string, Buffer>();
  for (const name of names) {
    if (/\.overlay\.(redirect|metacopy)$/.test(name)) {
      throw new BerthError(
        "not-implemented",
        `${quoted(from.path)} was written with overlay's redirect_dir or metacopy`,
        {
          hint: "turn both off in /sys/module/overlay/parameters",
        },
      );
    }
    if (OVERLAY_XATTR.test(name) || HOST_XATTR.test(name)) continue;
    const value = from.get(name);
    if (value) out.set(name, value);
  }
  return out.size > 0 ? out : undefined;
}
