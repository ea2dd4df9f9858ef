/** A path or name: text, or raw bytes where it is not UTF-8. */
export type PathLike = string | Uint8Array;

/** Whole seconds and nanoseconds (0 … 999,999,999). */
export type TimeSpec = readonly [sec: number, nsec: number];

/** stat(2)'s answer. `mode` has the type bits; `size` in bytes, `blocks` of 512 bytes; `dev` and `rdev` as `makedev` makes them. */
export interface SysStat {
  mode: number;
  uid: number;
  gid: number;
  size: number;
  ino: bigint;
  dev: number;
  rdev: number;
  nlink: number;
  blocks: number;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
}

/** What a folder's entry is. */
export type EntryType = "file" | "dir" | "symlink" | "char" | "block" | "fifo" | "socket" | "unknown";

/** One entry of a folder, without "." and "..". `raw` is there only where the name is not UTF-8 (`name` is then lossy). */
export interface DirEntry {
  name: string;
  type: EntryType;
  raw?: Buffer;
}

/** What sys.node exports: numbers and paths in the kernel's own order. */
export interface NativeSys {
  openat2(dirfd: number, path: PathLike, flags: number, mode: number, resolve: number): number;
  mkdirat(dirfd: number, path: PathLike, mode: number): number;
  mknodat(dirfd: number, path: PathLike, mode: number, dev: number): number;
  symlinkat(target: PathLike, dirfd: number, path: PathLike): number;
  linkat(fromFd: number, from: PathLike, toFd: number, to: PathLike, flags: number): number;
  unlinkat(dirfd: number, path: PathLike, flags: number): number;
  renameat2(fromFd: number, from: PathLike, toFd: number, to: PathLike, flags: number): number;
  fchownat(dirfd: number, path: PathLike, uid: number, gid: number, flags: number): number;
  fchmodat(dirfd: number, path: PathLike, mode: number, flags: number): number;
  utimensat: (dirfd: number, path: PathLike, ...timesAndFlags: [number, number, number, number, number]) => number;
  fstatat(dirfd: number, path: PathLike, flags: number): SysStat;
  readlinkat(dirfd: number, path: PathLike): Buffer;
  readdir(fd: number): DirEntry[];
  ficlone(to: number, from: number): number;
  copyFileRange: (
    fdIn: number,
    offIn: number | undefined,
    fdOut: number,
    offOut: number | undefined,
    n: number,
  ) => number;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  lseek(fd: number, offset: number, whence: number): number;
  flock(fd: number, operation: number): number;
  syncfs(fd: number): number;
}

/** The rest of what sys.node exports. A `target` that is a number is a descriptor. */
export interface NativeKernel {
  getxattr(target: PathLike | number, name: string): Buffer | undefined;
  setxattr(target: PathLike | number, name: string, value: Uint8Array, flags: number): number;
  removexattr(target: PathLike | number, name: string): number;
  listxattr(target: PathLike | number): string[];
  mount(source: PathLike, target: PathLike, type: string, flags: number, data: string): number;
  umount2(target: PathLike, flags: number): number;
  setns(fd: number, type: number): number;
  unshare(flags: number): number;
  pidfdOpen(pid: number): number;
  pidfdSendSignal(pidfd: number, signal: number): number;
  dropCode(): number;
  connectDatagram(path: PathLike): number;
  endWithParent(parent: number): number;
  projectId(fd: number): number;
  setProject(fd: number, id: number): number;
  projectsLimited(fd: number): number;
  limitProject(fd: number, id: number, bytes: number): number;
  projectUsage(fd: number, id: number): number;
}
