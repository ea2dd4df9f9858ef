import { afterEach, beforeEach, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { MediaType } from "../spec/oci.ts";
import { hostPlatform } from "../spec/platform.ts";
import {
  chunked,
  configFor,
  digestOf,
  dockerArchive,
  OciLayout,
  openTestStore,
  type TestStore,
  tar,
} from "./fixture.ts";

let store: TestStore;
beforeEach(() => {
  store = openTestStore();
});
afterEach(() => store.close());

const base = tar({ name: "bin" }, { name: "bin/busybox", data: readFileSync("/bin/busybox") });
const second = tar({ name: "etc" }, { name: "etc/hello", data: "hello\n" });
const host = hostPlatform();

function fileOf(image: string, path: string): string | undefined {
  return store.layers.view(store.images.resolve(image).top).readFile(path)?.toString();
}

test("a docker-archive gives image, layers and tags", async () => {
  const lines = await store.load(dockerArchive({ layers: [base, second], tags: ["demo:1", "other/demo"] }));
  expect(lines).toEqual(["Loaded image: demo:1", "Loaded image: other/demo:latest"]);
  const image = store.images.resolve("demo:1");
  expect(image.id).toBe(digestOf(configFor([base, second])));
  expect(image.tags).toEqual(["demo:1", "other/demo:latest"]);
  expect(image.size).toBe(readFileSync("/bin/busybox").length + 6);
  expect(fileOf("demo:1", "/etc/hello")).toBe("hello\n");
  const manifest = JSON.parse((await store.blobs.read(image.manifest)).toString());
  expect(manifest.layers.map((l: { digest: string }) => l.digest)).toEqual([digestOf(base), digestOf(second)]);
  expect(manifest.layers.every((l: { digest: `sha256:${string}` }) => store.blobs.has(l.digest))).toBe(true);
});

test("an image without a tag is named by its id", async () => {
  expect(await store.load(dockerArchive({ layers: [second] }))).toEqual([
    `Loaded image ID: ${digestOf(configFor([second]))}`,
  ]);
});

test("the archive may be gzip, zstd, xz or bzip2, and so may its layers", async () => {
  const pipe = (program: string, data: Uint8Array): Buffer => execFileSync(program, ["-c"], { input: data });
  const packers = [gzipSync, zstdCompressSync, (d: Uint8Array) => pipe("xz", d), (d: Uint8Array) => pipe("bzip2", d)];
  for (const [i, pack] of packers.entries()) {
    const layer = tar({ name: "f", data: `content ${i}` });
    const archive = dockerArchive({ layers: [layer], stored: [pack(layer)], tags: [`packed:${i}`] });
    expect(await store.load(pack(archive))).toEqual([`Loaded image: packed:${i}`]);
    expect(fileOf(`packed:${i}`, "/f")).toBe(`content ${i}`);
  }
});

test("compressed layers stay byte for byte, for a later push", async () => {
  const stored = gzipSync(second, { level: 1 });
  await store.load(dockerArchive({ layers: [second], stored: [stored], tags: ["z:1"] }));
  const manifest = JSON.parse((await store.blobs.read(store.images.resolve("z:1").manifest)).toString());
  expect(manifest.layers).toEqual([{ mediaType: MediaType.layerGzip, digest: digestOf(stored), size: stored.length }]);
  expect((await store.blobs.read(digestOf(stored))).equals(stored)).toBe(true);
});

test("layers may be hard or symbolic links to others, before or after them", async () => {
  const config = configFor([second, second, second]);
  const manifest = [
    { Config: "./c.json", RepoTags: ["links:1"], Layers: ["a/layer.tar", "b/layer.tar", "c/layer.tar"] },
  ];
  const archive = tar(
    { name: "a/layer.tar", symlink: "../b/layer.tar" },
    { name: "b/layer.tar", data: second },
    { name: "c/layer.tar", link: "b/layer.tar" },
    { name: "./c.json", data: config },
    { name: "manifest.json", data: JSON.stringify(manifest) },
  );
  expect(await store.load(archive)).toEqual(["Loaded image: links:1"]);
  expect(store.layers.chain(store.images.resolve("links:1").top ?? "sha256:")).toHaveLength(3);
});

test("an OCI archive keeps its manifest and takes the name from its annotations", async () => {
  const layout = new OciLayout();
  const stored = zstdCompressSync(second);
  const d = layout.image([second], { stored: [stored], mediaType: MediaType.layerZstd });
  const whole = { ...d, annotations: { "io.containerd.image.name": "docker.io/library/oci:2" } };
  expect(await store.load(layout.archive([whole]))).toEqual(["Loaded image: oci:2"]);
  const image = store.images.resolve("oci:2");
  expect(image.manifest).toBe(d.digest);
  expect(fileOf("oci:2", "/etc/hello")).toBe("hello\n");

  const ref = (name: string) => ({ ...d, annotations: { "org.opencontainers.image.ref.name": name } });
  expect(await store.load(layout.archive([ref("localhost:5000/x:3")]))).toEqual(["Loaded image: localhost:5000/x:3"]);
  expect(await store.load(layout.archive([ref("latest")]))).toEqual([`Loaded image ID: ${image.id}`]);
});

test("an archive of both kinds has the tags of manifest.json and the exact manifest of the layout", async () => {
  const layout = new OciLayout();
  const d = layout.image([second], { stored: [gzipSync(second)], mediaType: MediaType.layerGzip });
  const [config, layer] = layout.entries.map((e) => e.name);
  const manifest = [{ Config: config, RepoTags: ["both:1", "both:2"], Layers: [layer] }];
  const archive = layout.archive([d], [{ name: "manifest.json", data: JSON.stringify(manifest) }]);
  expect(await store.load(archive)).toEqual(["Loaded image: both:1", "Loaded image: both:2"]);
  expect(store.images.resolve("both:2").manifest).toBe(d.digest);
});

test("from an index, also a nested one, comes the image of this machine or of the platform asked for", async () => {
  const layout = new OciLayout();
  const other = { os: "linux", architecture: host.architecture === "s390x" ? "amd64" : "s390x" };
  const mine = layout.image([second], { config: { ...host } });
  const theirs = layout.image([tar({ name: "theirs", data: "x" })], { config: { ...other } });
  const attestation = {
    ...layout.blob(MediaType.manifest, "{}"),
    platform: { os: "unknown", architecture: "unknown" },
  };
  const index = layout.index([
    attestation,
    { ...theirs, platform: other },
    { ...mine, platform: { os: host.os, architecture: host.architecture } },
  ]);
  const archive = layout.archive([
    { ...layout.index([index]), annotations: { "io.containerd.image.name": "multi:1" } },
  ]);
  await store.load(archive);
  expect(store.images.resolve("multi:1").config.architecture).toBe(host.architecture);
  await store.load(archive, { platform: `linux/${other.architecture}` });
  expect(store.images.resolve("multi:1").config.architecture).toBe(other.architecture);
  expect(store.load(archive, { platform: "linux/mips" })).rejects.toThrow(
    `no image for platform linux/mips (choose one that is there with --platform: linux/${other.architecture}, linux/`,
  );
});

test("loading again changes nothing; a tag that moves is told", async () => {
  const archive = dockerArchive({ layers: [second], tags: ["app:1"] });
  await store.load(archive);
  store.images.tag("app:1", "mine:1");
  const before = store.snapshot();
  expect(await store.load(archive)).toEqual(["Loaded image: app:1"]);
  expect(store.snapshot()).toEqual(before);
  const old = store.images.resolve("app:1").id;
  expect(await store.load(dockerArchive({ layers: [base], tags: ["app:1"] }))).toEqual([
    `The image app:1 already exists, renaming the old one with ID ${old} to empty string`,
    "Loaded image: app:1",
  ]);
  expect(store.images.resolve("mine:1").id).toBe(old);
});

test("progress counts bytes of each layer that is new, in Docker's shape", async () => {
  const archive = dockerArchive({ layers: [base, second], tags: ["p:1"] });
  const seen = new Map<string, number>();
  for await (const m of store.images.load(chunked(archive), { quiet: false })) {
    if (m.status === "Loading layer") seen.set(m.id ?? "", m.progressDetail?.current ?? 0);
  }
  expect(seen).toEqual(
    new Map([
      [digestOf(base).slice(7, 19), base.length],
      [digestOf(second).slice(7, 19), second.length],
    ]),
  );
});

test("an image without layers, and several images in one archive", async () => {
  const empty = configFor([]);
  const manifest = [
    { Config: "e.json", RepoTags: ["empty:1"] },
    { Config: "f.json", RepoTags: ["full:1"], Layers: ["l.tar"] },
  ];
  const archive = tar(
    { name: "manifest.json", data: JSON.stringify(manifest) },
    { name: "l.tar", data: second },
    { name: "e.json", data: empty },
    { name: "f.json", data: configFor([second]) },
  );
  expect(await store.load(archive)).toEqual(["Loaded image: empty:1", "Loaded image: full:1"]);
  expect(store.images.resolve("empty:1").top).toBeUndefined();
  expect(store.images.inspect("empty:1").GraphDriver).toEqual({ Name: "overlay2", Data: null as never });
});

test("two loads of one archive at once, and one that its reader leaves", async () => {
  const archive = dockerArchive({ layers: [base, second], tags: ["twice:1"] });
  const leaving = (async () => {
    for await (const _ of store.images.load(chunked(archive), { quiet: false })) return;
  })();
  const [a, b] = await Promise.all([store.load(archive), store.load(archive), leaving]);
  expect(a).toEqual(b);
  expect(fileOf("twice:1", "/etc/hello")).toBe("hello\n");
  expect(store.layers.list()).toHaveLength(2);
  expect(await store.images.gc({ chains: [], blobs: [] })).toBe(0);
});
