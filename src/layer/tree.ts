import { closeSync, constants, fchmodSync } from "node:fs";
import {
  AT,
  fchownat,
  fstatat,
  mkdirat,
  O_PATH,
  openat2,
  RESOLVE,
  readdir,
  readlinkatRaw,
  S_IF,
  unlinkat,
} from "../host/sys.ts";
import { errnoOf } from "../spec/errors.ts";
import { decodeName, sysName } from "../spec/names.ts";
import { normalizePath } from "../spec/paths.ts";

/** Symbolic links followed for one path, as the kernel does (path_resolution(7)). */
const MAX_LINKS = 40;
const MAX_OPEN = 32;
const IN_ROOT = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS;

/**
 * `path` without ".", "", and "..", relative, as strings alone can tell ("" is the root itself); undefined where it climbs above its root.
 */
export function cleanPath(path: string): string | undefined {
  if (!/(^|\/)\.{0,2}(\/|$)/.test(path)) return path;
  const out: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") out.push(part);
    else if (out.pop() === undefined) return undefined;
  }
  return out.join("/");
}

/** The folder and last name of a clean path; the folder of a top name is "". */
export function splitPath(path: string): { dir: string; base: string } {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? { dir: "", base: path } : { dir: path.slice(0, slash), base: path.slice(slash + 1) };
}

/**
 * A folder that entries are put into by hostile names. Every folder below it is reached by openat2(RESOLVE_IN_ROOT), so that the kernel
 * keeps the walk inside, whatever links there are and whoever moves them meanwhile; the last name is then used only with calls
 * that do not follow links. Keeps a few folders open; `close` closes all.
 */
export class TreeRoot {
  readonly #root: number;
  readonly #open = new Map<string, number>();

  constructor(
    path: string,
    readonly newDirs: { uid: number; gid: number } = { uid: 0, gid: 0 },
  ) {
    this.#root = openat2(AT.FDCWD, path, { flags: constants.O_RDONLY | constants.O_DIRECTORY });
  }

  /** A descriptor of the folder, this object's own. With `make`, missing ones are made, mode 0755. Throws the errno else. */
  dir(path: string, make = false): number {
    if (path === "") return this.#root;
    const known = this.#open.get(path);
    if (known !== undefined) return known;
    const fd = make ? this.#make(path, MAX_LINKS) : this.#openDir(path);
    this.keep(path, fd);
    return fd;
  }

  /** Takes over an open folder, to be used for names below it. */
  keep(path: string, fd: number): void {
    const old = this.#open.get(path);
    if (old !== undefined) closeSync(old);
    this.#open.delete(path);
    this.#open.set(path, fd);
    if (this.#open.size <= MAX_OPEN) return;
    for (const [first, oldest] of this.#open) {
      this.#open.delete(first);
      closeSync(oldest);
      return;
    }
  }

  /** Removes a name and all below it. What is kept open is forgotten, since paths may lead elsewhere now. */
  remove(parent: number, base: string): void {
    try {
      unlinkat(parent, sysName(base));
    } catch (e) {
      if (errnoOf(e) !== "EISDIR" && errnoOf(e) !== "EPERM") throw e;
      emptyDir(parent, sysName(base));
      unlinkat(parent, sysName(base), AT.REMOVEDIR);
    }
    const keep = [...this.#open].find(([, fd]) => fd === parent);
    for (const [path, fd] of this.#open) if (fd !== parent) this.#drop(path, fd);
    this.#open.clear();
    if (keep) this.#open.set(...keep);
  }

  close(): void {
    for (const [path, fd] of this.#open) this.#drop(path, fd);
    closeSync(this.#root);
  }

  #drop(path: string, fd: number): void {
    this.#open.delete(path);
    closeSync(fd);
  }

  #openDir(path: string): number {
    return openat2(this.#root, sysName(path), { flags: O_PATH | constants.O_DIRECTORY, resolve: IN_ROOT });
  }

  #make(path: string, links: number): number {
    if (path === "") return openat2(this.#root, ".", { flags: O_PATH | constants.O_DIRECTORY });
    try {
      return this.#openDir(path);
    } catch (e) {
      if (errnoOf(e) !== "ENOENT") throw e;
    }
    const { dir, base } = splitPath(path);
    const parent = this.#make(dir, links);
    try {
      this.#makeOne(parent, base);
    } catch (e) {
      if (errnoOf(e) !== "EEXIST" || links === 0) throw e;
      // A link to what does not exist yet: its target is made, inside the root.
      const target = decodeName(readlinkatRaw(parent, sysName(base)));
      const inside = normalizePath(target.startsWith("/") ? target : `/${dir}/${target}`);
      closeSync(this.#make(cleanPath(inside) ?? "", links - 1));
    } finally {
      closeSync(parent);
    }
    return this.#openDir(path);
  }

  #makeOne(parent: number, base: string): void {
    mkdirat(parent, sysName(base), 0o755);
    const fd = openat2(parent, sysName(base), {
      flags: constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW,
    });
    try {
      fchownat(fd, "", { ...this.newDirs, flags: AT.EMPTY_PATH });
      fchmodSync(fd, 0o755);
    } finally {
      closeSync(fd);
    }
  }
}

/** Removes all below a folder. Links are removed, never followed. */
function emptyDir(parent: number, base: string | Buffer): void {
  const flags = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  const fd = openat2(parent, base, { flags });
  try {
    for (const entry of readdir(fd)) {
      const name = entry.raw ?? entry.name;
      const isDir = entry.type === "dir";
      if (isDir) emptyDir(fd, name);
      unlinkat(fd, name, isDir ? AT.REMOVEDIR : 0);
    }
  } finally {
    closeSync(fd);
  }
}

/** True where the name is a whiteout as overlay has it: a character device 0/0 (kernel, overlayfs.rst, "whiteouts and opaque directories"). */
export function isWhiteout(stat: { mode: number; rdev: number }): boolean {
  return (stat.mode & S_IF.MT) === S_IF.CHR && stat.rdev === 0;
}

/** The entry's own stat, undefined where there is none. */
export function statAt(parent: number, base: string): ReturnType<typeof fstatat> | undefined {
  try {
    return fstatat(parent, sysName(base));
  } catch (e) {
    if (errnoOf(e) === "ENOENT") return undefined;
    throw e;
  }
}
