import { afterEach, beforeEach, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lgetxattr, lsetxattr } from "../host/sys.ts";
import { copyUp } from "./copyup.ts";

let dir: string;
let source: string;
let target: string;

function sh(script: string): string {
  return execFileSync("sh", ["-ec", script], { cwd: dir, encoding: "utf8" });
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "copyup-"));
  source = join(dir, "source");
  target = join(dir, "volume/_data");
  mkdirSync(source);
  mkdirSync(target, { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("keeps owners, modes, times, links, capabilities, and the folder's own attributes", async () => {
  sh(`
    cd source
    echo hello > file; chown 33:44 file; chmod 4711 file; touch -d @1000000000.5 file
    ln file hard; ln -s /etc/passwd soft; mkdir -m 1777 sub; mkfifo sub/pipe; : > .hidden
    chown 7:8 .; chmod 2750 .; touch -d @900000000 .`);
  lsetxattr(join(source, "file"), "user.note", Buffer.from("x"));
  lsetxattr(source, "user.top", Buffer.from("y"));
  expect(await copyUp(source, target)).toBe(true);
  const file = statSync(join(target, "file"));
  expect([file.uid, file.gid, file.mode & 0o7777, file.mtimeMs, file.nlink]).toEqual([
    33, 44, 0o4711, 1000000000500, 2,
  ]);
  expect(statSync(join(target, "hard")).ino).toBe(file.ino);
  expect(readlinkSync(join(target, "soft"))).toBe("/etc/passwd");
  expect(statSync(join(target, "sub")).mode & 0o7777).toBe(0o1777);
  expect(lstatSync(join(target, "sub/pipe")).isFIFO()).toBe(true);
  const top = statSync(target);
  expect([top.uid, top.gid, top.mode & 0o7777, top.mtimeMs]).toEqual([7, 8, 0o2750, 900000000000]);
  expect(lgetxattr(join(target, "file"), "user.note")?.toString()).toBe("x");
  expect(lgetxattr(target, "user.top")?.toString()).toBe("y");
  expect(readdirSync(target).sort()).toEqual([".hidden", "file", "hard", "soft", "sub"]);
  expect(readdirSync(join(dir, "volume"))).toEqual(["_data"]);
});

test("a volume with content stays as it is, and a missing source changes nothing", async () => {
  expect(await copyUp(join(dir, "nowhere"), target)).toBe(false);
  writeFileSync(join(source, "new"), "new");
  writeFileSync(join(target, "old"), "old");
  expect(await copyUp(source, target)).toBe(false);
  expect(readdirSync(target)).toEqual(["old"]);
});

test("an image that has a link to the host's files in that place gives nothing", async () => {
  rmSync(source, { recursive: true });
  symlinkSync("/etc", source);
  expect(await copyUp(source, target)).toBe(false);
  writeFileSync(join(dir, "plain"), "");
  expect(await copyUp(join(dir, "plain"), target)).toBe(false);
  expect(readdirSync(target)).toEqual([]);
});

test("an empty folder of the image gives its owner and mode to the volume", async () => {
  sh("chown 33:33 source; chmod 700 source");
  expect(await copyUp(source, target)).toBe(true);
  expect([statSync(target).uid, statSync(target).mode & 0o777]).toEqual([33, 0o700]);
});

test("a kill while copying leaves the volume empty and the next call begins anew; one while moving is finished", async () => {
  writeFileSync(join(source, "a"), "a");
  mkdirSync(join(dir, "volume/.copying/half"), { recursive: true });
  expect(await copyUp(source, target)).toBe(true);
  expect(readdirSync(target)).toEqual(["a"]);
  mkdirSync(join(dir, "volume/.moving"));
  writeFileSync(join(dir, "volume/.moving/b"), "b");
  expect(await copyUp(source, target)).toBe(true);
  expect(readdirSync(target).sort()).toEqual(["a", "b"]);
  expect(readdirSync(join(dir, "volume"))).toEqual(["_data"]);
});

test("a name that another container made in the meantime is neither replaced nor followed", async () => {
  mkdirSync(join(dir, "volume/.moving/d"), { recursive: true });
  writeFileSync(join(dir, "volume/.moving/d/f"), "ours");
  symlinkSync(source, join(target, "d"));
  expect(await copyUp(source, target)).toBe(true);
  expect(readlinkSync(join(target, "d"))).toBe(source);
  expect(readdirSync(source)).toEqual([]);
});

test("a failing copy leaves the volume empty", async () => {
  writeFileSync(join(source, "a"), "x".repeat(64));
  rmSync(join(dir, "volume"), { recursive: true });
  mkdirSync(join(dir, "volume"));
  sh("mount -t tmpfs -o size=64k,nr_inodes=6 tmpfs volume");
  try {
    mkdirSync(target);
    sh("i=0; while [ $i -lt 20 ]; do echo $i > source/f$i; i=$((i+1)); done");
    await expect(copyUp(source, target)).rejects.toThrow("no space left on device");
    expect(readdirSync(target)).toEqual([]);
    expect(existsSync(join(dir, "volume/.copying"))).toBe(false);
  } finally {
    sh("umount volume");
  }
  expect(readFileSync(join(source, "a"), "utf8")).toHaveLength(64);
});
