import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import type { CreateBody } from "../../api/backend.ts";
import { chunked, dockerArchive, tar } from "../../image/fixture.ts";
import { tarHeader, writeTar } from "../../layer/tar/writer.ts";
import { decodeName } from "../../spec/names.ts";
import { drain, EngineHarness } from "../../testing/engine-harness.ts";

// What a container finds in its mounts, and what is left of them after it.

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open();
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});
afterEach(async () => {
  const all = await h.backend.container.list({ all: true, size: false, filters: {} });
  for (const { Id: id = "" } of all) await h.backend.container.remove(id, { force: true, volumes: true, link: false });
  await h.backend.volume.prune({ all: ["true"] });
});

const names = async (): Promise<string[]> => (await h.backend.volume.list({})).Volumes.map((v) => v.Name).sort();
const data = (name: string, ...path: string[]): string => [h.root, "data/volumes", name, "_data", ...path].join("/");
const remove = (id: string, volumes: boolean): Promise<void> =>
  h.backend.container.remove(id, { force: true, volumes, link: false });

/** What a command in a container of its own says. */
async function said(cmd: string, body: CreateBody = {}): Promise<string> {
  const id = await h.start(["sh", "-c", `${cmd} 2>&1`], body);
  await h.wait(id);
  return (await h.logs(id)).trim();
}

const mountOf = async (id: string, destination: string) =>
  (await h.backend.container.inspect(id, { size: false })).Mounts?.find((m) => m.Destination === destination);

test("a named volume takes what the image has there, once, with owners and modes", async () => {
  const body = { HostConfig: { Binds: ["vol-etc:/etc"] } };
  expect(await said("echo changed >/etc/passwd; ls /etc/passwd", body)).toBe("/etc/passwd");
  expect(await said("cat /etc/passwd", body)).toBe("changed");
  expect(statSync(data("vol-etc", "passwd")).mode & 0o777).toBe(0o644);
  // It has content now: another folder's is not mixed in.
  expect(await said("ls /var", { HostConfig: { Binds: ["vol-etc:/var"] } })).toContain("passwd");
  expect(existsSync(data("vol-etc", "spool"))).toBe(false);
});

test("nocopy leaves it empty; a bind never takes the image's content", async () => {
  expect(
    await said("ls -A /etc | grep -v -e hosts -e hostname -e resolv.conf | wc -l", {
      HostConfig: { Binds: ["vol-bare:/etc:nocopy"] },
    }),
  ).toBe("0");
  mkdirSync(`${h.root}/bare`, { recursive: true });
  await said("true", { HostConfig: { Binds: [`${h.root}/bare:/etc`] } });
  expect(readdirSync(`${h.root}/bare`).filter((n) => n === "passwd")).toEqual([]);
});

test("a folder that is merged of two layers fills a volume as the image shows it", async () => {
  const archive = dockerArchive({
    layers: [
      tar(
        { name: "d" },
        { name: "d/below", data: "1" },
        { name: "d/hidden", data: "2" },
        { name: "d/changed", data: "old" },
      ),
      tar({ name: "d/.wh.hidden", data: "" }, { name: "d/changed", data: "new" }, { name: "d/above", data: "3" }),
    ],
    tags: ["layered:1"],
    config: { config: { Cmd: ["x"], Volumes: { "/d": {} } } },
  });
  await drain(h.backend.image.load(chunked(archive), { quiet: true }));
  const { Id: id } = await h.backend.container.create(undefined, { Image: "layered:1" }, {});
  const name = (await mountOf(id, "/d"))?.Name ?? "";
  expect(readdirSync(data(name)).sort()).toEqual(["above", "below", "changed"]);
  expect(await Bun.file(data(name, "changed")).text()).toBe("new");
});

test("names that are not UTF-8 come into a volume as they are", async () => {
  const raw = (name: string): string => decodeName(Buffer.from(name, "latin1"));
  const entries = [
    { header: tarHeader({ path: "d/", type: "dir", mode: 0o755 }) },
    { header: tarHeader({ path: raw("d/caf\xe9"), size: 1 }), body: Buffer.from("1") },
    { header: tarHeader({ path: raw("d/dir\xff/"), type: "dir", mode: 0o755 }) },
    { header: tarHeader({ path: raw("d/dir\xff/in\xfe"), size: 1 }), body: Buffer.from("2") },
  ];
  const options = { repo: "raw", tag: "1", changes: ["VOLUME /d", "CMD x"] };
  await drain(h.backend.image.import({ tar: writeTar(entries) }, options));
  const { Id: id } = await h.backend.container.create(undefined, { Image: "raw:1" }, {});
  const folder = data((await mountOf(id, "/d"))?.Name ?? "");
  const bytes = spawnSync("find", [folder, "-type", "f", "-printf", "%P\\0"])
    .stdout.toString("latin1")
    .split("\0")
    .sort();
  expect(bytes).toEqual(["", "caf\xe9", "dir\xff/in\xfe"]);
});

test("anonymous volumes: each container has its own, rm -v takes it, rm leaves it", async () => {
  const body = { Volumes: { "/data": {} } };
  const first = await h.create(["true"], body);
  const second = await h.create(["true"], body);
  const [a = "", b = ""] = [(await mountOf(first, "/data"))?.Name, (await mountOf(second, "/data"))?.Name];
  expect(a).not.toBe(b);
  await remove(first, true);
  expect(await names()).toEqual([b]);
  await remove(second, false);
  expect(await names()).toEqual([b]);
});

test("rm -v leaves named volumes, and anonymous ones that another container has too", async () => {
  const owner = await h.create(["true"], { Volumes: { "/anon": {} }, HostConfig: { Binds: ["vol-named:/named"] } });
  const anon = (await mountOf(owner, "/anon"))?.Name ?? "";
  const guest = await h.create(["true"], { HostConfig: { VolumesFrom: [owner] } });
  await remove(owner, true);
  expect(await names()).toEqual([anon, "vol-named"].sort());
  await remove(guest, true);
  expect(await names()).toEqual(["vol-named"]);
});

test("--volumes-from: the same content, read-only where asked, own mounts go before", async () => {
  const owner = await h.create(["true"], { HostConfig: { Binds: ["vol-from:/data", "vol-ro:/fixed:ro"] } }, "owner");
  writeFileSync(data("vol-from", "file"), "shared");
  expect(await said("cat /data/file; echo more >>/data/file", { HostConfig: { VolumesFrom: ["owner"] } })).toBe(
    "shared",
  );
  expect(await said("echo x >/data/y", { HostConfig: { VolumesFrom: ["owner:ro"] } })).toContain(
    "Read-only file system",
  );
  expect(await said("echo x >/fixed/y", { HostConfig: { VolumesFrom: ["owner:rw"] } })).toContain(
    "Read-only file system",
  );
  const own = await said("cat /data/file; ls /data", {
    HostConfig: { VolumesFrom: ["owner"], Binds: ["vol-own:/data"] },
  });
  expect(own).toContain("No such file");
  const from = await h.create(["true"], { HostConfig: { VolumesFrom: ["owner"] } });
  expect(await mountOf(from, "/fixed")).toMatchObject({ Name: "vol-ro", RW: false });
  await remove(owner, true);
  expect(existsSync(data("vol-from", "file"))).toBe(true);
});

test.each([
  ["", "volumes-from specification cannot be an empty string"],
  [":ro", 'invalid name or ID supplied: ""'],
  ["nobody", "No such container: nobody"],
  ["donor:", undefined],
  ["donor:ro:rw", "invalid mode: ro:rw"],
  ["donor:rshared", "invalid mode: rshared"],
  ["donor:foo", "invalid mode: foo"],
  ["donor:ro,z", undefined],
  ["donor:Z", undefined],
])("--volumes-from %p: Docker's words", async (from, words) => {
  const donor = await h.create(
    ["true"],
    { Volumes: { "/own": {} }, HostConfig: { Binds: ["from-vol:/named:ro"] } },
    "donor",
  );
  const made = h.create(["true"], { HostConfig: { VolumesFrom: [from] } });
  if (words !== undefined) {
    await expect(made).rejects.toThrow(words);
  } else {
    const mounts = (await h.backend.container.inspect(await made, { size: false })).Mounts ?? [];
    const own = { Destination: "/own", Mode: "", RW: !from.includes("ro") };
    expect(mounts).toMatchObject([{ Destination: "/named", Mode: "", RW: false }, own]);
    await remove(await made, true);
  }
  await remove(donor, true);
});

test("--volumes-from of a container that has its own from a third", async () => {
  await h.create(["true"], { HostConfig: { Binds: ["vol-chain:/data"] } }, "first-link");
  await h.create(["true"], { HostConfig: { VolumesFrom: ["first-link"] } }, "second-link");
  expect(await said("echo x >/data/f; cat /data/f", { HostConfig: { VolumesFrom: ["second-link"] } })).toBe("x");
  expect(await Bun.file(data("vol-chain", "f")).text()).toBe("x\n");
});

test.each<[string, CreateBody, string]>([
  ["read-only bind", { HostConfig: { Binds: ["vol-a:/data:ro"] } }, "Read-only file system"],
  [
    "read-only mount",
    { HostConfig: { Mounts: [{ Type: "volume", Source: "vol-b", Target: "/data", ReadOnly: true }] } },
    "Read-only file system",
  ],
  ["read-write", { HostConfig: { Binds: ["vol-c:/data"] } }, ""],
  ["tmpfs", { HostConfig: { Tmpfs: { "/data": "" } } }, ""],
  ["read-only tmpfs", { HostConfig: { Tmpfs: { "/data": "ro" } } }, "Read-only file system"],
  ["a small tmpfs", { HostConfig: { Tmpfs: { "/data": "size=4k" } } }, "No space left on device"],
])("writing to a %s", async (_, body, words) => {
  const out = await said("dd if=/dev/zero of=/data/file bs=16k count=1 status=none", body);
  if (words) expect(out).toContain(words);
  else expect(out).toBe("");
});

test("tmpfs options: no programs, devices or set-user bits unless asked for", async () => {
  const show = "grep ' /t ' /proc/mounts";
  expect(await said(show, { HostConfig: { Tmpfs: { "/t": "" } } })).toMatch(/nosuid,nodev,noexec/);
  const open = await said(show, { HostConfig: { Tmpfs: { "/t": "exec,size=1m,mode=1770" } } });
  expect(open).not.toContain("noexec");
  expect(open).toContain("size=1024k");
  expect(open).toContain("mode=1770");
});

test("a bind of one file, and of a folder with a mount below it", async () => {
  writeFileSync(`${h.root}/one`, "content of one");
  expect(await said("cat /etc/one", { HostConfig: { Binds: [`${h.root}/one:/etc/one`] } })).toBe("content of one");
  expect(await said("echo x >/etc/one", { HostConfig: { Binds: [`${h.root}/one:/etc/one:ro`] } })).toContain(
    "Read-only",
  );
});

test("a mount inside a mount, whatever the order in which they were given", async () => {
  const binds = ["vol-inner:/data/inner/deep", "vol-outer:/data"];
  for (const Binds of [binds, binds.toReversed()]) {
    expect(await said("echo in >/data/inner/deep/f; echo out >/data/f; cat /data/f", { HostConfig: { Binds } })).toBe(
      "out",
    );
    expect(await Bun.file(data("vol-inner", "f")).text()).toBe("in\n");
    expect(existsSync(data("vol-outer", "inner", "deep", "f"))).toBe(false);
  }
});

test("a volume that is in use is not removed, by its container's id; afterwards it is", async () => {
  const id = await h.create(["true"], { HostConfig: { Binds: ["vol-used:/data"] } });
  const name = (await h.backend.container.inspect(id, { size: false })).Name?.slice(1);
  for (const force of [false, true]) {
    await expect(h.backend.volume.remove("vol-used", { force })).rejects.toMatchObject({
      kind: "conflict",
      message: `remove vol-used: volume is in use - [${id}] (used by ${name})`,
    });
  }
  await remove(id, true);
  await h.backend.volume.remove("vol-used", { force: false });
  expect(await names()).toEqual([]);
});

test("volume ls --filter dangling looks at the containers, stopped ones too", async () => {
  await h.create(["true"], { HostConfig: { Binds: ["vol-held:/data"] } });
  await h.backend.volume.create({ Name: "vol-free" });
  const by = async (value: string): Promise<string[]> =>
    (await h.backend.volume.list({ dangling: [value] })).Volumes.map((v) => v.Name);
  expect(await by("true")).toEqual(["vol-free"]);
  expect(await by("false")).toEqual(["vol-held"]);
});

test("a create that fails leaves no volume that it made, and keeps those that were there", async () => {
  await h.backend.volume.create({ Name: "vol-there" });
  const bad: CreateBody = {
    Image: "busybox",
    Cmd: ["true"],
    User: "99999999999",
    Volumes: { "/anon": {} },
    HostConfig: { Binds: ["vol-there:/a", "vol-new:/b"] },
  };
  await expect(h.backend.container.create(undefined, bad, {})).rejects.toThrow();
  expect(await names()).toEqual(["vol-there"]);
});

test("a volume of an unknown driver or with an unknown option is refused before anything is made", async () => {
  for (const VolumeOptions of [{ DriverConfig: { Name: "nosuch" } }, { DriverConfig: { Options: { foo: "bar" } } }]) {
    const HostConfig = { Mounts: [{ Type: "volume" as const, Source: "vol-odd", Target: "/x", VolumeOptions }] };
    await expect(h.create(["true"], { HostConfig })).rejects.toThrow(/nosuch|foo/);
  }
  expect(await names()).toEqual([]);
  expect((await h.backend.container.list({ all: true, size: false, filters: {} })).length).toBe(0);
});

test("labels of a volume that a container makes", async () => {
  const Mounts = [
    { Type: "volume" as const, Source: "vol-label", Target: "/x", VolumeOptions: { Labels: { made: "here" } } },
  ];
  await h.create(["true"], { HostConfig: { Mounts } });
  expect((await h.backend.volume.inspect("vol-label")).Labels).toEqual({ made: "here" });
});
