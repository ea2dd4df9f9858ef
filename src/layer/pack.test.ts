import { describe, expect, test } from "bun:test";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chunks, fingerprint, script, sh, tarOf, tempDir } from "../testing/tar-kit.ts";
import { type PackOptions, packTree } from "./pack.ts";
import { unpackTar } from "./unpack.ts";

const PLAIN: PackOptions = { whiteouts: "plain", subSecond: true };
const LAYER: PackOptions = { whiteouts: "overlay" };

async function pack(dir: string, options = LAYER): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(packTree(dir, options)));
}

async function unpack(data: Buffer, dir: string, whiteouts: PackOptions["whiteouts"] = "overlay"): Promise<void> {
  mkdirSync(dir);
  await unpackTar(chunks(data), dir, { whiteouts });
}

const names = (tar: Buffer): string[] => sh(["tar", "-tf", "-"], { input: tar }).toString().trim().split("\n");

const MAKE = `
mkdir -p t/b t/a/sub t/${"long-name/".repeat(15)} && cd t
echo 1 > b/file; ln b/file a/hard; ln -s ${"../".repeat(40)}x soft; mkfifo a/fifo; mknod a/dev b 8 1; cp /bin/true cap
setcap cap_chown+ep cap; chown 3000000:4000000 b/file; chmod 2711 a; chmod 4755 cap; touch $'bad-\\xfe' 'ünï'; truncate -s 3M big
printf z > ${"long-name/".repeat(15)}z; touch -d '1950-01-02 03:04:05.5 UTC' soft b/file -h; chmod 700 . ; chown 1:2 .
python3 -c 'import os,socket; os.setxattr("a", "user.note", bytes(range(256))); s=socket.socket(socket.AF_UNIX); s.bind("sock")'
`;

test("unpacked again it is the same tree, to the nanosecond; GNU tar and python read it", async () => {
  using dir = tempDir();
  script(MAKE, dir.path);
  const [from, to] = [join(dir.path, "t"), join(dir.path, "u")];
  const tar = await pack(from, PLAIN);
  await unpack(tar, to, "plain");
  script("rm t/sock; touch -d @0 t u", dir.path);
  expect(fingerprint(to).equals(fingerprint(from))).toBe(true);
  expect((await pack(to, PLAIN)).equals(await pack(from, PLAIN))).toBe(true);

  script("mkdir gnu", dir.path);
  sh(["tar", "--xattrs", "--xattrs-include=*", "-C", join(dir.path, "gnu"), "-xpf", "-"], { input: tar });
  script("touch -d @0 gnu", dir.path);
  expect(fingerprint(join(dir.path, "gnu")).equals(fingerprint(from))).toBe(true);
  const python = 'import tarfile,sys; print(len(tarfile.open(fileobj=sys.stdin.buffer, mode="r|").getmembers()))';
  expect(Number(sh(["python3", "-c", python], { input: tar }))).toBe(names(tar).length);
});

test("the same tree gives the same bytes, however it was made: sorted, no names, extensions only where needed", async () => {
  using dir = tempDir();
  script("mkdir one two; cd one; touch b a; mkdir d; touch d/z d/y; cd ../two; mkdir d; touch d/y d/z a b", dir.path);
  script("find one two -exec touch -d @1000000000.7 {} +", dir.path);
  const one = await pack(join(dir.path, "one"));
  expect(one.equals(await pack(join(dir.path, "two")))).toBe(true);
  expect(names(one)).toEqual(["a", "b", "d/", "d/y", "d/z"]);
  expect(one.length).toBe(5 * 512 + 1024);
  expect(one.subarray(265, 329).every((b) => b === 0)).toBe(true);
});

test("hard links to one inode count once, and what has shrunk by the time it is read is filled up", async () => {
  using dir = tempDir();
  const sizes: number[] = [];
  script("head -c 1000 /dev/zero > a; ln a b; head -c 700000 /dev/zero > c; mkdir d; touch d/e", dir.path);
  const parts: Buffer[] = [];
  for await (const chunk of packTree(dir.path, { ...LAYER, onFile: (n) => sizes.push(n) })) {
    if (parts.length === 0) truncateSync(join(dir.path, "c"), 300_000);
    parts.push(chunk);
  }
  expect(sizes).toEqual([1000, 700_000, 0]);
  expect(names(Buffer.concat(parts))).toEqual(expect.arrayContaining(["c", "d/e"]));
});

describe("overlay's upper folder", () => {
  /** Runs a script in a real overlay mount over `low`, in a mount namespace of its own; its upper folder is `up`. */
  const inOverlay = (cwd: string, text: string, lower = "low"): string =>
    sh(
      [
        "unshare",
        "-m",
        "bash",
        "-euc",
        `mkdir -p up work m; mount -t overlay o -o lowerdir=${lower},upperdir=up,workdir=work m; cd m; ${text}`,
      ],
      { cwd },
    ).toString();

  test("becomes a layer whose unpacked form gives the same merged tree", async () => {
    using dir = tempDir();
    script(
      "mkdir -p low/gone/x low/swap low/keep low/o; echo 1 > low/f; echo 2 > low/swap/s; echo 3 > low/o/old; echo 4 > low/keep/k",
      dir.path,
    );
    const merged = inOverlay(
      dir.path,
      "rm -r gone; rm f; rm -r swap; echo file > swap; rm -r o; mkdir o; echo new > o/new; chmod 700 keep; echo x >> keep/k; ln keep/k keep/l; find . | sort",
    );
    const tar = await pack(join(dir.path, "up"));
    expect(names(tar)).toEqual([
      ".wh.f",
      ".wh.gone",
      "keep/",
      "keep/k",
      "keep/l",
      "o/",
      "o/.wh..wh..opq",
      "o/new",
      "swap",
    ]);
    expect(tar.toString("latin1")).not.toContain("trusted.overlay");
    await unpack(tar, join(dir.path, "layer"));
    const again = sh(
      [
        "unshare",
        "-m",
        "bash",
        "-euc",
        "mkdir m2; mount -t overlay o -o lowerdir=layer:low m2; cd m2; find . | sort; cat keep/l swap >&2",
      ],
      { cwd: dir.path },
    ).toString();
    expect(again).toBe(merged);
    expect((await pack(join(dir.path, "layer"))).equals(tar)).toBe(true);
  });

  test("a plain archive of it keeps the devices as they are", async () => {
    using dir = tempDir();
    script("mkdir low; echo 1 > low/f", dir.path);
    inOverlay(dir.path, "rm f");
    expect(names(await pack(join(dir.path, "up"), PLAIN))).toEqual(["f"]);
  });

  test("one that was written with redirect_dir is refused", async () => {
    using dir = tempDir();
    script(
      'mkdir -p up/d; python3 -c \'import os; os.setxattr("up/d", "trusted.overlay.redirect", b"/other")\'',
      dir.path,
    );
    await expect(Array.fromAsync(packTree(join(dir.path, "up"), LAYER))).rejects.toThrow(/redirect_dir/);
  });

  test("names that only a whiteout may have are left out", async () => {
    using dir = tempDir();
    writeFileSync(join(dir.path, ".wh.fake"), "x");
    writeFileSync(join(dir.path, "real"), "x");
    expect(names(await pack(dir.path))).toEqual(expect.arrayContaining(["real"]));
    expect(names(await pack(dir.path))).not.toContain(".wh.fake");
  });
});

test("an archive that is unpacked and packed again keeps its whiteouts", async () => {
  using dir = tempDir();
  const tar = await tarOf([
    { path: ".wh.a", mode: 0o600 },
    { path: "d/", type: "dir", mode: 0o755 },
    { path: "d/.wh..wh..opq", mode: 0o600 },
    { path: "d/.wh.x", mode: 0o600 },
    { path: "d/y", body: "y" },
  ]);
  await unpack(tar, join(dir.path, "t"));
  expect((await pack(join(dir.path, "t"))).equals(tar)).toBe(true);
});
