import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { LayerRecord } from "../layer/types.ts";
import type { Digest } from "../spec/digest.ts";
import { digestOf, dockerArchive, openTestStore, type TestStore, tar } from "./fixture.ts";

// A crash of the host, after which some of what was written a moment before is not as it was. Each boot is an open of the same root with another name of the boot.

let store: TestStore;
let warnings: string[] = [];
let roots: string[] = [];

beforeEach(() => {
  warnings = [];
  store = openTestStore(undefined, { boot: "first" });
  roots = [store.root];
});
afterEach(() => {
  store.records.close();
  for (const root of roots) rmSync(root, { recursive: true });
});

async function boot(name: string): Promise<void> {
  store.records.close();
  store = openTestStore(store.root, { boot: name, warn: (line) => warnings.push(line) });
  await store.images.recover();
}

const BELOW = tar({ name: "below", data: "below all" });
const ABOVE = tar({ name: "above", data: "above it" });

async function load(tag: string, ...layers: Buffer[]): Promise<LayerRecord[]> {
  const stored = layers.map((layer) => gzipSync(layer));
  await store.load(dockerArchive({ layers, stored, tags: [tag] }));
  return store.layers.chain(store.images.resolve(tag).top as Digest).reverse();
}

const layerFile = ({ short }: LayerRecord, name: string): string => join(store.root, "layers", short, "diff", name);
const blobOf = ({ blob }: LayerRecord): string => store.blobs.path(blob as Digest);
const names = (): string[] => store.images.list({ all: true, filters: {} }).flatMap((image) => image.RepoTags ?? []);
const marks = (): string[] =>
  readdirSync(join(store.root, "content/unsynced"), { recursive: true, encoding: "utf8" }).filter((n) =>
    n.includes("/"),
  );

async function made(tag: string, file: string, parent?: Digest): Promise<LayerRecord> {
  const tree = join(store.root, "tree");
  mkdirSync(tree);
  writeFileSync(join(tree, "file"), file);
  const layer = await store.layers.commit(tree, { move: true, ...(parent ? { parent } : {}) });
  await store.images.create({ top: layer.chainId, run: {}, history: [], created: "2026-01-01T00:00:00Z" }, tag);
  return layer;
}

test("a layer whose tree is hurt is made anew from its blob; the image is as it was", async () => {
  const [below, above] = (await load("app:1", BELOW, ABOVE)) as [LayerRecord, LayerRecord];
  truncateSync(layerFile(below, "below"), 0);
  rmSync(join(store.root, "layers", above.short), { recursive: true });
  await boot("second");
  expect(readFileSync(layerFile(below, "below"), "utf8")).toBe("below all");
  expect(readFileSync(layerFile(above, "above"), "utf8")).toBe("above it");
  expect(names()).toEqual(["app:1"]);
  expect(warnings).toEqual([]);
});

test("a blob that is hurt goes; an image that needs it for a layer is dropped with its names, and one that does not stays", async () => {
  const [lost] = (await load("lost:1", BELOW)) as [LayerRecord];
  const [kept] = (await load("kept:1", ABOVE)) as [LayerRecord];
  truncateSync(blobOf(lost), 10);
  rmSync(layerFile(lost, "below"));
  await boot("second");
  expect(names()).toEqual(["kept:1"]);
  expect(store.layers.list().map((l) => l.chainId)).toEqual([kept.chainId]);
  expect(existsSync(blobOf(lost))).toBe(false);
  expect(warnings).toEqual([expect.stringContaining("image lost:1 had not reached the disk")]);
  expect(await load("lost:1", BELOW)).toHaveLength(1);
});

test("a layer that was made here and is hurt takes with it what stands on it; a whole one stays", async () => {
  const bottom = await made("bottom:1", "bottom");
  await made("top:1", "top", bottom.chainId);
  const whole = await made("whole:1", "whole");
  writeFileSync(layerFile(bottom, "file"), "else");
  await boot("second");
  expect(names()).toEqual(["whole:1"]);
  expect(store.layers.list().map((l) => l.chainId)).toEqual([whole.chainId]);
  expect(readFileSync(layerFile(whole, "file"), "utf8")).toBe("whole");
  expect(warnings).toHaveLength(2);
});

test("a config that is hurt is a lost image, not one that cannot be removed", async () => {
  await load("app:1", BELOW);
  truncateSync(store.blobs.path(store.images.resolve("app:1").id), 0);
  await boot("second");
  expect(names()).toEqual([]);
  expect(warnings).toEqual([expect.stringContaining("app:1")]);
});

test("what the disk has is not looked at again", async () => {
  const [layer] = (await load("app:1", BELOW)) as [LayerRecord];
  expect(marks()).not.toEqual([]);
  await store.images.settle();
  expect(marks()).toEqual([]);
  // Nothing reads these any more, so nothing finds out.
  truncateSync(layerFile(layer, "below"), 0);
  truncateSync(blobOf(layer), 0);
  await boot("second");
  expect(names()).toEqual(["app:1"]);
});

test("a kill of the daemon alone loses nothing, and its marks go with the next sync", async () => {
  await load("app:1", BELOW);
  await boot("first");
  expect(marks()).not.toEqual([]);
  await store.images.settle();
  expect(marks()).toEqual([]);
  expect(store.layers.list().map((layer) => layer.unsynced)).toEqual([undefined]);
  await boot("second");
  expect(names()).toEqual(["app:1"]);
});

test("a crash while the last one is put right: the next start goes on", async () => {
  const [layer] = (await load("app:1", BELOW)) as [LayerRecord];
  truncateSync(layerFile(layer, "below"), 0);
  await boot("second");
  truncateSync(layerFile(layer, "below"), 0);
  await boot("third");
  expect(readFileSync(layerFile(layer, "below"), "utf8")).toBe("below all");
});

test("a blob that is removed and comes again is marked again, whenever the sync of the first ends", async () => {
  const bytes = Buffer.from("content");
  const { digest } = await store.blobs.ingestBytes(bytes);
  const syncing = store.images.settle();
  store.blobs.remove(digest);
  expect(marks()).toEqual([]);
  await store.blobs.ingestBytes(bytes);
  await syncing;
  expect(marks()).toEqual([`first/${digestOf(bytes).slice("sha256:".length)}`]);
  await store.images.settle();
  expect(marks()).toEqual([]);
});
