import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { MediaType } from "../../spec/oci.ts";
import { pushBlob, pushImage, pushManifest, type RegistryKit, registryKit } from "../../testing/registry-kit.ts";

const NOW = { graceMs: 0, uploadMs: 0 };
const LATER = { graceMs: 3600_000, uploadMs: 3600_000 };
let kit: RegistryKit;

beforeEach(() => {
  kit = registryKit();
});
afterEach(() => kit[Symbol.asyncDispose]());

const files = (): number =>
  readdirSync(join(kit.root, "data"), { recursive: true, withFileTypes: true }).filter((f) => f.isFile()).length;
const keys = async (): Promise<string[]> => (await kit.storage.metadata.list("")).map((entry) => entry.key);
const status = async (method: string, path: string): Promise<number> => (await kit.ask(method, path)).status;

test("what a manifest names stays, what none names goes with its bytes", async () => {
  const image = await pushImage(kit, { repository: "a/b", tag: "1" }, { layers: ["one", "two"] });
  const loose = await pushBlob(kit, "a/b", Buffer.from("loose"));
  expect(await kit.registry.collector.collect(NOW)).toMatchObject({ presences: 1, blobs: 1, bytes: 5 });
  expect(await status("HEAD", `a/b/blobs/${loose}`)).toBe(404);
  for (const digest of [image.config, ...image.layers]) expect(await status("GET", `a/b/blobs/${digest}`)).toBe(200);
  expect(files()).toBe(3);
});

test("a deleted image leaves an empty registry", async () => {
  const { digest } = await pushImage(kit, { repository: "a", tag: "1" }, { layers: ["one", "two"] });
  expect(await status("DELETE", `a/manifests/${digest}`)).toBe(202);
  await kit.registry.collector.collect(NOW);
  expect(await keys()).toEqual([]);
  expect(files()).toBe(0);
});

test("bytes that two repositories have go with the last of them", async () => {
  const [a, b] = [
    await pushImage(kit, { repository: "a", tag: "1" }, { layers: ["shared"] }),
    await pushImage(kit, { repository: "b", tag: "1" }, { layers: ["shared"] }),
  ];
  expect(files()).toBe(2);
  await kit.ask("DELETE", `a/manifests/${a.digest}`);
  expect(await kit.registry.collector.collect(NOW)).toMatchObject({ presences: 2, blobs: 0 });
  expect(await status("GET", `a/blobs/${a.layers[0]}`)).toBe(404);
  expect(await (await kit.ask("GET", `b/blobs/${b.layers[0]}`)).text()).toBe("shared");
});

test("what is young stays, also after it was asked for", async () => {
  const loose = await pushBlob(kit, "a", Buffer.from("loose"));
  expect(await kit.registry.collector.collect(LATER)).toMatchObject({ presences: 0, blobs: 0 });
  expect(await status("HEAD", `a/blobs/${loose}`)).toBe(200);
});

test("a manifest that comes while GC looks keeps its blobs", async () => {
  const layer = Buffer.from("layer");
  const digest = await pushBlob(kit, "a", layer);
  const { metadata } = kit.storage;
  const list = metadata.list.bind(metadata);
  let pushed: Promise<Response> | undefined;
  // The moment after the marking: GC has seen that nothing names the blob.
  metadata.list = async (prefix, options) => {
    const found = await list(prefix, options);
    if (prefix.startsWith("manifests/a/") && !pushed) {
      const blob = { mediaType: MediaType.layer, digest, size: layer.byteLength };
      pushed = pushManifest(
        kit,
        { repository: "a", tag: "1" },
        { schemaVersion: 2, mediaType: MediaType.manifest, config: blob, layers: [] },
      );
      await pushed;
    }
    return found;
  };
  await kit.registry.collector.collect(NOW);
  expect((await pushed)?.status).toBe(201);
  expect(await (await kit.ask("GET", `a/blobs/${digest}`)).text()).toBe("layer");
});

test("uploads that nobody goes on with end, and those that move stay", async () => {
  const begin = async (): Promise<string> => (await kit.ask("POST", "a/blobs/uploads/")).headers.get("location") ?? "";
  const [old, young] = [(await begin()).slice(4), (await begin()).slice(4)];
  for (const at of [old, young]) expect((await kit.ask("PATCH", at, { body: "part" })).status).toBe(202);
  const hourAgo = new Date(Date.now() - 3600_000);
  const id = old.split("/").at(-1) ?? "";
  utimesSync(join(kit.root, "data", id.slice(0, 2), id), hourAgo, hourAgo);
  await kit.storage.metadata.write([]);
  expect(await kit.registry.collector.collect({ graceMs: 0, uploadMs: 1800_000 })).toMatchObject({ uploads: 0 });
  expect(await kit.registry.collector.collect({ graceMs: 0, uploadMs: 0 })).toMatchObject({ uploads: 2, bytes: 8 });
  expect(await status("GET", old)).toBe(404);
  expect(files()).toBe(0);
});

test("data without a record, as a kill leaves it, goes", async () => {
  await kit.storage.data.append(
    "0123-stray",
    0,
    (async function* () {
      yield Buffer.from("stray");
    })(),
  );
  expect(await kit.registry.collector.collect(NOW)).toMatchObject({ strays: 1 });
  expect(files()).toBe(0);
});

test("records that a kill may leave are put right", async () => {
  const { digest } = await pushImage(kit, { repository: "a", tag: "1" }, { layers: ["x"] });
  const gone = `sha256:${"0".repeat(64)}`;
  await kit.storage.metadata.write([
    { put: "tags/a/dangling", value: gone },
    { put: `referrers/a/${digest}/${gone}`, value: "" },
    { put: "catalog/empty", value: "" },
    { remove: "catalog/a" },
  ]);
  await kit.registry.collector.collect(NOW);
  const left = await keys();
  expect(left).toContain("catalog/a");
  expect(left).not.toContain("catalog/empty");
  expect(left).not.toContain("tags/a/dangling");
  expect(left.filter((key) => key.startsWith("referrers/"))).toEqual([]);
  expect(await status("GET", "a/manifests/1")).toBe(200);
});

test("where others write too, what is condemned is not relied on, and comes back with the next push", async () => {
  const layer = Buffer.from("layer");
  const digest = await pushBlob(kit, "a", layer);
  const [presence] = await kit.storage.metadata.list(`presences/a/${digest}/`);
  await kit.storage.metadata.write([{ put: `${presence?.key}.x`, value: "" }]);
  expect(await status("HEAD", `a/blobs/${digest}`)).toBe(404);
  expect(await status("GET", `a/blobs/${digest}`)).toBe(200);
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: { mediaType: MediaType.config, digest, size: layer.byteLength },
    layers: [],
  };
  const target = { repository: "a", tag: "1" };
  expect((await pushManifest(kit, target, manifest)).status).toBe(400);
  await pushBlob(kit, "a", layer);
  expect((await pushManifest(kit, target, manifest)).status).toBe(201);
  expect(await kit.registry.collector.collect(NOW)).toMatchObject({ presences: 1, blobs: 0 });
  expect(await status("HEAD", `a/blobs/${digest}`)).toBe(200);
});
