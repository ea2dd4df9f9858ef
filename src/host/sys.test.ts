import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errnoOf } from "../spec/errors.ts";
import * as sys from "./sys.ts";

const root = mkdtempSync(join(tmpdir(), "berth-sys-"));
let dir = "";
let fd = -1;
let count = 0;

beforeEach(() => {
  if (fd >= 0) closeSync(fd);
  dir = join(root, `${count++}`);
  mkdirSync(dir);
  fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
});
afterAll(() => {
  closeSync(fd);
  rmSync(root, { recursive: true });
});

function code(act: () => unknown): string | undefined {
  try {
    act();
    return "no error";
  } catch (error) {
    return errnoOf(error);
  }
}

describe("openat2", () => {
  const inRoot = { flags: constants.O_RDONLY, resolve: sys.RESOLVE.IN_ROOT | sys.RESOLVE.NO_MAGICLINKS };

  test("IN_ROOT keeps '..', absolute paths and links inside", () => {
    mkdirSync(join(dir, "etc"));
    writeFileSync(join(dir, "etc/passwd"), "inside");
    symlinkSync("/etc/passwd", join(dir, "absolute"));
    symlinkSync("../../../../../../etc/passwd", join(dir, "etc/climbing"));
    for (const path of ["/etc/passwd", "../../etc/passwd", "absolute", "etc/climbing"]) {
      const opened = sys.openat2(fd, path, inRoot);
      expect(readFileSync(opened, "utf8")).toBe("inside");
      closeSync(opened);
    }
  });

  test("magic links, escapes under BENEATH and links under NO_SYMLINKS are refused", () => {
    symlinkSync("..", join(dir, "up"));
    expect(code(() => sys.openat2(fd, "up", { flags: 0, resolve: sys.RESOLVE.BENEATH }))).toBe("EXDEV");
    expect(code(() => sys.openat2(fd, "up", { flags: 0, resolve: sys.RESOLVE.NO_SYMLINKS }))).toBe("ELOOP");
    const proc = openSync("/proc/self", constants.O_RDONLY);
    expect(code(() => sys.openat2(proc, "fd/0", { flags: 0, resolve: sys.RESOLVE.NO_MAGICLINKS }))).toBe("ELOOP");
    closeSync(proc);
  });

  test("creates with the mode asked for, close-on-exec", () => {
    const made = sys.openat2(fd, "new", { flags: constants.O_CREAT | constants.O_WRONLY, mode: 0o600 });
    expect(lstatSync(join(dir, "new")).mode & 0o777).toBe(0o600);
    expect(readFileSync(`/proc/self/fdinfo/${made}`, "utf8")).toMatch(/^flags:\s+02\d*1$/m);
    closeSync(made);
  });
});

test("folders, nodes, links, renames and removals", () => {
  sys.mkdirat(fd, "d", 0o700);
  sys.mknodat(fd, "null", sys.S_IF.CHR | 0o666, sys.makedev(1, 3));
  sys.mknodat(fd, "fifo", sys.S_IF.IFO | 0o600);
  sys.symlinkat("target with space", fd, "link");
  sys.linkat({ dirfd: fd, path: "link" }, { dirfd: fd, path: "hard" });
  expect(sys.readlinkat(fd, "hard")).toBe("target with space");
  expect(sys.fstatat(fd, "link").nlink).toBe(2);
  expect(sys.fstatat(fd, "null").rdev).toBe(statSync("/dev/null").rdev);
  const types = Object.fromEntries(sys.readdir(fd).map(({ name, type }) => [name, type]));
  expect(types).toEqual({ d: "dir", null: "char", fifo: "fifo", link: "symlink", hard: "symlink" });
  sys.renameat2({ dirfd: fd, path: "d" }, { dirfd: fd, path: "link" }, sys.RENAME.EXCHANGE);
  expect(sys.fstatat(fd, "link").mode & sys.S_IF.MT).toBe(sys.S_IF.DIR);
  const noReplace = () => sys.renameat2({ dirfd: fd, path: "fifo" }, { dirfd: fd, path: "null" }, sys.RENAME.NOREPLACE);
  expect(code(noReplace)).toBe("EEXIST");
  expect(code(() => sys.unlinkat(fd, "link"))).toBe("EISDIR");
  sys.unlinkat(fd, "link", sys.AT.REMOVEDIR);
  for (const name of ["d", "null", "fifo", "hard"]) sys.unlinkat(fd, name);
  expect(sys.readdir(fd)).toEqual([]);
});

test("owner, mode and times of an entry itself, to the nanosecond and before 1970", () => {
  symlinkSync("nowhere", join(dir, "link"));
  writeFileSync(join(dir, "file"), "12345");
  sys.fchownat(fd, "link", { uid: 1234, gid: 4_000_000_000, flags: sys.AT.SYMLINK_NOFOLLOW });
  sys.utimensat(fd, "link", { mtime: [1_700_000_000, 123_456_789], flags: sys.AT.SYMLINK_NOFOLLOW });
  expect(sys.fstatat(fd, "link")).toMatchObject({
    uid: 1234,
    gid: 4_000_000_000,
    mtimeSec: 1_700_000_000,
    mtimeNsec: 123_456_789,
  });
  const before = sys.fstatat(fd, "file");
  sys.utimensat(fd, "file", { mtime: -1n });
  sys.fchmodat(fd, "file", 0o4711);
  const after = sys.fstatat(fd, "file");
  expect(after).toMatchObject({ mtimeSec: -1, mtimeNsec: 999_999_999, size: 5, mode: sys.S_IF.REG | 0o4711 });
  expect([after.atimeSec, after.atimeNsec]).toEqual([before.atimeSec, before.atimeNsec]);
  expect(after.ino).toBe(lstatSync(join(dir, "file"), { bigint: true }).ino);
});

test("names and link targets that are not UTF-8 survive", () => {
  const name = Buffer.from([0x61, 0xff, 0xfe]);
  sys.symlinkat(Buffer.from([0x80, 0x62]), fd, name);
  const [entry] = sys.readdir(fd);
  expect(entry?.raw).toEqual(name);
  expect(sys.readlinkatRaw(fd, name)).toEqual(Buffer.from([0x80, 0x62]));
  sys.mkdirat(fd, "ä😀");
  expect(sys.readdir(fd).find((e) => e.name === "ä😀")).toEqual({ name: "ä😀", type: "dir" });
});

test("readdir works on O_PATH descriptors, again and again, and for many entries", () => {
  for (let i = 0; i < 3000; i++) writeFileSync(join(dir, `${i}`), "");
  const path = sys.openat2(-100, dir, { flags: sys.O_PATH });
  expect(sys.readdir(path).length).toBe(3000);
  expect(sys.readdir(path).length).toBe(3000);
  closeSync(path);
});

test("extended attributes of files, links and descriptors", () => {
  writeFileSync(join(dir, "file"), "");
  symlinkSync("file", join(dir, "link"));
  const link = `/proc/self/fd/${fd}/link`;
  const value = Buffer.from([1, 0, 255]);
  sys.lsetxattr(link, "trusted.berth", value);
  expect(sys.llistxattr(link)).toEqual(["trusted.berth"]);
  expect(sys.lgetxattr(link, "trusted.berth")).toEqual(value);
  expect(sys.lgetxattr(join(dir, "file"), "trusted.berth")).toBeUndefined();
  sys.lremovexattr(link, "trusted.berth");
  expect(code(() => sys.lremovexattr(link, "trusted.berth"))).toBe("ENODATA");
  const file = openSync(join(dir, "file"), "r+");
  sys.fsetxattr(file, "user.empty", new Uint8Array());
  expect(sys.fgetxattr(file, "user.empty")?.length).toBe(0);
  expect(sys.flistxattr(file)).toEqual(["user.empty"]);
  sys.fremovexattr(file, "user.empty");
  expect(sys.flistxattr(file)).toEqual([]);
  closeSync(file);
});

test("copies, holes and sparse files", () => {
  const from = openSync(join(dir, "from"), "w+");
  const to = openSync(join(dir, "to"), "w+");
  writeFileSync(from, Buffer.alloc(1 << 20, "x"));
  sys.punchHole(from, 65536, 65536);
  expect(sys.lseek(from, 0, sys.SEEK.HOLE)).toBe(65536);
  expect(sys.lseek(from, 65536, sys.SEEK.DATA)).toBe(131072);
  expect(sys.copyFileRange(from, to, { length: 10, fromOffset: 65530, toOffset: 3 })).toBe(10);
  expect(readFileSync(join(dir, "to"))).toEqual(Buffer.from("\0\0\0xxxxxx\0\0\0\0"));
  expect(sys.copyFileRange(from, to, { length: 10, fromOffset: 1 << 20, toOffset: 0 })).toBe(0);
  sys.fallocate(to, 0, 0, 4096);
  expect(statSync(join(dir, "to")).size).toBe(4096);
  const clone = code(() => sys.ficlone(from, to));
  expect(["no error", "EOPNOTSUPP", "EINVAL", "ENOTTY"]).toContain(clone ?? "");
  sys.syncfs(from);
  closeSync(from);
  closeSync(to);
});

test("locks exclude another open file", () => {
  const [one, two] = [openSync(join(dir, "lock"), "w"), openSync(join(dir, "lock"), "w")];
  sys.flock(one, sys.LOCK.EX);
  expect(code(() => sys.flock(two, sys.LOCK.EX | sys.LOCK.NB))).toBe("EAGAIN");
  sys.flock(one, sys.LOCK.UN);
  sys.flock(two, sys.LOCK.EX | sys.LOCK.NB);
  closeSync(one);
  closeSync(two);
});

test("a process descriptor stands for its process only", async () => {
  const child = Bun.spawn(["sleep", "1000"]);
  const pidfd = sys.pidfdOpen(child.pid);
  sys.pidfdSendSignal(pidfd, 0);
  sys.pidfdSendSignal(pidfd, 15);
  await child.exited;
  expect(child.signalCode).toBe("SIGTERM");
  expect(code(() => sys.pidfdSendSignal(pidfd, 0))).toBe("ESRCH");
  closeSync(pidfd);
});

test("mounts", () => {
  sys.mount({ source: "tmpfs", target: dir, type: "tmpfs", flags: sys.MS.NOSUID, data: "size=64k" });
  try {
    expect(readFileSync("/proc/self/mountinfo", "utf8")).toMatch(new RegExp(` ${dir} .*nosuid.*size=64k`));
  } finally {
    sys.umount2(dir, sys.MNT.DETACH);
  }
  expect(code(() => sys.umount2(dir))).toBe("EINVAL");
});

test("errors have Node's fields, and bad arguments never reach the kernel", () => {
  let error: unknown;
  try {
    sys.mkdirat(fd, "a/b");
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({
    code: "ENOENT",
    errno: -2,
    syscall: "mkdirat",
    path: "a/b",
    message: "ENOENT: no such file or directory, mkdirat 'a/b'",
  });
  expect(code(() => sys.mkdirat(fd, "a\0b"))).toBe("EINVAL");
  expect(code(() => sys.mkdirat(fd, Buffer.from("a\0b")))).toBe("EINVAL");
  expect(code(() => sys.mkdirat(fd, "x".repeat(5000)))).toBe("ENAMETOOLONG");
  expect(code(() => sys.mkdirat(-1, "x"))).toBe("EBADF");
  expect(code(() => sys.mkdirat(fd, 5 as unknown as string))).toBe("ERR_INVALID_ARG_TYPE");
  expect(sys.readdir(fd)).toEqual([]);
});

test("device numbers of all sizes", () => {
  for (const [major, minor] of [
    [1, 3],
    [0, 0],
    [4095, 1048575],
    [259, 65536],
  ] as const) {
    const dev = sys.makedev(major, minor);
    expect([sys.majorOf(dev), sys.minorOf(dev)]).toEqual([major, minor]);
  }
  expect(readlinkSync(`/proc/self/fd/${fd}`)).toBe(dir);
});

test("a number that is no descriptor is not taken for another one", () => {
  for (const wide of [2 ** 32, 2 ** 32 + 1, -(2 ** 40), 0.5, Number.NaN])
    expect(() => sys.readdir(wide)).toThrow("argument 1: a whole number of 32 bits expected");
  expect(code(() => sys.readdir(-1))).toBe("EBADF");
  expect(code(() => sys.fgetxattr(-1, "user.x"))).toBe("EBADF");
  expect(code(() => sys.flistxattr(-1))).toBe("EBADF");
});
