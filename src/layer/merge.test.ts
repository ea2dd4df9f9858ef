import { expect, test } from "bun:test";
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { script, sh, tempDir } from "../testing/tar-kit.ts";
import { mergeLayers } from "./merge.ts";
import { openView } from "./view.ts";

/** A base and three layers in overlay's form; each line of the second table is a case that only merging can get wrong. */
const STACK = `
mkdir -p base/etc base/dir/sub base/gone base/turned base/hidden base/swapped
echo b > base/etc/conf; echo b > base/dir/sub/f; echo b > base/gone/f; echo b > base/turned/f; echo b > base/hidden/f; echo b > base/file
echo b > base/swapped/f; echo b > base/twice
mkdir -p 1/etc 1/dir 1/new/deep 1/hidden 1/opaque 1/links; echo 1 > 1/etc/conf; echo 1 > 1/new/deep/f; echo 1 > 1/opaque/old
echo 1 > 1/links/a; ln 1/links/a 1/links/b; ln -s /nowhere 1/links/s; mkfifo 1/pipe; mknod 1/gone c 0 0; mknod 1/turned c 0 0
setfattr -n trusted.overlay.opaque -v y 1/hidden; echo 1 > 1/hidden/own; mknod 1/swapped c 0 0; mknod 1/twice c 0 0; chmod 2711 1/etc
mkdir -p 2/new 2/opaque 2/links 2/turned 2/etc; mknod 2/new/deep c 0 0; setfattr -n trusted.overlay.opaque -v y 2/opaque; echo 2 > 2/opaque/fresh
echo 2 > 2/links/a; echo 2 > 2/turned/own; echo 2 > 2/swapped; mknod 2/never c 0 0; chmod 1777 2/etc; touch $'2/b\\xfd'; echo 2 > 2/twice
mkdir -p 3/new/deep 3/swapped 3/etc; echo 3 > 3/new/deep/last; echo 3 > 3/swapped/own; mknod 3/file c 0 0; mknod 3/twice c 0 0; chmod 0700 3/etc
touch -d 2001-01-01 1 2 3 3/etc 3/new; touch -d 2002-02-02 3/new/deep
`.replaceAll(/setfattr -n (\S+) -v (\S+) ([^\s;]+)/g, `python3 -c 'import os; os.setxattr("$3", "$1", b"$2")'`);

/** What the kernel shows of these layers, the highest first: kinds, modes, owners, times of all but the root, contents. */
function shown(at: string, layers: string): string {
  const list =
    "find . -mindepth 1 -printf '%p %y %m %U:%G %T@ %l\\n' | LC_ALL=C sort; find . -type f -exec sha256sum {} + | LC_ALL=C sort";
  const mount = `mkdir -p m; mount -t overlay o -o lowerdir=${layers} m; cd m; ${list}`;
  return sh(["unshare", "-m", "bash", "-euc", mount], { cwd: at }).toString("latin1");
}

test("the merged layer over the base shows what all of the layers over it show", () => {
  using dir = tempDir();
  script(STACK, dir.path);
  const at = (name: string): string => join(dir.path, name);
  mkdirSync(at("merged"));
  const below = openView([at("base")]);
  mergeLayers(at("merged"), [at("1"), at("2"), at("3")], (path) => below.lstat(`/${path}`) !== undefined);
  expect(shown(dir.path, "merged:base")).toBe(shown(dir.path, "3:2:1:base"));
  // Over nothing it leaves no marks of what nothing had.
  const left = sh(["find", "merged", "-type", "c"], { cwd: dir.path }).toString().trim().split("\n").sort();
  expect(left).toEqual(["merged/file", "merged/gone", "merged/twice"]);
  expect(statSync(at("merged/links/b")).nlink).toBe(statSync(at("1/links/b")).nlink);
});

test("over an empty base there are no whiteouts, and the layers stay as they were", () => {
  using dir = tempDir();
  script(STACK, dir.path);
  const layers = ["1", "2", "3"].map((name) => join(dir.path, name));
  const before = shown(dir.path, "3:2:1");
  mkdirSync(join(dir.path, "merged"));
  mergeLayers(join(dir.path, "merged"), layers, () => false);
  mkdirSync(join(dir.path, "none"));
  expect(shown(dir.path, "merged:none")).toBe(shown(dir.path, "3:2:1:none"));
  expect(sh(["find", "merged", "-type", "c"], { cwd: dir.path }).toString()).toBe("");
  expect(shown(dir.path, "3:2:1")).toBe(before);
});
