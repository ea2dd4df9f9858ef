import { closeSync } from "node:fs";
import { AT, fstatat, O_PATH, openat2, RESOLVE, readlinkatRaw, S_IF } from "../../host/sys.ts";
import type { SysStat } from "../../host/sys-types.ts";
import { BerthError, errnoOf } from "../../spec/errors.ts";
import { decodeName, encodeName } from "../../spec/names.ts";
import { baseName, joinPaths } from "../../spec/paths.ts";
import type { PathStat } from "./types.ts";

/** How every path of a container is opened: links lead nowhere but inside its root, those of /proc nowhere at all. */
export const INSIDE: number = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS;

const NOFOLLOW = 0o400000;
const MAX_LINKS = 255;
const MAX_TRIES = 32;
const PERMISSIONS = 0o777;
/** Bits of Go's io/fs.FileMode by the kernel's type. */
const GO_TYPES = new Map<number, number>([
  [S_IF.DIR, 2 ** 31],
  [S_IF.LNK, 2 ** 27],
  [S_IF.BLK, 2 ** 26],
  [S_IF.CHR, 2 ** 26 + 2 ** 21],
  [S_IF.IFO, 2 ** 25],
  [S_IF.SOCK, 2 ** 24],
]);

/** An entry of its root that is open by O_PATH. */
export interface Opened extends Disposable {
  fd: number;
  stat: SysStat;
}

/** Opens the entry itself: a link is followed only where the path ends in a slash or "/.". Errors keep their errno, in Docker's words. */
export function openEntry(root: number, path: string): Opened {
  return opened(path, () => openat2(root, encodeName(path), { flags: O_PATH | NOFOLLOW, resolve: INSIDE }));
}

/** Opens what the path leads to, all links followed. */
export function openTarget(root: number, path: string): Opened {
  return opened(path, () => openat2(root, encodeName(path), { flags: O_PATH, resolve: INSIDE }));
}

function opened(path: string, open: () => number): Opened {
  for (let tries = 0; ; tries++) {
    try {
      const fd = open();
      return { fd, stat: fstatat(fd, "", AT.EMPTY_PATH), [Symbol.dispose]: () => closeSync(fd) };
    } catch (e) {
      // Something was renamed while the kernel walked through "..".
      if (errnoOf(e) !== "EAGAIN" || tries === MAX_TRIES) throw pathError(e, path);
    }
  }
}

/** What the kernel said of a path, as Go puts it. Kind `not-found` for ENOENT: its words are the caller's, who knows the container. */
export function pathError(error: unknown, path: string): BerthError {
  const code = errnoOf(error);
  const why = { ENOENT: "no such file or directory", ENOTDIR: "not a directory", ENAMETOOLONG: "file name too long" };
  if (code === "ELOOP") return new BerthError("internal", `evalSymlinksInScope: too many links in ${path}`);
  const words = code && code in why ? why[code as keyof typeof why] : String(code ?? error);
  return new BerthError(code === "ENOENT" ? "not-found" : "internal", `lstat ${path}: ${words}`, { cause: error });
}

/** `X-Docker-Container-Path-Stat` of the entry at `path`. */
export function pathStat(root: number, path: string): PathStat {
  using entry = openEntry(root, path);
  const { stat } = entry;
  const isLink = (stat.mode & S_IF.MT) === S_IF.LNK;
  return {
    name: baseOf(path),
    size: stat.size,
    mode: goMode(stat.mode),
    mtime: rfc3339(stat),
    linkTarget: isLink ? followLinks(root, path) : "",
  };
}

/** The last part of a path as Go's filepath.Base has it: "/" for the root, "." for "/w/.". */
export function baseOf(path: string): string {
  return baseName(path) || "/";
}

/** Go's io/fs.FileMode of a kernel's mode. */
export function goMode(mode: number): number {
  const special = (mode & 0o4000 ? 2 ** 23 : 0) + (mode & 0o2000 ? 2 ** 22 : 0) + (mode & 0o1000 ? 2 ** 20 : 0);
  return (GO_TYPES.get(mode & S_IF.MT) ?? 0) + special + (mode & PERMISSIONS);
}

function rfc3339({ mtimeSec, mtimeNsec }: SysStat): string {
  const whole = new Date(mtimeSec * 1000).toISOString().slice(0, 19);
  const fraction = String(mtimeNsec).padStart(9, "0").replace(/0+$/, "");
  return `${whole}${fraction ? `.${fraction}` : ""}Z`;
}

/** Where a path leads inside the root, as far as there is something: the rest is kept as it is. */
export function followLinks(root: number, path: string): string {
  const todo = path.split("/").reverse();
  let done = "/";
  for (let links = 0; todo.length > 0; ) {
    const name = todo.pop() ?? "";
    if (name === "" || name === ".") continue;
    const next = joinPaths(done, name);
    const link = name === ".." ? undefined : linkAt(root, next);
    if (link === undefined) {
      done = next;
      continue;
    }
    if (++links > MAX_LINKS) throw new BerthError("internal", `evalSymlinksInScope: too many links in ${path}`);
    if (link.startsWith("/")) done = "/";
    todo.push(...link.split("/").reverse());
  }
  return done;
}

function linkAt(root: number, path: string): string | undefined {
  try {
    using entry = openEntry(root, path);
    return (entry.stat.mode & S_IF.MT) === S_IF.LNK ? decodeName(readlinkatRaw(entry.fd, "")) : undefined;
  } catch (e) {
    if (e instanceof BerthError) return undefined;
    throw e;
  }
}
