import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// Each bad input: one clear line, a failing exit code, the right status, and the store as it was.

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** What the store holds: names of layers, blobs and temporary files. */
async function store(): Promise<string> {
  const at = join(daemon.root, "data");
  const found = await run([
    "sh",
    "-c",
    `cd ${at} && find layers -maxdepth 2; find content tmp volumes containers 2>/dev/null`,
  ]);
  return found.stdout.split("\n").sort().join("\n");
}

async function refused(args: string[], words: RegExp): Promise<void> {
  const before = await store();
  const done = await daemon.berth(...args);
  expect(done.code).not.toBe(0);
  expect(done.stderr.trim().split("\n")).toHaveLength(1);
  expect(done.stderr).toMatch(words);
  expect(await store()).toBe(before);
}

function file(name: string, bytes: string | Uint8Array): string {
  const path = join(daemon.root, name);
  writeFileSync(path, bytes);
  return path;
}

/** A docker-archive with one layer, made by python3's tarfile from a script that fills `layer`. */
async function archive(name: string, script: string): Promise<string> {
  const out = join(daemon.root, name);
  const python = `
import tarfile, io, json, hashlib
def tar(fill):
    b = io.BytesIO(); t = tarfile.open(fileobj=b, mode="w"); fill(t); t.close(); return b.getvalue()
def add(t, name, data=b"", **kw):
    i = tarfile.TarInfo(name); i.size = len(data)
    for k, v in kw.items(): setattr(i, k, v)
    t.addfile(i, io.BytesIO(data) if data else None)
diff = None
names = ["l/layer.tar"]
${script}
diff = diff or "sha256:" + hashlib.sha256(layer).hexdigest()
config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]}, "rootfs": {"type": "layers", "diff_ids": [diff]}}).encode()
def fill(t):
    add(t, "c.json", config); add(t, "l/layer.tar", layer)
    add(t, "manifest.json", json.dumps([{"Config": "c.json", "RepoTags": ["bad:latest"], "Layers": names}]).encode())
open(${JSON.stringify(out)}, "wb").write(tar(fill))
`;
  const done = await run(["python3", "-c", python]);
  if (done.code !== 0) throw new Error(done.stderr);
  return out;
}

test("garbage", async () => {
  await refused(
    ["load", "-i", file("garbage", "this is no archive at all, but long enough to look at".repeat(40))],
    /archive|tar|invalid/i,
  );
});

test("an empty file", async () => {
  await refused(["load", "-i", file("empty", "")], /archive|empty|tar|unexpected|manifest/i);
});

test("a truncated archive", async () => {
  const whole = await archive("whole.tar", "layer = tar(lambda t: add(t, 'f', b'x' * 300000))");
  const bytes = new Uint8Array(await Bun.file(whole).arrayBuffer());
  await refused(["load", "-i", file("cut.tar", bytes.slice(0, 150_000))], /truncated|unexpected end|ends/i);
});

test("a layer that is not what its diff id says", async () => {
  await refused(
    [
      "load",
      "-i",
      await archive("digest.tar", `layer = tar(lambda t: add(t, 'f', b'x'))\ndiff = 'sha256:' + '0' * 64`),
    ],
    /digest|diff/i,
  );
});

test("a manifest that points out of the archive", async () => {
  await refused(
    [
      "load",
      "-i",
      await archive("points.tar", `layer = tar(lambda t: add(t, 'f', b'x'))\nnames = ['../../../etc/passwd']`),
    ],
    /passwd|not in the archive|missing|invalid/i,
  );
});

test("a path that climbs out of the tree stays inside or is refused", async () => {
  const climbing = await archive(
    "climb.tar",
    `layer = tar(lambda t: (add(t, '../../../../../../var/tmp/berth-climbed', b'x'), add(t, 'ok', b'y')))`,
  );
  await daemon.berth("load", "-i", climbing);
  expect(await Bun.file("/var/tmp/berth-climbed").exists()).toBe(false);
});

test("a symlink that leads out is not followed", async () => {
  const link = await archive(
    "link.tar",
    `layer = tar(lambda t: (add(t, 'out', type=tarfile.SYMTYPE, linkname='/var/tmp'), add(t, 'out/berth-through-link', b'x')))`,
  );
  await daemon.berth("load", "-i", link);
  expect(await Bun.file("/var/tmp/berth-through-link").exists()).toBe(false);
});

test("a corrupt gzip", async () => {
  const whole = await archive("gz.tar", "layer = tar(lambda t: add(t, 'f', b'x' * 300000))");
  await run(["gzip", "-kf", whole]);
  const bytes = new Uint8Array(await Bun.file(`${whole}.gz`).arrayBuffer());
  bytes.fill(0xff, 200, 260);
  await refused(["load", "-i", file("corrupt.gz", bytes)], /gzip|corrupt|decompress|invalid/i);
});

test("import of garbage", async () => {
  await refused(["import", file("rootfs", "no tar".repeat(500)), "x"], /tar|archive|invalid/i);
});

test.each([
  [["run", "busybox", "nosuch"], 127],
  [["run", "-v", "relative/path:/x:bad", "busybox"], 125],
  [["run", "-p", "99999:80", "busybox"], 125],
  [["run", "-m", "1k", "busybox"], 125],
  [["run", "--network", "nosuchnet", "busybox"], 125],
  [["run", "--cap-add", "FLY", "busybox"], 125],
  [["run", "--restart", "sometimes", "busybox"], 125],
  [["run", "--runtime", "nosuch", "busybox"], 125],
  [["run", "--name", "-bad", "busybox"], 125],
  [["run", "-u", "nosuchuser", "busybox", "true"], 125],
  [["rm", "nosuch"], 1],
  [["stop", "nosuch"], 1],
  [["logs", "nosuch"], 1],
  [["rmi", "nosuch"], 1],
  [["tag", "nosuch", "x"], 1],
  [["tag", "busybox", "UPPER"], 1],
  [["exec", "nosuch", "true"], 1],
  [["ps", "--filter", "nosuch=1"], 1],
  [["volume", "inspect", "nosuch"], 1],
  [["network", "inspect", "nosuch"], 1],
  [["nosuchcommand"], 1],
] as [string[], number][])("berth %p ends with %d and says why", async (args, code) => {
  const done = await daemon.berth(...args);
  expect({ code: done.code, said: done.stderr.trim().length > 0 }).toEqual({ code, said: true });
  expect(done.stderr).not.toContain("    at ");
  const ids = (await daemon.berth("ps", "-aq")).stdout.split("\n").filter(Boolean);
  if (ids.length > 0) await daemon.berth("rm", "-f", ...ids);
});

test("an image in use is not removed, and the container is named", async () => {
  const id = await daemon.ok("run", "-d", "busybox", "sleep", "1000");
  const done = await daemon.berth("rmi", "busybox");
  expect(done.code).toBe(1);
  expect(done.stderr).toContain(id.slice(0, 12));
  await daemon.ok("rm", "-f", id);
});

test("a full disk: one line, and the store is as it was", async () => {
  const small = join(daemon.root, "small");
  mkdirSync(small);
  const mounted = await run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", small]);
  expect(mounted.code).toBe(0);
  try {
    await using full = await TestDaemon.start({ flags: ["--data-root", join(small, "data")] });
    const big = await archive(
      "big.tar",
      "layer = tar(lambda t: [add(t, 'f%d' % i, b'x' * 1000000) for i in range(40)])",
    );
    const done = await full.berth("load", "-i", big);
    expect(done.code).not.toBe(0);
    expect(done.stderr).toContain("no space left on device");
    expect((await full.ok("images", "-q")).split("\n")).toHaveLength(1);
    expect(await full.ok("run", "--rm", "busybox", "echo", "still works")).toBe("still works");
  } finally {
    await run(["umount", small]);
  }
});
