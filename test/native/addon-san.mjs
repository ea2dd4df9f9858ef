// Calls every function of the sanitized addon with good and with hostile arguments. A program of Node's, since Bun cannot live with
// a preloaded AddressSanitizer. Everything happens on a tmpfs in a mount namespace of its own, which goes with the process.
// usage: addon-san.mjs ADDON EMPTY_FOLDER
import assert from "node:assert";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";

const [, , file, root] = process.argv;
const addon = createRequire(import.meta.url)(file);
const FDCWD = -100;
const FOLLOW_NOT = 0x100;
const NEWNS_AND_FS = 0x20200;
const REC_PRIVATE = 0x4000 | (1 << 18);
const PUNCH = 3;

assert.equal(addon.unshare(NEWNS_AND_FS), 0);
assert.equal(addon.mount("", "/", "", REC_PRIVATE, ""), 0);
assert.equal(addon.mount("berth-test", root, "tmpfs", 0, "size=64m"), 0);

// Ends with this process, however that ends.
const child = spawn("cat", [], { stdio: ["pipe", "ignore", "ignore"] });
const pidfd = addon.pidfdOpen(child.pid);
const net = fs.openSync("/proc/self/ns/net", "r");

/** What one call works on: a fresh folder with a file, a link, a folder, and descriptors of the first two. */
function fixture(n) {
  const dir = `${root}/${n}`;
  fs.mkdirSync(`${dir}/sub`, { recursive: true });
  fs.writeFileSync(`${dir}/file`, "x".repeat(10_000));
  fs.symlinkSync("file", `${dir}/link`);
  return {
    dir,
    fd: fs.openSync(dir, "r"),
    file: fs.openSync(`${dir}/file`, "r+"),
    other: fs.openSync(`${dir}/other`, "w+"),
  };
}

const NO_PROJECTS = /^$|ENOTTY|EOPNOTSUPP|ENOTSUP|ESRCH|ENOSYS|EINVAL/;

// By name: the kinds of the arguments, and good ones. `fd` and `word` are numbers of 32 bits, `int` one of 64, `offset` may be absent.
const CALLS = {
  openat2: ["fd path int int int", (t) => [t.fd, "file", 0, 0, 8]],
  mkdirat: ["fd path word", (t) => [t.fd, "new", 0o755]],
  mknodat: ["fd path word int", (t) => [t.fd, "new", 0o10644, 0]],
  symlinkat: ["path fd path", (t) => ["target", t.fd, "new"]],
  linkat: ["fd path fd path word", (t) => [t.fd, "file", t.fd, "new", 0]],
  unlinkat: ["fd path word", (t) => [t.fd, "file", 0]],
  renameat2: ["fd path fd path word", (t) => [t.fd, "file", t.fd, "new", 1]],
  fchownat: ["fd path word word word", (t) => [t.fd, "file", 0, 0, FOLLOW_NOT]],
  fchmodat: ["fd path word word", (t) => [t.fd, "file", 0o640, 0]],
  utimensat: ["fd path int int int int word", (t) => [t.fd, "file", 1, 2, 3, 4, FOLLOW_NOT]],
  fstatat: ["fd path word", (t) => [t.fd, "file", FOLLOW_NOT]],
  readlinkat: ["fd path", (t) => [t.fd, "link"]],
  readdir: ["fd", (t) => [t.fd]],
  ficlone: ["fd fd", (t) => [t.other, t.file], /EOPNOTSUPP|EINVAL/],
  copyFileRange: ["fd offset fd offset int", (t) => [t.file, 0, t.other, undefined, 100]],
  fallocate: ["fd word int int", (t) => [t.file, PUNCH, 0, 4096]],
  lseek: ["fd int word", (t) => [t.file, 0, 3]],
  flock: ["fd word", (t) => [t.file, 6]],
  syncfs: ["fd", (t) => [t.fd]],
  getxattr: ["target path", (t) => [t.file, "trusted.x"]],
  setxattr: ["target path bytes word", (t) => [`${t.dir}/file`, "trusted.x", Buffer.from("v"), 0]],
  removexattr: [
    "target path",
    (t) => {
      addon.setxattr(t.file, "trusted.x", new Uint8Array(3), 0);
      return [t.file, "trusted.x"];
    },
  ],
  listxattr: ["target", (t) => [t.file]],
  mount: ["path path path int path", (t) => ["s", `${t.dir}/sub`, "tmpfs", 0, "size=1m"]],
  umount2: [
    "path word",
    (t) => {
      addon.mount("s", `${t.dir}/sub`, "tmpfs", 0, "");
      return [`${t.dir}/sub`, 2];
    },
  ],
  setns: ["fd word", () => [net, 0x40000000]],
  unshare: ["word", () => [0x200]],
  pidfdOpen: ["word", () => [process.pid]],
  endWithParent: ["int", () => [process.ppid]],
  pidfdSendSignal: ["fd word", () => [pidfd, 0]],
  dropCode: ["", () => []],
  connectDatagram: ["path", (t) => [`${t.dir}/file`], /ECONNREFUSED/],
  // A tmpfs has no projects, and an id at most.
  projectId: ["fd", (t) => [t.fd], NO_PROJECTS],
  setProject: ["fd word", (t) => [t.fd, 2 ** 31 + 5], NO_PROJECTS],
  projectsLimited: ["fd", (t) => [t.fd], NO_PROJECTS],
  limitProject: ["fd word int", (t) => [t.fd, 7, 1 << 20], NO_PROJECTS],
  projectUsage: ["fd word", (t) => [t.fd, 7], NO_PROJECTS],
};

const detached = new Uint8Array(64).fill(97);
structuredClone(detached.buffer, { transfer: [detached.buffer] });
const pathBytes = (n) => new Uint8Array(n).fill(97);
const NOBODYS_TYPE = [
  undefined,
  null,
  {},
  [],
  true,
  Symbol("s"),
  () => 0,
  1n,
  new Uint16Array(4),
  new DataView(new ArrayBuffer(4)),
  new ArrayBuffer(4),
];
const NUMBERS = [
  -1,
  -101,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  2 ** 63,
  -(2 ** 63),
  1e308,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];
const PATHS = [
  "",
  "\0",
  "file\0",
  "a".repeat(255),
  "a".repeat(4095),
  "a".repeat(4096),
  "a".repeat(1_000_000),
  "\ud800",
  "😀".repeat(64),
  "😀".repeat(2000),
  "\u0100".repeat(2047),
  pathBytes(0),
  pathBytes(255),
  pathBytes(4095),
  pathBytes(4096),
  pathBytes(100_000),
  pathBytes(20).subarray(19),
  new Uint8Array([0xff, 0xfe]),
  new Uint8Array([0x61, 0]),
  new Uint8Array(new SharedArrayBuffer(16)).fill(98),
  Buffer.from("name"),
  detached,
];
const BYTES = [
  new Uint8Array(0),
  pathBytes(1),
  pathBytes(65_536),
  pathBytes(70_000),
  pathBytes(100).subarray(99),
  new Uint8Array(new SharedArrayBuffer(16)),
  detached,
];

/** Hostile values of a kind: what is of a wrong type, what is a number too wide, what may go either way. */
function hostile(kind) {
  const wide = NUMBERS.filter((n) => !Number.isInteger(n) || n > 2 ** 32 - 1 || n < -(2 ** 31));
  const narrow = NUMBERS.filter((n) => !wide.includes(n));
  switch (kind) {
    case "path":
      return { type: [...NOBODYS_TYPE, 5, new Uint8ClampedArray(4)], free: PATHS };
    case "bytes":
      return { type: [...NOBODYS_TYPE, 5, "text"], free: BYTES };
    case "target":
      return { type: NOBODYS_TYPE, range: wide, free: [...PATHS, ...narrow] };
    case "int":
      return { type: [...NOBODYS_TYPE, "5", Object(5)], free: NUMBERS };
    case "offset":
      return { type: [...NOBODYS_TYPE.slice(1), "5"], free: NUMBERS };
    default:
      return { type: [...NOBODYS_TYPE, "5", Object(5)], range: wide, free: narrow };
  }
}

let calls = 0;
/** The error of one call, undefined where there was none. Only errors in Node's form may come. */
function attempt(name, args) {
  calls++;
  try {
    const result = addon[name](...args);
    if (name === "openat2" || name === "pidfdOpen") fs.closeSync(result);
    return undefined;
  } catch (error) {
    const formed =
      error instanceof TypeError ||
      error instanceof RangeError ||
      (error.errno < 0 && typeof error.syscall === "string" && error.message.startsWith(error.code));
    assert.ok(formed, `${name}: ${error}`);
    return error;
  }
}

function onFixture(body) {
  const t = fixture(calls);
  body(t);
  for (const fd of [t.fd, t.file, t.other]) fs.closeSync(fd);
  // A call may have left a mount there: the lazy removal of such a folder is the namespace's.
  fs.rmSync(t.dir, { recursive: true, force: true, maxRetries: 0 });
}

function describe(value) {
  return typeof value === "string"
    ? `text of ${value.length}`
    : ArrayBuffer.isView(value)
      ? `bytes of ${value.length}`
      : String(value);
}

function tryArgument(name, good, { at, value, want }) {
  onFixture((t) => {
    const args = good(t);
    args[at] = value;
    const error = attempt(name, args);
    if (want)
      assert.ok(
        error instanceof want,
        `${name}, argument ${at + 1}, ${describe(value)}: ${want.name} expected, not ${error}`,
      );
    if (name === "mount" && !error) addon.umount2(`${t.dir}/sub`, 2);
    if (name === "umount2" && error) addon.umount2(`${t.dir}/sub`, 2);
  });
}

assert.deepEqual(Object.keys(addon).sort(), Object.keys(CALLS).sort(), "the table of calls is not the addon's");
for (const [name, [signature, good, refused]] of Object.entries(CALLS)) {
  const kinds = signature === "" ? [] : signature.split(" ");
  onFixture((t) => {
    const error = attempt(name, good(t));
    assert.match(error?.code ?? "", refused ?? /^$/, name);
    if (name === "mount") addon.umount2(`${t.dir}/sub`, 2);
  });
  onFixture((t) => {
    attempt(name, [...good(t), ...Array.from({ length: 30 }, () => "more")]);
    if (name === "mount") addon.umount2(`${t.dir}/sub`, 2);
  });
  for (const [at, kind] of kinds.entries()) {
    onFixture((t) => {
      const error = attempt(name, good(t).slice(0, at));
      assert.ok(error instanceof TypeError, `${name} with ${at} arguments: ${error}`);
      if (name === "umount2") addon.umount2(`${t.dir}/sub`, 2);
    });
    const { type, range = [], free } = hostile(kind);
    for (const value of type) tryArgument(name, good, { at, value, want: TypeError });
    for (const value of range) tryArgument(name, good, { at, value, want: RangeError });
    for (const value of free) tryArgument(name, good, { at, value });
    globalThis.gc?.();
  }
}

/** Results at the limits of their buffers. */
onFixture((t) => {
  const target = "t".repeat(4095);
  addon.symlinkat(target, t.fd, "longest");
  assert.equal(addon.readlinkat(t.fd, "longest").toString(), target);
  const value = pathBytes(65_536);
  addon.setxattr(t.file, "trusted.big", value, 0);
  assert.ok(addon.getxattr(`${t.dir}/file`, "trusted.big").equals(value));
  for (let i = 0; i < 200; i++) addon.setxattr(t.file, `trusted.${i}.${"n".repeat(200)}`, new Uint8Array(0), 0);
  assert.equal(addon.listxattr(t.file).length, 201);
  assert.equal(addon.getxattr(t.file, "trusted.none"), undefined);
  const names = [
    Buffer.from([0xff]),
    Buffer.from([0xc3]),
    Buffer.from([0xf4, 0x90, 0x80, 0x80]),
    Buffer.from([0xed, 0xa0, 0x80]),
    Buffer.from("é"),
    Buffer.alloc(255, 0xe2),
  ];
  for (const name of names) addon.mkdirat(t.fd, name, 0o755);
  for (let i = 0; i < 3000; i++) addon.mknodat(t.fd, `n${i}`, 0o100600, 0);
  const entries = addon.readdir(t.fd);
  assert.equal(entries.length, 3000 + names.length + 5);
  assert.equal(entries.filter((e) => e.raw).length, names.length - 1);
  assert.ok(names.every((name) => entries.some((e) => (e.raw ?? Buffer.from(e.name)).equals(name))));
  assert.equal(attempt("fstatat", [FDCWD, `${"d/".repeat(2047)}x`, 0]).code, "ENOENT");
});

// The child gets the last call: it has lived through all before.
const ended = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
addon.pidfdSendSignal(pidfd, 15);
assert.equal(await ended, "SIGTERM");
process.stdout.write(`${calls} calls\n`);
