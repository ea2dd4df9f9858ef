import { afterEach, beforeEach, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { Digest } from "../spec/digest.ts";
import { chunked, digestOf, dockerArchive, openTestStore, type TestStore, tar } from "./fixture.ts";

let store: TestStore;
beforeEach(() => {
  store = openTestStore();
});
afterEach(() => store.close());

const nothing = { chains: [], blobs: [] };
const layer = tar({ name: "a", data: "A" });
const apply = (data: string, parent?: Digest) =>
  store.layers.applyStream(chunked(tar({ name: "f", data })), parent ? { parent } : {});

test("what nothing needs goes, upper layers first, and the bytes are counted", async () => {
  const bottom = await apply("1234");
  await apply("12345", bottom.chainId);
  const blob = await store.blobs.ingestBytes(Buffer.alloc(100));
  expect(await store.images.gc(nothing)).toBe(109);
  expect(store.layers.list()).toEqual([]);
  expect(store.blobs.has(blob.digest)).toBe(false);
  expect(await store.images.gc(nothing)).toBe(0);
});

test("images keep their config, manifest, blobs and layers", async () => {
  await store.load(dockerArchive({ layers: [layer], tags: ["keep:1"] }));
  const before = store.snapshot();
  expect(await store.images.gc(nothing)).toBe(0);
  expect(store.snapshot()).toEqual(before);
});

test("leases and `keep` protect a stack with all below it, and blobs", async () => {
  const bottom = await apply("1");
  const top = await apply("22", bottom.chainId);
  const other = await apply("333");
  const blob = await store.blobs.ingestBytes(Buffer.from("blob"));
  const kept = await store.blobs.ingestBytes(Buffer.from("kept"));
  const lease = store.leases.acquire();
  lease.add(top.chainId);
  lease.add(blob.digest);
  expect(await store.images.gc({ chains: [other.chainId], blobs: [kept.digest] })).toBe(0);
  await lease[Symbol.asyncDispose]();
  expect(await store.images.gc({ chains: [other.chainId], blobs: [kept.digest] })).toBe(1 + 2 + 4);
  expect(store.layers.list().map((l) => l.chainId)).toEqual([other.chainId]);
  expect(store.blobs.list()).toEqual([kept.digest]);
});

test("an image whose manifest is lost keeps its layers and their blobs, is told of once, and stops no sweep", async () => {
  await store.load(dockerArchive({ layers: [layer], tags: ["broken:1"] }));
  const { manifest, top, id } = store.images.resolve("broken:1");
  rmSync(store.blobs.path(manifest));
  await store.blobs.ingestBytes(Buffer.from("stray"));
  // A manifest that was read before is remembered: only a new start has to look.
  store.records.close();
  const warnings: string[] = [];
  store = openTestStore(store.root, { warn: (line) => warnings.push(line) });
  expect(await store.images.gc(nothing)).toBe("stray".length);
  expect(await store.images.gc(nothing)).toBe(0);
  expect(store.layers.list().map((l) => l.chainId)).toEqual(top ? [top] : []);
  expect(store.blobs.list().sort()).toEqual([digestOf(layer), id].sort());
  expect(warnings).toEqual([expect.stringContaining(`blob ${manifest} is lost or damaged`)]);
});

test("a layer is held before it can be seen: a sweep at any moment leaves it to its maker", async () => {
  const lease = store.leases.acquire();
  const busy = { done: false };
  const sweeping = (async () => {
    while (!busy.done) {
      await store.images.gc(nothing);
      await setImmediate();
    }
  })();
  let parent: Digest | undefined;
  for (let i = 0; i < 30; i++) {
    const own = { ...(parent ? { parent } : {}), hold: (chain: Digest) => lease.add(chain) };
    parent = (await store.layers.applyStream(chunked(tar({ name: `f${i}`, data: String(i) })), own)).chainId;
    expect(store.layers.chain(parent)).toHaveLength(i + 1);
  }
  busy.done = true;
  await sweeping;
  await lease[Symbol.asyncDispose]();
  await store.images.gc(nothing);
  expect(store.layers.list()).toEqual([]);
});

test("what keeps content is asked again before each removal", async () => {
  const bottom = await apply("1");
  const top = await apply("22", bottom.chainId);
  const asked: number[] = [];
  const late = {
    get chains() {
      asked.push(asked.length);
      return asked.length > 1 ? [bottom.chainId] : [];
    },
    blobs: [],
  };
  expect(await store.images.gc(late)).toBe(2);
  expect(store.layers.list().map((l) => l.chainId)).toEqual([bottom.chainId]);
  expect(store.layers.get(top.chainId)).toBeUndefined();
});

test("GC at any moment does not disturb loads and imports that are under way", async () => {
  const busy = { done: false };
  const sweeping = (async () => {
    let rounds = 0;
    for (; !busy.done; rounds++) {
      await store.images.gc(nothing);
      await setImmediate();
    }
    return rounds;
  })();
  const work = Array.from({ length: 6 }, async (_, i) => {
    const layers = [layer, tar({ name: "own", data: `layer of ${i}` })];
    await store.load(dockerArchive({ layers, tags: [`load:${i}`] }));
    await store.images.importTar(chunked(tar({ name: "root", data: `import ${i}` })), {
      reference: `import:${i}`,
      run: {},
    });
  });
  await Promise.all(work);
  busy.done = true;
  expect(await sweeping).toBeGreaterThan(1);
  for (let i = 0; i < 6; i++) {
    const loaded = store.images.resolve(`load:${i}`);
    expect(store.layers.view(loaded.top).readFile("/own")?.toString()).toBe(`layer of ${i}`);
    expect(
      store.layers
        .view(store.images.resolve(`import:${i}`).top)
        .readFile("/root")
        ?.toString(),
    ).toBe(`import ${i}`);
    const manifest = JSON.parse((await store.blobs.read(loaded.manifest)).toString());
    expect(manifest.layers.every((l: { digest: Digest }) => store.blobs.has(l.digest))).toBe(true);
  }
});

test("killed in the middle of a load, the next start and GC leave what was there before", async () => {
  await store.load(dockerArchive({ layers: [layer], tags: ["before:1"] }));
  const before = store.snapshot();
  store.records.close();
  const script = `
    const { openTestStore, dockerArchive, tar } = await import(${JSON.stringify(`${import.meta.dir}/fixture.ts`)});
    const store = openTestStore(${JSON.stringify(store.root)});
    const layers = Array.from({ length: 4 }, (_, i) => tar({ name: "f" + i, data: Buffer.alloc(400_000, i) }));
    const archive = dockerArchive({ layers, tags: ["half:1"] });
    async function* stopping() { yield archive.subarray(0, 1_000_000); console.log("now"); await new Promise((r) => setTimeout(r, 60_000)); }
    for await (const _ of store.images.load(stopping(), { quiet: true }));`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  for await (const _ of child.stdout) child.kill("SIGKILL");
  await child.exited;
  store = openTestStore(store.root);
  expect(store.blobs.list().length).toBeGreaterThan(3);
  expect(await store.images.gc(nothing)).toBeGreaterThan(400_000);
  expect(store.snapshot()).toEqual(before);
  expect(store.blobs.has(digestOf(layer))).toBe(true);
});
