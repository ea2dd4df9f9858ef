import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { BerthError } from "../spec/errors.ts";
import { script, sh, tempDir } from "../testing/tar-kit.ts";
import type { RootView } from "./types.ts";
import { isTouched, openView } from "./view.ts";

/** Every path of the view with type, mode, size and link, as `find -printf '%P %y %m %s %l\n'` prints it. */
function listing(view: RootView, dir = ""): string[] {
  const letters: Record<string, string> = { file: "f", dir: "d", symlink: "l", char: "c", block: "b", fifo: "p" };
  return view.readdir(dir || "/").flatMap((name) => {
    const path = dir ? `${dir}/${name}` : name;
    const e = view.lstat(path);
    const line =
      e && `${path} ${letters[e.type]} ${e.mode.toString(8)} ${e.type === "dir" ? 0 : e.size} ${e.link ?? ""}`;
    return [line ?? `${path} is missing`, ...(e?.type === "dir" ? listing(view, path) : [])];
  });
}

const STACK = `
mkdir -p l1/etc l1/usr/lib l1/usr/bin l1/opaque/deep l1/merge/sub l1/wasdir l1/gone/x
echo low > l1/etc/passwd; echo 1 > l1/usr/lib/libc; ln -s usr/lib l1/lib; ln -s ../lib/libc l1/usr/bin/c; echo o > l1/opaque/deep/old
echo m > l1/merge/one; echo s > l1/merge/sub/s; echo w > l1/wasdir/x; echo f > l1/wasfile; echo g > l1/gone/y; ln -s /etc l1/abs
mkdir -p l2/etc l2/opaque l2/merge/sub l2/wasfile
echo middle > l2/etc/passwd; echo n > l2/opaque/new; setfattr -n trusted.overlay.opaque -v y l2/opaque; echo t > l2/merge/two
echo now > l2/wasdir; echo x > l2/wasfile/x; mknod l2/gone c 0 0; mkfifo l2/pipe; mknod l2/null c 1 3; mknod l2/merge/sub/s c 0 0
mkdir -p up/etc up/gone; echo top > up/etc/passwd; echo again > up/gone/new; setfattr -n trusted.overlay.opaque -v y up/gone
ln -s /lib/libc up/link; touch $'up/b\\xfd'
`.replaceAll(/setfattr -n (\S+) -v (\S+) ([^\s;]+)/g, `python3 -c 'import os; os.setxattr("$3", "$1", b"$2")'`);

describe("a view of three layers", () => {
  test("shows what the kernel's overlay shows, with and without an upper folder", () => {
    using dir = tempDir();
    script(STACK, dir.path);
    const at = (name: string): string => join(dir.path, name);
    for (const [lower, view] of [
      ["up:l2:l1", openView([at("l2"), at("l1")], at("up"))],
      ["l2:l1", openView([at("l2"), at("l1")])],
      ["up:l1", openView([at("up"), at("l1")])],
    ] as const) {
      const mount = `mkdir -p m; mount -t overlay o -o lowerdir=${lower} m; cd m; find . -mindepth 1 -type d -printf '%P %y %m 0 %l\\n' -o -mindepth 1 -printf '%P %y %m %s %l\\n'`;
      const real = sh(["unshare", "-m", "bash", "-euc", mount], { cwd: dir.path }).toString("latin1");
      const ours = listing(view).map((line) => line.replace("\udcfd", "\xfd"));
      expect(ours.sort()).toEqual(real.slice(0, -1).split("\n").sort());
    }
  });

  test("an upper folder touches what it has, hides or leads elsewhere, and nothing else", () => {
    using dir = tempDir();
    script(STACK, dir.path);
    const upper = join(dir.path, "up");
    const touched = ["/etc/passwd", "/etc", "/gone/old", "/link/below", "/gone/new"];
    const untouched = ["/etc/group", "/etc/ssh/keys", "/usr/lib/libc", "/usr"];
    expect([...touched, ...untouched].filter((path) => isTouched(upper, path))).toEqual(touched);
    expect(isTouched(join(dir.path, "l2"), "/gone/y")).toBe(true);
  });

  test("links resolve inside the root", () => {
    using dir = tempDir();
    script(STACK, dir.path);
    const view = openView([join(dir.path, "l2"), join(dir.path, "l1")], join(dir.path, "up"));
    expect(view.readFile("/abs/passwd")?.toString()).toBe("top\n");
    expect(view.readFile("link")?.toString()).toBe("1\n");
    expect(view.resolve("/usr/bin/c")).toBe("/usr/lib/libc");
    expect(view.resolve("/lib/../bin/c/")).toBe("/usr/lib/libc");
    expect(view.resolve("/../../abs/new/../other//x")).toBe("/etc/other/x");
    expect(view.resolve("/etc/passwd/below")).toBe("/etc/passwd/below");
    expect(view.resolve("")).toBe("/");
    expect(view.lstat("/lib")).toMatchObject({ type: "symlink", link: "usr/lib" });
    expect(view.lstat("/lib/libc")).toMatchObject({ type: "file", hostPath: join(dir.path, "l1/usr/lib/libc") });
    expect(view.lstat("/gone/y")).toBeUndefined();
    expect(view.lstat("/")).toMatchObject({ type: "dir" });
    expect(view.readdir("/abs")).toEqual(["passwd"]);
    expect(view.readdir("/etc/passwd")).toEqual([]);
    expect(view.readdir("/nowhere")).toEqual([]);
  });
});

describe("hostile trees", () => {
  const secret = (
    dir: string,
  ): string => `mkdir outside t; echo secret > outside/s; ln -s ${dir}/outside t/abs; ln -s ../outside t/rel
    ln -s ${"../".repeat(30)}${dir.slice(1)}/outside/s t/up; ln -s /proc/self/root t/magic; ln -s loop2 t/loop1; ln -s loop1 t/loop2
    mkfifo t/pipe; truncate -s 2M t/big; echo ok > t/s`;

  test.each([true, false])("links never lead out of it (as upper folder: %p)", (live) => {
    using dir = tempDir();
    script(secret(dir.path), dir.path);
    const t = join(dir.path, "t");
    const view = live ? openView([], t) : openView([t]);
    for (const path of ["abs/s", "rel/s", "up", `magic/${dir.path}/outside/s`, "../outside/s", "rel/../../outside/s"]) {
      expect(view.readFile(path)).toBeUndefined();
      expect(view.lstat(view.resolve(path))).toBeUndefined();
    }
    expect(view.resolve("rel/s")).toBe("/outside/s");
    expect(view.readFile("rel/../s")).toBeUndefined();
    expect(view.readFile("../../s")?.toString()).toBe("ok\n");
  });

  test.each([true, false])("loops, pipes and big files do not hang or fill memory (as upper folder: %p)", (live) => {
    using dir = tempDir();
    script(secret(dir.path), dir.path);
    const t = join(dir.path, "t");
    const view = live ? openView([], t) : openView([t]);
    const kind = (f: () => unknown): string | undefined => {
      try {
        f();
        return undefined;
      } catch (e) {
        return e instanceof BerthError ? e.kind : String(e);
      }
    };
    expect(kind(() => view.resolve("loop1"))).toBe("invalid-argument");
    expect(kind(() => view.readFile("loop1/x"))).toBe("invalid-argument");
    expect(view.lstat("loop1")).toMatchObject({ type: "symlink", link: "loop2" });
    expect(view.readFile("pipe")).toBeUndefined();
    expect(kind(() => view.readFile("big"))).toBe("invalid-argument");
    expect(view.readFile("big", 4 << 20)?.length).toBe(2 << 20);
  });

  test("130 layers, and a chain of 40 links but not of 41", () => {
    using dir = tempDir();
    script(
      "for i in $(seq 130); do mkdir -p l$i/d; echo $i > l$i/d/f$i; echo $i > l$i/same; done; for i in $(seq 45); do ln -s n$((i-1)) l1/n$i; done; touch l130/n0",
      dir.path,
    );
    const view = openView(Array.from({ length: 130 }, (_, i) => join(dir.path, `l${130 - i}`)));
    expect(view.readdir("/d")).toHaveLength(130);
    expect(view.readFile("same")?.toString()).toBe("130\n");
    expect(view.resolve("n40")).toBe("/n0");
    expect(() => view.resolve("n41")).toThrow(/too many levels of symbolic links/);
  });
});
