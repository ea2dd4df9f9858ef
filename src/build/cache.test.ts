import { expect, test } from "bun:test";
import { BuildCache, cachedChains, cacheKey, pruneCache } from "./cache.ts";
import { Lab } from "./lab.test.ts";

test("the cache tells GC what to keep until it is pruned", async () => {
  await using lab = await Lab.open();
  const { images, layers, records } = lab.deps;
  await expect(lab.build({ Dockerfile: "FROM base\nENV a=b\nRUN echo x >/x\nRUN false\n" })).rejects.toThrow(
    "non-zero",
  );
  const [top] = cachedChains(records);
  if (!top) throw new Error("no layer");
  await images.gc({ chains: cachedChains(records), blobs: [] });
  expect(layers.get(top)?.chainId).toBe(top);
  expect((await lab.build({ Dockerfile: "FROM base\nENV a=b\nRUN echo x >/x\n" })).text).toContain("Using cache");

  expect(pruneCache(records, { unusedSince: 1 })).toEqual([]);
  expect(pruneCache(records)).toHaveLength(2);
  expect(cachedChains(records)).toEqual([]);
});

test("keys tell every part apart", () => {
  const keys = [["a", "b"], ["ab"], ["a", ["b"]], ["a", null, "b"], ["b", "a"]].map(cacheKey);
  expect(new Set(keys).size).toBe(keys.length);
  expect(cacheKey(["a", "b"])).toBe(keys[0] ?? "");
});

test("uses are written once, at the end", async () => {
  await using lab = await Lab.open();
  const { layers, records } = lab.deps;
  const table = records.table("buildcache");
  const cache = new BuildCache(records, layers, { read: true, hold: () => undefined });
  expect(cache.config("k", "ENV a=b").hit).toBe(false);
  expect(cache.config("k", "ENV a=b").hit).toBe(true);
  expect(table.entries()).toEqual([]);
  cache.flush();
  expect(table.entries()).toHaveLength(1);
  expect(new BuildCache(records, layers, { read: false, hold: () => undefined }).config("k", "ENV a=b").hit).toBe(
    false,
  );
});
