import { addon } from "./embedded.ts";
import type { DirEntry, PathLike, SysStat, TimeSpec } from "./sys-types.ts";

export type { DirEntry, EntryType, PathLike, SysStat, TimeSpec } from "./sys-types.ts";

// Every function here is one system call of the running thread. A failure throws an Error with Node's fields:
// `code` ("ENOENT"), `errno` (negative), `syscall`, `path`. Descriptors are plain numbers, close-on-exec; the caller closes them
// (node:fs closeSync). Names are used as they are: only openat2 with RESOLVE_* keeps a path inside a tree.

/** Flags of the *at calls (fcntl.h). `FDCWD` stands for the working folder. */
export const AT = {
  FDCWD: -100,
  SYMLINK_NOFOLLOW: 0x100,
  REMOVEDIR: 0x200,
  SYMLINK_FOLLOW: 0x400,
  EMPTY_PATH: 0x1000,
} as const;

/** How openat2(2) resolves a path: `IN_ROOT` treats the dirfd as "/", for "..", absolute paths and links alike. */
export const RESOLVE = { NO_XDEV: 1, NO_MAGICLINKS: 2, NO_SYMLINKS: 4, BENEATH: 8, IN_ROOT: 16 } as const;

/** open(2)'s O_PATH, which node:fs `constants` lacks. */
export const O_PATH = 0x200000;

/** Type bits of a mode (inode(7)). */
export const S_IF = {
  MT: 0o170000,
  SOCK: 0o140000,
  LNK: 0o120000,
  REG: 0o100000,
  BLK: 0o060000,
  DIR: 0o040000,
  CHR: 0o020000,
  IFO: 0o010000,
} as const;

/** Flags of renameat2(2). */
export const RENAME = { NOREPLACE: 1, EXCHANGE: 2, WHITEOUT: 4 } as const;

/** Modes of fallocate(2). Punching a hole needs `KEEP_SIZE` too. */
export const FALLOC = { KEEP_SIZE: 1, PUNCH_HOLE: 2 } as const;

/** Operations of flock(2). `NB` makes a held lock throw EWOULDBLOCK (code EAGAIN). */
export const LOCK = { SH: 1, EX: 2, NB: 4, UN: 8 } as const;

/** Whence of lseek(2). */
export const SEEK = { SET: 0, CUR: 1, END: 2, DATA: 3, HOLE: 4 } as const;

/** Flags of mount(2). */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  BIND: 4096,
  MOVE: 8192,
  REC: 16384,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
} as const;

/** Flags of umount2(2). */
export const MNT = { FORCE: 1, DETACH: 2, EXPIRE: 4 } as const;

/** Namespace kinds for setns(2) and unshare(2). Both change one thread only; NEWNS also needs an unshared fs (`FS`). */
export const CLONE = {
  FS: 0x200,
  NEWNS: 0x20000,
  NEWCGROUP: 0x2000000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
} as const;

const UTIME_OMIT: TimeSpec = [0, 0x3ffffffe];
const NSEC = 1_000_000_000n;

/** A name in a folder: what the two ends of a link or rename are. */
export interface At {
  dirfd: number;
  path: PathLike;
}

/** Opens `path` below `dirfd`, always close-on-exec. `resolve` is a set of RESOLVE bits; `mode` only with O_CREAT or O_TMPFILE. Returns a descriptor. */
export function openat2(
  dirfd: number,
  path: PathLike,
  options: { flags: number; mode?: number; resolve?: number },
): number {
  return addon().openat2(dirfd, path, options.flags, options.mode ?? 0, options.resolve ?? 0);
}

/** mkdirat(2). The umask applies. */
export function mkdirat(dirfd: number, path: PathLike, mode = 0o755): void {
  addon().mkdirat(dirfd, path, mode);
}

/** mknodat(2). `mode` has an S_IF bit; `dev` from `makedev` for devices. */
export function mknodat(dirfd: number, path: PathLike, mode: number, dev = 0): void {
  addon().mknodat(dirfd, path, mode, dev);
}

/** symlinkat(2): makes `path` a link to `target`. */
export function symlinkat(target: PathLike, dirfd: number, path: PathLike): void {
  addon().symlinkat(target, dirfd, path);
}

/** linkat(2): `to` becomes another name of `from`. Links themselves are not followed unless `flags` has AT.SYMLINK_FOLLOW. */
export function linkat(from: At, to: At, flags = 0): void {
  addon().linkat(from.dirfd, from.path, to.dirfd, to.path, flags);
}

/** unlinkat(2). `flags` AT.REMOVEDIR for an empty folder. */
export function unlinkat(dirfd: number, path: PathLike, flags = 0): void {
  addon().unlinkat(dirfd, path, flags);
}

/** renameat2(2), with RENAME flags. */
export function renameat2(from: At, to: At, flags = 0): void {
  addon().renameat2(from.dirfd, from.path, to.dirfd, to.path, flags);
}

/** fchownat(2). `flags` AT.SYMLINK_NOFOLLOW for a link itself, AT.EMPTY_PATH with path "" for the descriptor itself. */
export function fchownat(dirfd: number, path: PathLike, options: { uid: number; gid: number; flags?: number }): void {
  addon().fchownat(dirfd, path, options.uid, options.gid, options.flags ?? 0);
}

/** fchmodat(2). Follows links unless `flags` has AT.SYMLINK_NOFOLLOW (a link then throws EOPNOTSUPP). */
export function fchmodat(dirfd: number, path: PathLike, mode: number, flags = 0): void {
  addon().fchmodat(dirfd, path, mode, flags);
}

/** utimensat(2). Times as [sec, nsec] or as nanoseconds since 1970; an absent one is left as it is. `flags` as for `fchownat`. */
export function utimensat(
  dirfd: number,
  path: PathLike,
  options: { atime?: TimeSpec | bigint; mtime?: TimeSpec | bigint; flags?: number },
): void {
  const [aSec, aNsec] = timeSpec(options.atime);
  const [mSec, mNsec] = timeSpec(options.mtime);
  addon().utimensat(dirfd, path, aSec, aNsec, mSec, mNsec, options.flags ?? 0);
}

function timeSpec(time: TimeSpec | bigint | undefined): TimeSpec {
  if (time === undefined) return UTIME_OMIT;
  if (typeof time !== "bigint") return time;
  const nsec = ((time % NSEC) + NSEC) % NSEC;
  return [Number((time - nsec) / NSEC), Number(nsec)];
}

/** fstatat(2). By default the entry itself: links are not followed. `path` "" with AT.EMPTY_PATH is the descriptor itself. */
export function fstatat(dirfd: number, path: PathLike, flags: number = AT.SYMLINK_NOFOLLOW): SysStat {
  return addon().fstatat(dirfd, path, flags);
}

/** readlinkat(2) as text. */
export function readlinkat(dirfd: number, path: PathLike): string {
  return readlinkatRaw(dirfd, path).toString();
}

/** readlinkat(2) as raw bytes, for targets that are not UTF-8. */
export function readlinkatRaw(dirfd: number, path: PathLike): Buffer {
  return addon().readlinkat(dirfd, path);
}

/** All entries of the folder that `fd` is open on (O_PATH is enough), in no order; the descriptor's position does not matter. */
export function readdir(fd: number): DirEntry[] {
  return addon().readdir(fd);
}

/** Value of the path's own attribute (a link is not followed); undefined where it has none of that name. */
export function lgetxattr(path: PathLike, name: string): Buffer | undefined {
  return addon().getxattr(path, name);
}

/** Sets the path's own attribute (a link is not followed). */
export function lsetxattr(path: PathLike, name: string, value: Uint8Array): void {
  addon().setxattr(path, name, value, 0);
}

/** Names of the path's own attributes (a link is not followed). */
export function llistxattr(path: PathLike): string[] {
  return addon().listxattr(path);
}

/** Removes the path's own attribute; throws ENODATA where there is none. */
export function lremovexattr(path: PathLike, name: string): void {
  addon().removexattr(path, name);
}

/** As `lgetxattr`, of an open file. */
export function fgetxattr(fd: number, name: string): Buffer | undefined {
  return addon().getxattr(fd, name);
}

/** As `lsetxattr`, of an open file. */
export function fsetxattr(fd: number, name: string, value: Uint8Array): void {
  addon().setxattr(fd, name, value, 0);
}

/** As `llistxattr`, of an open file. */
export function flistxattr(fd: number): string[] {
  return addon().listxattr(fd);
}

/** As `lremovexattr`, of an open file. */
export function fremovexattr(fd: number, name: string): void {
  addon().removexattr(fd, name);
}

/** ioctl FICLONE: `to` shares all of `from`'s blocks. Throws EOPNOTSUPP or EXDEV where the file system cannot. */
export function ficlone(from: number, to: number): void {
  addon().ficlone(to, from);
}

/** copy_file_range(2). Absent offsets: the descriptors' positions. Returns bytes copied, 0 at the end of `from`. */
export function copyFileRange(
  from: number,
  to: number,
  options: { length: number; fromOffset?: number; toOffset?: number },
): number {
  return addon().copyFileRange(from, options.fromOffset, to, options.toOffset, options.length);
}

/** fallocate(2), with FALLOC modes (0: reserves). */
export function fallocate(fd: number, mode: number, offset: number, length: number): void {
  addon().fallocate(fd, mode, offset, length);
}

/** Makes the range read as zeros and frees its blocks; the file's size stays. */
export function punchHole(fd: number, offset: number, length: number): void {
  addon().fallocate(fd, FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE, offset, length);
}

/** lseek(2); `SEEK.DATA` and `SEEK.HOLE` walk a sparse file (ENXIO: no more data). Returns the new position. */
export function lseek(fd: number, offset: number, whence: number): number {
  return addon().lseek(fd, offset, whence);
}

/** flock(2) with LOCK operations. Blocks the thread unless LOCK.NB is given. The lock ends with the last copy of the descriptor. */
export function flock(fd: number, operation: number): void {
  addon().flock(fd, operation);
}

/** syncfs(2): all of the file system that `fd` is on reaches the disk. */
export function syncfs(fd: number): void {
  addon().syncfs(fd);
}

/** pidfd_open(2): a descriptor that stands for this very process; throws ESRCH where there is none. */
export function pidfdOpen(pid: number): number {
  return addon().pidfdOpen(pid);
}

/** pidfd_send_signal(2); throws ESRCH where the process has ended. Signal 0 only asks. */
export function pidfdSendSignal(pidfd: number, signal: number): void {
  addon().pidfdSendSignal(pidfd, signal);
}

/** mount(2), with MS flags. */
export function mount(options: {
  source: PathLike;
  target: PathLike;
  type?: string;
  flags?: number;
  data?: string;
}): void {
  addon().mount(options.source, options.target, options.type ?? "", options.flags ?? 0, options.data ?? "");
}

/** umount2(2), with MNT flags. */
export function umount2(target: PathLike, flags = 0): void {
  addon().umount2(target, flags);
}

/** setns(2): moves this thread into the namespace that `fd` is open on; `type` a CLONE bit, 0: any. */
export function setns(fd: number, type = 0): void {
  addon().setns(fd, type);
}

/** unshare(2) of this thread, with CLONE bits. */
export function unshare(flags: number): void {
  addon().unshare(flags);
}

/** A device number as the kernel's new encoding (major 12 bits, minor 20 bits), as stat(2) gives and mknod(2) takes it. */
export function makedev(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

/** The major part of a device number. */
export function majorOf(dev: number): number {
  return (dev >>> 8) & 0xfff;
}

/** The minor part of a device number. */
export function minorOf(dev: number): number {
  return (dev & 0xff) | ((dev >>> 12) & 0xfff00);
}

/** A connected, non-blocking datagram socket to a unix path, for writeSync: one write is one datagram. */
export function connectDatagram(path: PathLike): number {
  return addon().connectDatagram(path);
}

/** SIGKILL for this process when the one that started it, `parent`, ends. Throws ESRCH where it has, or is another. */
export function endWithParent(parent: number): void {
  addon().endWithParent(parent);
}
