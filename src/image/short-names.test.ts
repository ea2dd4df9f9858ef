import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Digest } from "../spec/digest.ts";
import { openTestStore, type TestStore } from "./fixture.ts";
import { openImageStore } from "./store.ts";
import type { ImageStore } from "./types.ts";

let store: TestStore;
let images: ImageStore;
let shortNames: Record<string, string> = {};
let [long, other]: Digest[] = [];
beforeEach(async () => {
  store = openTestStore();
  shortNames = { pg: "registry.example/db/postgres" };
  images = openImageStore({ ...store, resolution: () => ({ shortNames }) });
  const make = async (User: string): Promise<Digest> =>
    (await images.create({ run: { User }, history: [], created: "2024-01-01T00:00:00Z" })).id;
  [long, other] = [await make("1"), await make("2")];
  images.tag(long, "registry.example/db/postgres:16");
});
afterEach(() => store.close());

test("a short name finds the image that has the long one, by tag", () => {
  expect(images.resolve("pg:16").id).toBe(long as Digest);
  expect(() => images.resolve("pg:17")).toThrow("No such image: pg:17");
  expect(() => images.resolve("pg")).toThrow("No such image: pg:latest");
  expect(() => images.resolve("other.example/pg:16")).toThrow("No such image");
});

test("an image that has just that name comes first", () => {
  images.tag(other as Digest, "pg:16");
  expect(images.resolve("pg:16").id).toBe(other as Digest);
});

test("what is read again counts at once", () => {
  shortNames = {};
  expect(() => images.resolve("pg:16")).toThrow("No such image: pg:16");
});

test("removal by the short name takes the long one away", async () => {
  const { items } = await images.remove("pg:16", { force: false, prune: true, users: [] });
  expect(items[0]).toEqual({ Untagged: "registry.example/db/postgres:16" });
  expect(items).toContainEqual({ Deleted: long as Digest });
});

test("an archive of the short name holds the long one", async () => {
  const parts = await Array.fromAsync(images.save(["pg:16"], {}));
  const text = Buffer.concat(parts).toString("latin1");
  expect(text).toContain("registry.example/db/postgres:16");
  expect(text).not.toContain("pg:16");
});
