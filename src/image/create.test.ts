import { afterEach, beforeEach, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import type { Digest } from "../spec/digest.ts";
import { MediaType } from "../spec/oci.ts";
import { hostPlatform } from "../spec/platform.ts";
import { chunked, digestOf, dockerArchive, openTestStore, type TestStore, tar } from "./fixture.ts";

let store: TestStore;
beforeEach(() => {
  store = openTestStore();
});
afterEach(() => store.close());

const created = "2024-05-06T07:08:09.123Z";
const platform = { os: "linux", architecture: "amd64" };
const layer = tar({ name: "hello", data: "hello" });
const apply = (bytes: Buffer, parent?: Digest) => store.layers.applyStream(chunked(bytes), parent ? { parent } : {});

test("the config is written as Docker writes it, so that equal images have equal ids", async () => {
  const { chainId, diffId } = await apply(layer);
  const image = await store.images.create({
    top: chainId,
    platform,
    created,
    author: "me",
    run: {
      Shell: ["/bin/ash", "-c"],
      Labels: { b: "2", a: "1" },
      Env: ["PATH=/bin"],
      ExposedPorts: { "80/tcp": {} },
      Volumes: {},
      User: "",
      Cmd: ["sh"],
      Healthcheck: { Test: ["CMD-SHELL", "true"], Interval: 5_000_000_000 },
    },
    history: [{ created, created_by: "COPY . /" }],
  });
  const text = (await store.blobs.read(image.id)).toString();
  expect(text).toBe(
    `{"architecture":"amd64","author":"me","config":{"ExposedPorts":{"80/tcp":{}},"Env":["PATH=/bin"],"Cmd":["sh"],"Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":5000000000},"Labels":{"a":"1","b":"2"},"Shell":["/bin/ash","-c"]},"created":"${created}","history":[{"created":"${created}","created_by":"COPY . /"}],"os":"linux","rootfs":{"type":"layers","diff_ids":["${diffId}"]}}`,
  );
  expect(image.id).toBe(digestOf(text));
});

test("the manifest names the blob a layer came from; a layer made here stands by its diff id", async () => {
  await store.load(dockerArchive({ layers: [layer], stored: [gzipSync(layer)], tags: ["base:1"] }));
  const base = store.images.resolve("base:1");
  const top = await apply(tar({ name: "new", data: "new" }), base.top);
  const image = await store.images.create(
    { parent: base.id, top: top.chainId, run: {}, history: [], created },
    "new:1",
  );
  const manifest = JSON.parse((await store.blobs.read(image.manifest)).toString());
  expect(manifest).toEqual({
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: { mediaType: MediaType.config, digest: image.id, size: store.blobs.size(image.id) },
    layers: [
      { mediaType: MediaType.layerGzip, digest: digestOf(gzipSync(layer)), size: gzipSync(layer).length },
      { mediaType: MediaType.layer, digest: top.diffId, size: 0 },
    ],
  });
  expect(image).toMatchObject({ parent: base.id, tags: ["new:1"], size: 8 });
  expect(image.tagged).toBeGreaterThan(0);
  expect(await store.images.gc({ chains: [], blobs: [] })).toBe(0);
});

test("the same image again only moves the name; a bad name or parent leaves nothing", async () => {
  const { chainId } = await apply(layer);
  const make = { top: chainId, run: {}, history: [], created, platform };
  const first = await store.images.create(make, "one:1");
  const second = await store.images.create(make, "two:1");
  expect(second).toMatchObject({ id: first.id, added: first.added, tags: ["one:1", "two:1"] });
  const before = store.snapshot();
  expect(store.images.create(make, "Bad Name")).rejects.toThrow("invalid reference format");
  const parent = digestOf("nobody");
  expect(store.images.create({ ...make, parent }, "x:1")).rejects.toThrow(`parent image ${parent}: not in the store`);
  expect(store.images.create({ ...make, top: parent }, "x:1")).rejects.toMatchObject({ kind: "not-found" });
  expect(store.snapshot()).toEqual(before);
});

test("an image of nothing", async () => {
  const image = await store.images.create({ run: { Cmd: ["x"] }, history: [], created }, "scratchy");
  expect(image.config.rootfs.diff_ids).toEqual([]);
  expect(image.top).toBeUndefined();
  expect(store.images.resolve("scratchy").config.architecture).toBe(hostPlatform().architecture);
});

test("import: a tar of any compression is one layer; the blob stays as it came where OCI has a form for it", async () => {
  const id = await store.images.importTar(chunked(gzipSync(layer)), {
    reference: "imported:1",
    run: { Cmd: ["sh"] },
    platform: "linux/arm64/v8",
  });
  const image = store.images.resolve("imported:1");
  expect(image.id).toBe(id);
  expect(image.config).toMatchObject({
    architecture: "arm64",
    variant: "v8",
    config: { Cmd: ["sh"] },
    history: [{ comment: "Imported from -" }],
  });
  expect(store.layers.view(image.top).readFile("/hello")?.toString()).toBe("hello");
  expect(store.blobs.has(digestOf(gzipSync(layer)))).toBe(true);
  expect(store.images.inspect(id).Comment).toBe("Imported from -");
  const other = await store.images.importTar(chunked(layer), { message: "why not", run: {} });
  expect(store.images.history(other)[0]?.Comment).toBe("why not");
  expect(store.images.resolve(other).tags).toEqual([]);
});

test("import of what is no tar, or under a bad name, leaves nothing", async () => {
  const before = store.snapshot();
  const bad = (bytes: Buffer, reference?: string) =>
    store.images.importTar(chunked(bytes), { run: {}, ...(reference ? { reference } : {}) });
  const expectRefused = async (work: Promise<Digest>) => {
    expect(await work.catch((e: unknown) => e)).toMatchObject({ kind: "invalid-argument" });
    expect(store.snapshot()).toEqual(before);
  };
  await expectRefused(bad(Buffer.from("no tar, but longer than nothing")));
  await expectRefused(bad(layer.subarray(0, 514)));
  await expectRefused(bad(gzipSync(layer).subarray(0, 60)));
  await expectRefused(bad(tar({ name: "../out", data: "x" })));
  await expectRefused(bad(layer, "Bad:1"));
});
