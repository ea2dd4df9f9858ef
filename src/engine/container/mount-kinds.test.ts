import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import type { CreateBody } from "../../api/backend.ts";
import { runOk } from "../../host/spawn.ts";
import { chunked, dockerArchive, tar } from "../../image/fixture.ts";
import type { Mount } from "../../spec/engine-api.ts";
import { drain, EngineHarness } from "../../testing/engine-harness.ts";

// Mounts whose source is more than a path: images, folders below a volume, what a driver mounts, and binds that propagate.

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open();
  const archive = dockerArchive({
    layers: [
      tar(
        { name: "d" },
        { name: "d/below", data: "below" },
        { name: "d/gone", data: "x" },
        { name: "out", symlink: "/etc" },
      ),
      tar({ name: "d/.wh.gone", data: "" }, { name: "d/above", data: "above" }, { name: "to", symlink: "/d" }),
    ],
    tags: ["tree:1"],
    config: { config: { Cmd: ["x"] } },
  });
  await drain(h.backend.image.load(chunked(archive), { quiet: true }));
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});
afterEach(async () => {
  const all = await h.backend.container.list({ all: true, size: false, filters: {} });
  for (const { Id: id = "" } of all) await h.backend.container.remove(id, { force: true, volumes: true, link: false });
  await h.backend.volume.prune({ all: ["true"] });
});

const data = (name: string, ...path: string[]): string => [h.root, "data/volumes", name, "_data", ...path].join("/");
const mounts = (...all: Mount[]): CreateBody => ({ HostConfig: { Mounts: all } });
const mountsOf = (text: string): string[] =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(text));

/** What a container prints. It is gone after, with what it held. */
async function said(cmd: string, body: CreateBody = {}): Promise<string> {
  const id = await h.start(["sh", "-c", `{ ${cmd}; } 2>&1`], body);
  await h.wait(id);
  const text = (await h.logs(id)).trim();
  await h.backend.container.remove(id, { force: true, volumes: false, link: false });
  return text;
}

describe("an image as a mount", () => {
  const image = (subpath?: string): Mount => ({
    Type: "image",
    Source: "tree:1",
    Target: "/x",
    ...(subpath ? { ImageOptions: { Subpath: subpath } } : {}),
  });

  test("is the merged tree, read-only", async () => {
    const text = await said("cat /x/d/below /x/d/above; ls /x/d; touch /x/d/new; rm /x/d/below", mounts(image()));
    expect(text.split("\n")).toEqual([
      "belowaboveabove",
      "below",
      "touch: /x/d/new: Read-only file system",
      "rm: can't remove '/x/d/below': Read-only file system",
    ]);
  });

  test("a folder or a file of it, links followed inside of it only", async () => {
    expect(await said("ls /x", mounts(image("d")))).toBe("above\nbelow");
    expect(await said("cat /x", mounts(image("d/above")))).toBe("above");
    expect(await said("ls /x", mounts(image("to")))).toBe("above\nbelow");
    const id = await h.create(["true"], mounts(image("out/passwd")));
    await expect(h.backend.container.start(id, {})).rejects.toMatchObject({ kind: "not-found" });
  });

  test("inspect names it, --volumes-from hands it on, and the image stays while a container has it", async () => {
    const id = await h.create(["true"], mounts(image()), "donor");
    const { Mounts: shown = [] } = await h.backend.container.inspect(id, { size: false });
    expect(shown).toMatchObject([{ Type: "image", Name: "tree:1", Destination: "/x", RW: false, Mode: "" }]);
    expect(await said("ls /x/d", { HostConfig: { VolumesFrom: ["donor"] } })).toBe("above\nbelow");
    await expect(h.backend.image.remove("tree:1", { force: false, noprune: false })).rejects.toMatchObject({
      kind: "conflict",
    });
    await h.backend.image.prune({ dangling: ["false"] });
    expect(await said("ls /x/d", mounts(image()))).toBe("above\nbelow");
  });
});

describe("a folder below a volume", () => {
  const below = (subpath: string, more: Partial<Mount> = {}): CreateBody =>
    mounts({ Type: "volume", Source: "vol-sub", Target: "/x", VolumeOptions: { Subpath: subpath }, ...more });

  test("is mounted alone, a file too", async () => {
    await said("mkdir -p /v/a/b; echo 1 >/v/a/b/file; echo 2 >/v/top", { HostConfig: { Binds: ["vol-sub:/v"] } });
    expect(await said("ls /x; echo new >/x/new", below("a/b"))).toBe("file");
    expect(readFileSync(data("vol-sub", "a/b/new"), "utf8")).toBe("new\n");
    expect(await said("cat /x", below("top"))).toBe("2");
    expect(await said("touch /x/f", below("a", { ReadOnly: true }))).toContain("Read-only file system");
  });

  test("one that is not there is not found, and one behind a link out of the volume is refused", async () => {
    await h.backend.volume.create({ Name: "vol-sub" });
    const start = async (subpath: string): Promise<void> => {
      const id = await h.create(["true"], below(subpath));
      await h.backend.container.start(id, {});
    };
    const path = data("vol-sub", "none");
    await expect(start("none")).rejects.toMatchObject({
      kind: "not-found",
      message: `cannot access path ${path}: lstat ${path}: no such file or directory`,
    });
    mkdirSync(`${h.root}/secret`);
    symlinkSync(`${h.root}/secret`, data("vol-sub", "absolute"));
    symlinkSync("../../../secret", data("vol-sub", "climbing"));
    mkdirSync(data("vol-sub", "in"));
    symlinkSync("in", data("vol-sub", "inside"));
    const escapes = (subpath: string): string =>
      `path concatenation escapes the base directory, base: ${data("vol-sub")}, subpath: ${subpath}`;
    await expect(start("absolute")).rejects.toThrow(escapes("absolute"));
    await expect(start("climbing")).rejects.toThrow(escapes("climbing"));
    await start("inside");
  });
});

describe("a volume of the local driver with options", () => {
  const options = { type: "tmpfs", device: "tmpfs", o: "size=1m,uid=77" };

  test("is mounted for its first container, shared, and unmounted after the last one", async () => {
    const made = await h.backend.volume.create({ Name: "vol-tmp", DriverOpts: options });
    expect(made.Options).toEqual(options);
    const body = { HostConfig: { Binds: ["vol-tmp:/x"] } };
    const first = await h.start(["sh", "-c", "echo 1 >/x/file; sleep 1000"], body);
    await h.backend.container.top(first, "");
    expect(mountsOf(data("vol-tmp"))).toHaveLength(1);
    expect(await said("until [ -e /x/file ]; do :; done; stat -c %u /x; df -k /x | tail -n1", body)).toMatch(
      /^77\ntmpfs +1024 /,
    );
    expect(mountsOf(data("vol-tmp"))).toHaveLength(1);
    await h.backend.container.kill(first, {});
    await h.wait(first);
    // A new start waits for the end of the old run.
    await h.backend.container.remove(first, { force: true, volumes: false, link: false });
    expect(mountsOf(data("vol-tmp"))).toEqual([]);
  });

  test("a daemon that comes back keeps the mount of what runs and takes away others", async () => {
    await h.backend.volume.create({ Name: "vol-kept", DriverOpts: options });
    await h.backend.volume.create({ Name: "vol-left", DriverOpts: options });
    const id = await h.start(["sleep", "1000"], { HostConfig: { Binds: ["vol-kept:/x"] } });
    // As a kill in the middle of a start leaves it.
    await runOk(["mount", "-t", "tmpfs", "tmpfs", data("vol-left")]);
    await h.down();
    await h.up();
    expect(mountsOf(data("vol-left"))).toEqual([]);
    expect(mountsOf(data("vol-kept"))).toHaveLength(1);
    await h.backend.container.remove(id, { force: true, volumes: false, link: false });
    expect(mountsOf(data("vol-kept"))).toEqual([]);
    await h.backend.volume.remove("vol-kept", { force: false });
  });

  test("a bind of a folder, its options never among arguments, and what cannot be mounted", async () => {
    mkdirSync(`${h.root}/a folder`);
    writeFileSync(`${h.root}/a folder/file`, "here");
    const bind = { type: "none", o: "bind,ro", device: `${h.root}/a folder` };
    await h.backend.volume.create({ Name: "vol-bind", DriverOpts: bind });
    expect(await said("cat /x/file; touch /x/new", { HostConfig: { Binds: ["vol-bind:/x"] } })).toContain("here");
    await h.backend.volume.remove("vol-bind", { force: true }).catch(() => undefined);
    expect(readFileSync(`${h.root}/a folder/file`, "utf8")).toBe("here");
    await h.backend.volume.create({
      Name: "vol-nowhere",
      DriverOpts: { type: "none", o: "bind", device: `${h.root}/nowhere` },
    });
    const id = await h.create(["true"], { HostConfig: { Binds: ["vol-nowhere:/x"] } });
    await expect(h.backend.container.start(id, {})).rejects.toThrow(
      `error while mounting volume '${data("vol-nowhere")}': failed to mount local volume: mount ${h.root}/nowhere:${data("vol-nowhere")}`,
    );
    expect(existsSync(`${h.root}/data/volumes/vol-nowhere/fstab`)).toBe(false);
  });

  test.each<[Record<string, string>, string]>([
    [{ bogus: "1" }, 'invalid option: "bogus"'],
    [{ type: "tmpfs" }, 'missing required option: "device"'],
    [{ device: "/x" }, 'missing required option: "type"'],
    [{ o: "x" }, 'missing required option: "device"'],
    [{ size: "x" }, "invalid size: 'x'"],
    [{ size: "10m" }, "quota size requested but no quota support"],
  ])("%p is refused", async (DriverOpts, words) => {
    await expect(h.backend.volume.create({ Name: "vol-bad", DriverOpts })).rejects.toMatchObject({
      kind: "invalid-argument",
      message: `create vol-bad: ${words}`,
    });
  });
});

describe("binds", () => {
  const WRITE = "for d in /x /x/sub; do touch $d/f && echo $d written; done";

  /** A folder with another file system mounted below; `shared` as mount(8) has it. */
  async function folder(kind: "shared" | "private"): Promise<string> {
    const path = `${h.root}/${kind}`;
    mkdirSync(path, { recursive: true });
    await runOk(["mount", "-t", "tmpfs", "tmpfs", path]);
    await runOk(["mount", `--make-${kind}`, path]);
    mkdirSync(`${path}/sub`);
    await runOk(["mount", "-t", "tmpfs", "tmpfs", `${path}/sub`]);
    return path;
  }
  const undo = (path: string): Promise<unknown> =>
    runOk(["umount", "-R", path]).then(() => rmSync(path, { recursive: true }));

  test("read-only is recursive unless told otherwise", async () => {
    const path = await folder("private");
    try {
      const bind = (BindOptions: Mount["BindOptions"], ReadOnly = true): CreateBody =>
        mounts({ Type: "bind", Source: path, Target: "/x", ReadOnly, ...(BindOptions ? { BindOptions } : {}) });
      const written = async (body: CreateBody): Promise<string[]> =>
        (await said(WRITE, body)).split("\n").filter((line) => line.endsWith("written"));
      expect(await written(bind({}))).toEqual([]);
      expect(await written({ HostConfig: { Binds: [`${path}:/x:ro`] } })).toEqual([]);
      expect(await written(bind({ ReadOnlyForceRecursive: true }))).toEqual([]);
      expect(await written(bind({ ReadOnlyNonRecursive: true }))).toEqual(["/x/sub written"]);
      expect(await written(bind({}, false))).toEqual(["/x written", "/x/sub written"]);
      expect(await said("grep ' /x' /proc/self/mountinfo | wc -l", bind({ NonRecursive: true }))).toBe("1");
      expect(await said("grep ' /x' /proc/self/mountinfo | wc -l", bind({}))).toBe("2");
    } finally {
      await undo(path);
    }
  });

  test("a source that is gone at the start: refused for --mount, made for -v", async () => {
    const path = `${h.root}/vanishing`;
    mkdirSync(path);
    const wanted = mounts({ Type: "bind", Source: path, Target: "/x" });
    const strict = await h.create(["true"], wanted);
    const lenient = await h.create(["true"], { HostConfig: { Binds: [`${path}:/x`] } });
    rmSync(path, { recursive: true });
    await expect(h.backend.container.start(strict, {})).rejects.toMatchObject({
      kind: "invalid-argument",
      message: `invalid mount config for type "bind": bind source path does not exist: ${path}`,
    });
    expect(existsSync(path)).toBe(false);
    await h.backend.container.start(lenient, {});
    expect(await h.wait(lenient)).toBe(0);
    await h.backend.container.start(strict, {});
    expect(await h.wait(strict)).toBe(0);
  });

  test.each<[string, (path: string) => void, string, string]>([
    [
      "a link to nothing",
      (path) => symlinkSync("/no/such", path),
      "file exists",
      "bind source path does not exist: PATH",
    ],
    [
      "a link to itself",
      (path) => symlinkSync(path, path),
      "file exists",
      "stat PATH: too many levels of symbolic links",
    ],
    ["below a file", (path) => writeFileSync(path, ""), "not a directory", "stat PATH: not a directory"],
  ])("a source that can be none: %s", async (what, make, made, told) => {
    const base = `${h.root}/${what.replaceAll(" ", "-")}`;
    make(base);
    const path = what === "below a file" ? `${base}/x` : base;
    await expect(h.create(["true"], mounts({ Type: "bind", Source: path, Target: "/x" }))).rejects.toThrow(
      `invalid mount config for type "bind": ${told.replace("PATH", path)}`,
    );
    const id = await h.create(["true"], { HostConfig: { Binds: [`${path}:/x`] } });
    await expect(h.backend.container.start(id, {})).rejects.toThrow(
      `error while creating mount source path '${path}': mkdir ${path}: ${made}`,
    );
  });

  test("a file onto a folder, and the reverse, with the words that people know", async () => {
    writeFileSync(`${h.root}/a-file`, "");
    for (const bind of [`${h.root}/a-file:/etc`, `${h.root}:/etc/passwd`]) {
      const id = await h.create(["true"], { HostConfig: { Binds: [bind] } });
      await expect(h.backend.container.start(id, {})).rejects.toThrow(
        "Are you trying to mount a directory onto a file (or vice-versa)?",
      );
    }
  });

  test("rshared is two-way, rslave one-way, private none", async () => {
    const path = await folder("shared");
    try {
      const bind = (mode: string): CreateBody => ({
        HostConfig: { Binds: [`${path}:/x:${mode}`], Privileged: true },
      });
      const script = "mkdir -p /x/inner; mount -t tmpfs inner /x/inner; until [ -e /x/host/mark ]; do :; done";
      for (const [mode, arrives] of [
        ["rshared", 1],
        ["rslave", 0],
      ] as const) {
        mkdirSync(`${path}/host`, { recursive: true });
        const id = await h.start(["sh", "-c", script], bind(mode));
        await runOk(["mount", "-t", "tmpfs", "tmpfs", `${path}/host`]);
        writeFileSync(`${path}/host/mark`, "");
        expect(await h.wait(id)).toBe(0);
        expect([mode, mountsOf(`${path}/inner`).length]).toEqual([mode, arrives]);
        if (arrives) await runOk(["umount", `${path}/inner`]);
        await runOk(["umount", `${path}/host`]);
      }
    } finally {
      await undo(path);
    }
  });
});
