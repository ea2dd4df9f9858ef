import { describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { BerthError } from "../spec/errors.ts";
import { chunks, fingerprint, script, sh, type TempDir, tarOf, tempDir } from "../testing/tar-kit.ts";
import { type UnpackOptions, unpackTar } from "./unpack.ts";

type Items = Parameters<typeof tarOf>[0];

async function into(dir: string, data: Buffer, options: Partial<UnpackOptions> = {}): Promise<string> {
  const root = join(dir, "root");
  mkdirSync(root, { recursive: true });
  await unpackTar(chunks(data), root, { whiteouts: "overlay", ...options });
  return root;
}

async function failure(dir: string, items: Items, options?: Partial<UnpackOptions>): Promise<string> {
  try {
    await into(dir, await tarOf(items), options);
    return "no error";
  } catch (e) {
    expect(e).toBeInstanceOf(BerthError);
    expect((e as BerthError).kind).toBe("invalid-argument");
    return (e as Error).message;
  }
}

const xattr = (path: string, name: string): string =>
  sh([
    "python3",
    "-c",
    "import os,sys; sys.stdout.write(os.getxattr(sys.argv[1], sys.argv[2], follow_symlinks=False).hex())",
    path,
    name,
  ]).toString();
const xattrNames = (path: string): string =>
  sh(["python3", "-c", "import os,sys; print(*os.listxattr(sys.argv[1], follow_symlinks=False))", path])
    .toString()
    .trim();

/** A folder beside the root that nothing may touch: called at the end, it must be as it was. */
function guard(dir: TempDir): () => void {
  const outside = join(dir.path, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "secret"), "untouched");
  const before = fingerprint(outside);
  return () => expect(fingerprint(outside)).toEqual(before);
}

describe("a tree comes out as it went in", () => {
  const MAKE = `
mkdir -p t/bin t/tmp "t/spa ce" t/empty && cd t
printf '#!/bin/sh\\n' > bin/tool; cp /bin/true bin/capable; setcap cap_net_raw+ep bin/capable
chown 1000:1001 bin/tool; chmod 6755 bin/tool; chmod 1777 tmp; chmod 000 empty
printf x > $'not-utf8-\\xff'; printf y > "spa ce/日本"
ln bin/tool hard; ln bin/tool "spa ce/hard2"; ln -s ../../../../etc/shadow climb; ln -s tool bin/soft; ln -s nowhere dangling; chown -h 7:8 climb
mknod null c 1 3; mknod disk b 259 70000; mkfifo -m 640 fifo; chown 5:6 null
touch -d '1999-12-31 23:59:59.987654321 UTC' bin/tool; touch -h -d '2001-01-01' climb; touch -d '1960-05-05' null; touch -d '2002-02-02' bin tmp .
`;
  test("GNU tar's archive of it, with capabilities, in each format", async () => {
    for (const format of ["posix", "gnu"]) {
      using dir = tempDir();
      script(MAKE, dir.path);
      const args = format === "posix" ? ["--xattrs", "--xattrs-include=*"] : [];
      const tar = sh(["tar", `--format=${format}`, ...args, "-C", "t", "-cf", "-", "."], { cwd: dir.path });
      const root = await into(dir.path, tar);
      if (format === "posix") {
        expect(fingerprint(root).equals(fingerprint(join(dir.path, "t")))).toBe(true);
        expect(sh(["getcap", join(root, "bin/capable")]).toString()).toContain("cap_net_raw=ep");
      }
      expect(statSync(join(root, "bin/tool")).mode & 0o7777).toBe(0o6755);
      expect(statSync(join(root, "hard")).nlink).toBe(3);
      expect(lstatSync(join(root, "disk")).rdev).toBe(lstatSync(join(dir.path, "t/disk")).rdev);
    }
  });

  test.each([["gnu"], ["posix", "0.0"], ["posix", "0.1"], ["posix", "1.0"]])(
    "sparse files stay sparse: %s %s",
    async (...kind) => {
      using dir = tempDir();
      script(
        `mkdir t; truncate -s 50M t/one; for i in $(seq 30); do printf "part $i" | dd of=t/one bs=1 seek=$((i*1000000)) conv=notrunc status=none; done
       truncate -s 3M t/hole; printf data | dd of=t/end bs=1 seek=5000000 status=none; printf after > t/z`,
        dir.path,
      );
      const [format, version] = kind;
      const how = [`--format=${format}`, "-S", ...(version ? [`--sparse-version=${version}`] : [])];
      const root = await into(dir.path, sh(["tar", ...how, "-C", "t", "-cf", "-", "."], { cwd: dir.path }));
      sh(["diff", "-r", join(dir.path, "t"), root]);
      expect(statSync(join(root, "one")).size).toBe(50 << 20);
      expect(statSync(join(root, "one")).blocks * 512).toBeLessThan(1 << 20);
      expect(readdirSync(root).sort()).toEqual(["end", "hole", "one", "z"]);
    },
  );
});

describe("nothing leaves the root", () => {
  const cases: [string, Items][] = [
    ["a name that climbs", [{ path: "../outside/secret", body: "evil" }]],
    ["a name that climbs later", [{ path: "a/../../outside/secret", body: "evil" }]],
    ["a hard link to outside", [{ path: "x", type: "link", link: "../outside/secret" }]],
    ["a hard link that climbs later", [{ path: "x", type: "link", link: "a/../../outside/secret" }]],
    ["a whiteout of ..", [{ path: "a/.wh...", body: "" }]],
    ["a whiteout of .", [{ path: "a/.wh..", body: "" }]],
    ["a whiteout of nothing", [{ path: ".wh." }]],
  ];
  test.each(cases)("%s is refused", async (_name, items) => {
    using dir = tempDir();
    const check = guard(dir);
    expect(await failure(dir.path, items)).toMatch(/climbs out of its root|is not a whiteout/);
    check();
  });

  test("absolute names and links, and links that climb, end inside", async () => {
    using dir = tempDir();
    const check = guard(dir);
    const outside = join(dir.path, "outside");
    const root = await into(
      dir.path,
      await tarOf([
        { path: `${outside}/secret`, body: "inside" },
        { path: "abs", type: "symlink", link: outside },
        { path: "abs/by-absolute", body: "1" },
        { path: "rel", type: "symlink", link: "../outside" },
        { path: "rel/by-relative", body: "2" },
        { path: "up", type: "symlink", link: "../../../../../.." },
        { path: "up/by-dots", body: "3" },
        { path: "hard", type: "link", link: `${outside}/secret` },
        { path: "self", type: "symlink", link: "/proc/self/root/etc" },
        { path: "self/passwd", body: "4" },
      ]),
    );
    check();
    const at = (path: string): string => readFileSync(join(root, path), "utf8");
    expect(at(`${outside}/by-absolute`)).toBe("1");
    expect(at("outside/by-relative")).toBe("2");
    expect(at("by-dots")).toBe("3");
    expect(at("hard")).toBe("inside");
    expect(at("proc/self/root/etc/passwd")).toBe("4");
  });

  test("a file over a link replaces the link, never its target; modes and times too", async () => {
    using dir = tempDir();
    const check = guard(dir);
    const secret = join(dir.path, "outside/secret");
    const root = await into(
      dir.path,
      await tarOf([
        { path: "x", type: "symlink", link: secret },
        { path: "x", body: "new", mode: 0o777, uid: 9 },
        { path: "d", type: "symlink", link: join(dir.path, "outside") },
        { path: "d", type: "dir", mode: 0o700, mtimeSec: 5 },
        { path: "h", type: "symlink", link: secret },
        { path: "h2", type: "link", link: "h" },
        { path: "p", type: "symlink", link: secret },
        { path: "p", type: "fifo" },
      ]),
    );
    check();
    expect(readFileSync(join(root, "x"), "utf8")).toBe("new");
    expect(lstatSync(join(root, "d")).isDirectory()).toBe(true);
    expect(readlinkSync(join(root, "h2"))).toBe(secret);
  });

  test("a folder that became a link meanwhile is not used through what was open", async () => {
    using dir = tempDir();
    const check = guard(dir);
    const root = await into(
      dir.path,
      await tarOf([
        { path: "a/b/", type: "dir" },
        { path: "a/b/one", body: "1" },
        { path: "a", type: "symlink", link: "other" },
        { path: "a/b/two", body: "2" },
        { path: "other/b/three", body: "3" },
      ]),
    );
    check();
    expect(readdirSync(join(root, "other/b")).sort()).toEqual(["three", "two"]);
  });

  test("links in a loop, endless names and parents that are files are errors of the archive", async () => {
    using dir = tempDir();
    expect(await failure(dir.path, [{ path: "l", type: "symlink", link: "l" }, { path: "l/x" }])).toMatch(
      /symbolic links|leads nowhere/,
    );
    expect(await failure(dir.path, [{ path: "n".repeat(300) }])).toMatch(/too long/);
    expect(await failure(dir.path, [{ path: "d/".repeat(3000) }])).toMatch(/too long/);
    expect(await failure(dir.path, [{ path: "f", body: "" }, { path: "f/x" }])).toMatch(/not a folder/);
    expect(await failure(dir.path, [{ path: "h", type: "link", link: "missing" }])).toMatch(/does not exist/);
    expect(
      await failure(dir.path, [
        { path: "dd", type: "dir" },
        { path: "h", type: "link", link: "dd" },
      ]),
    ).toMatch(/is not a file/);
    expect(await failure(dir.path, [{ path: "s", type: "symlink", link: "" }])).toMatch(/no target/);
    expect(await failure(dir.path, [{ path: ".", body: "x" }])).toMatch(/names the root/);
  });

  test("somebody else swaps a folder for a link all the time", async () => {
    using dir = tempDir();
    const check = guard(dir);
    mkdirSync(join(dir.path, "root"));
    const code = `import os,sys
os.chdir(sys.argv[1]); print("go", flush=True)
try:
  while True:
    try: os.mkdir("swap")
    except FileExistsError: pass
    try:
      os.rename("swap", "away%d" % os.getpid()); os.symlink("../outside", "swap"); os.unlink("swap")
    except OSError: pass
    try: os.rename("away%d" % os.getpid(), "swap")
    except OSError: pass
except KeyboardInterrupt: pass`;
    const racer = Bun.spawn(["python3", "-c", code, join(dir.path, "root")], { stdout: "pipe", stderr: "ignore" });
    await racer.stdout.getReader().read();
    try {
      for (let i = 0; i < 150; i += 1) {
        const items: Items = [
          { path: "swap", type: "dir", mode: 0o711 },
          { path: "swap/secret", body: "evil" },
          { path: "swap/n", type: "fifo" },
        ];
        // Losing the race may well be an error; leaving the root may not happen.
        await into(dir.path, await tarOf(items), { whiteouts: "plain" }).catch((e: unknown) =>
          expect(e).toBeInstanceOf(BerthError),
        );
      }
    } finally {
      racer.kill("SIGKILL");
      await racer.exited;
    }
    check();
  });
});

describe("whiteouts", () => {
  const isWhiteout = (path: string): boolean => lstatSync(path).isCharacterDevice() && lstatSync(path).rdev === 0;

  test("become devices and opaque marks; what overlay keeps for itself cannot be smuggled in", async () => {
    using dir = tempDir();
    const evil = new Map([
      ["trusted.overlay.redirect", Buffer.from("/etc")],
      ["trusted.overlay.opaque", Buffer.from("y")],
      ["user.kept", Buffer.from("1")],
    ]);
    const root = await into(
      dir.path,
      await tarOf([
        { path: "d/.wh.gone" },
        { path: "o/", type: "dir" },
        { path: "o/.wh..wh..opq" },
        { path: ".wh..wh.plnk/x" },
        { path: ".wh..wh.aufs" },
        { path: "e/", type: "dir", xattrs: evil },
        { path: "f", xattrs: evil },
      ]),
    );
    expect(isWhiteout(join(root, "d/gone"))).toBe(true);
    expect(xattr(join(root, "o"), "trusted.overlay.opaque")).toBe("79");
    expect(xattrNames(join(root, "e"))).toBe("user.kept");
    expect(xattrNames(join(root, "f"))).toBe("user.kept");
    expect(existsSync(join(root, ".wh..wh.aufs"))).toBe(false);
  });

  test("hide only what is below: the layer's own entries win, whichever comes first", async () => {
    using dir = tempDir();
    const root = await into(
      dir.path,
      await tarOf([
        { path: "a", body: "own" },
        { path: ".wh.a" },
        { path: ".wh.b" },
        { path: "b", body: "own" },
        { path: "c/x", body: "own" },
        { path: ".wh.c" },
        { path: ".wh.d" },
        { path: "d/", type: "dir" },
      ]),
    );
    expect(readFileSync(join(root, "a"), "utf8") + readFileSync(join(root, "b"), "utf8")).toBe("ownown");
    expect(readFileSync(join(root, "c/x"), "utf8")).toBe("own");
    for (const name of ["c", "d"]) expect(xattr(join(root, name), "trusted.overlay.opaque")).toBe("79");
  });

  test("overlay itself sees them so", async () => {
    using dir = tempDir();
    script("mkdir -p low/keep low/o; echo 1 > low/gone; echo 2 > low/keep/x; echo 3 > low/o/old", dir.path);
    await into(
      dir.path,
      await tarOf([{ path: ".wh.gone" }, { path: "o/", type: "dir" }, { path: "o/new" }, { path: "o/.wh..wh..opq" }]),
    );
    const seen = sh(
      ["unshare", "-m", "bash", "-c", "mkdir m && mount -t overlay o -o lowerdir=root:low m && cd m && find . | sort"],
      { cwd: dir.path },
    ).toString();
    expect(seen.trim().split("\n")).toEqual([".", "./keep", "./keep/x", "./o", "./o/new"]);
  });
});

describe("plain archives, as ADD and cp unpack them", () => {
  test("into a folder inside the root, through its links; .wh. names are ordinary; one owner for all", async () => {
    using dir = tempDir();
    const check = guard(dir);
    script("mkdir -p root/real; ln -s /real root/app", dir.path);
    symlinkSync(join(dir.path, "outside"), join(dir.path, "root/escape"));
    const tar = await tarOf([
      { path: "./", type: "dir", mode: 0o700 },
      { path: ".wh.x", body: "1" },
      { path: "sub/y", uid: 3, body: "2" },
    ]);
    const owner = { uid: 12, gid: 34 };
    await into(dir.path, tar, { whiteouts: "plain", prefix: "/app/v1", owner });
    await into(dir.path, tar, { whiteouts: "plain", prefix: "escape" });
    check();
    const at = join(dir.path, "root/real/v1");
    expect(readFileSync(join(at, ".wh.x"), "utf8")).toBe("1");
    for (const path of ["", ".wh.x", "sub", "sub/y"]) expect(statSync(join(at, path))).toMatchObject(owner);
    expect(statSync(at).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(dir.path, "root", dir.path, "outside/sub/y"), "utf8")).toBe("2");
  });

  test("folders merge, other things are replaced; with keepDirs a change of kind is refused", async () => {
    using dir = tempDir();
    script(
      "mkdir -p root/d root/x/deep/er; echo old > root/d/old; echo f > root/f; echo z > root/x/deep/er/z",
      dir.path,
    );
    const asFile: Items = [{ path: "x", body: "now a file" }];
    const asDir: Items = [{ path: "f/", type: "dir" }];
    expect(await failure(dir.path, asFile, { keepDirs: true })).toMatch(
      'cannot overwrite directory "x" with non-directory "/"',
    );
    expect(await failure(dir.path, asDir, { keepDirs: true })).toMatch("cannot overwrite non-directory");
    await into(dir.path, await tarOf([...asFile, ...asDir, { path: "d/", type: "dir" }, { path: "d/new" }]), {
      whiteouts: "plain",
    });
    const root = join(dir.path, "root");
    expect(readdirSync(join(root, "d")).sort()).toEqual(["new", "old"]);
    expect(readFileSync(join(root, "x"), "utf8")).toBe("now a file");
    expect(statSync(join(root, "f")).isDirectory()).toBe(true);
  });
});

test("a target that cannot be: no such root, a file in the prefix's way, a prefix that climbs stays inside", async () => {
  using dir = tempDir();
  const tar = await tarOf([{ path: "x", body: "1" }]);
  const missing = unpackTar(chunks(tar), join(dir.path, "missing"), { whiteouts: "plain" });
  await expect(missing).rejects.toMatchObject({ kind: "not-found" });
  await into(dir.path, tar, { whiteouts: "plain", prefix: "../../up" });
  expect(readFileSync(join(dir.path, "root/up/x"), "utf8")).toBe("1");
  await expect(into(dir.path, tar, { whiteouts: "plain", prefix: "up/x/y" })).rejects.toMatchObject({
    kind: "invalid-argument",
  });
});

test("no descriptor is left open, whether it works or not", async () => {
  using dir = tempDir();
  const open = (): number => readdirSync("/proc/self/fd").length;
  const good = await tarOf(Array.from({ length: 60 }, (_, i) => ({ path: `d${i}/e${i}/f`, body: "x" })));
  await into(dir.path, good);
  const before = open();
  await into(dir.path, good);
  await into(dir.path, good.subarray(0, 40_000)).catch(() => undefined);
  await failure(dir.path, [{ path: "d1/e1/f", body: "y" }, { path: "../x" }]);
  expect(open()).toBe(before);
});

test("no space left: one line, kind no-space", async () => {
  using dir = tempDir();
  const code = `
const { unpackTar } = await import(${JSON.stringify(join(import.meta.dir, "unpack.ts"))});
async function* zeros() { const c = new Uint8Array(65536); for (let i = 0; i < 64; i++) yield c; }
const { writeTar, tarHeader } = await import(${JSON.stringify(join(import.meta.dir, "tar/writer.ts"))});
const tar = writeTar([{ header: tarHeader({ path: "big", size: 64 * 65536 }), body: zeros() }]);
await unpackTar(tar, "m", { whiteouts: "overlay" }).catch((e) => console.log(e.kind, e.message));`;
  const run = `mkdir m && mount -t tmpfs -o size=1m none m && exec "$0" -e "$1"`;
  const said = sh(["unshare", "-m", "bash", "-c", run, process.execPath, code], { cwd: dir.path }).toString();
  expect(said).toMatch(/^no-space unpacking "big": no space left on device/);
});
