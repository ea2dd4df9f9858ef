import { afterEach, beforeEach, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import type { Digest } from "../spec/digest.ts";
import { dockerArchive, openTestStore, type TestStore, tar } from "./fixture.ts";
import type { ImageUser, RemovedItem } from "./types.ts";

let store: TestStore;
let id: Digest;
let short: string;
const layer = tar({ name: "a", data: "A" });
const upper = tar({ name: "b", data: "B" });
const CONTAINER = "0b94632c6646f98b179527a4597e7fa70d26507124d8d61acaecde3d12088553";

beforeEach(async () => {
  store = openTestStore();
  await store.load(dockerArchive({ layers: [layer], tags: ["app:1"] }));
  id = store.images.resolve("app:1").id;
  short = id.slice(7, 19);
});
afterEach(() => store.close());

async function remove(
  name: string,
  options: { force?: boolean; prune?: boolean; users?: ImageUser[] } = {},
): Promise<RemovedItem[]> {
  const { items, layers } = await store.images.remove(name, { force: false, prune: true, users: [], ...options });
  return [...items, ...layers.map((Deleted) => ({ Deleted }))];
}

const user = (running: boolean, image = id): ImageUser => ({ containerId: CONTAINER, image, running });
const layerChain = (): Digest => store.layers.list()[0]?.chainId ?? "sha256:";

test("the digests of a repository go with its last tag, the image with its last name", async () => {
  const digest: Digest = `sha256:${"d".repeat(64)}`;
  const names = ["one:1", "one:2", `one@${digest}`, "two:1", `two@${digest}`];
  store.records.transaction(() => {
    for (const name of names) store.records.table("tags").put(`docker.io/library/${name}`, { image: id });
  });
  expect(await remove("app:1")).toEqual([{ Untagged: "app:1" }]);
  expect(await remove("one:1")).toEqual([{ Untagged: "one:1" }]);
  expect(await remove("one:2")).toEqual([{ Untagged: "one:2" }, { Untagged: `one@${digest}` }]);
  expect(await remove(`two@${digest}`)).toEqual([{ Untagged: `two@${digest}` }]);
  const [untagged, deleted] = await remove("two:1");
  expect([untagged, deleted]).toEqual([{ Untagged: "two:1" }, { Deleted: id }]);
});

/** A conflict changes nothing. */
async function conflict(name: string, options: Parameters<typeof remove>[1], message: string): Promise<void> {
  const before = store.snapshot();
  const error: unknown = await remove(name, options).catch((e: unknown) => e);
  expect(error).toMatchObject({ kind: "conflict", message });
  expect(store.snapshot()).toEqual(before);
}

test("the last name takes image, layers and blobs with it", async () => {
  const chain = layerChain();
  expect(await remove("app:1")).toEqual([{ Untagged: "app:1" }, { Deleted: id }, { Deleted: chain }]);
  expect(store.blobs.list()).toEqual([]);
  expect(store.layers.list()).toEqual([]);
  expect(remove("app:1")).rejects.toMatchObject({ kind: "not-found", message: "No such image: app:1" });
});

test("of two names only the one goes; by id both need force", async () => {
  store.images.tag("app:1", "other/app:2");
  await conflict(
    id,
    {},
    `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
  );
  expect(await remove("app:1")).toEqual([{ Untagged: "app:1" }]);
  store.images.tag(id, "other/app:3");
  await conflict(
    short,
    {},
    `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
  );
  const chain = layerChain();
  expect(await remove(short, { force: true })).toEqual([
    { Untagged: "other/app:2" },
    { Untagged: "other/app:3" },
    { Deleted: id },
    { Deleted: chain },
  ]);
});

test("by id with one name", async () => {
  expect(await remove(short)).toEqual([{ Untagged: "app:1" }, { Deleted: id }, expect.anything()]);
});

test("a container keeps the last name, unless forced; its layers stay in any case", async () => {
  await conflict(
    "app:1",
    { users: [user(false)] },
    `conflict: unable to remove repository reference "app:1" (must force) - container 0b94632c6646 is using its referenced image ${short}`,
  );
  store.images.tag("app:1", "other:1");
  expect(await remove("other:1", { users: [user(false)] })).toEqual([{ Untagged: "other:1" }]);
  const users = [{ ...user(false), top: layerChain() }];
  expect(await remove("app:1", { users, force: true })).toEqual([{ Untagged: "app:1" }, { Deleted: id }]);
  expect(store.layers.list()).toHaveLength(1);
});

test("layers of a container whose image is gone survive the removal of an image that shares them", async () => {
  await store.load(dockerArchive({ layers: [layer, upper], tags: ["child:1"] }));
  await remove("app:1", { users: [user(false)], force: true });
  await remove("child:1", { users: [user(false)] });
  expect(store.layers.list().length).toBeGreaterThanOrEqual(1);
  await store.load(dockerArchive({ layers: [layer, upper], tags: ["child:1"] }));
  const bottom = store.layers.chain(store.images.resolve("child:1").top ?? id)[1]?.chainId ?? id;
  await remove("child:1", { users: [{ ...user(false), top: bottom }] });
  expect(store.layers.list().map((l) => l.chainId)).toEqual([bottom]);
  expect(await store.images.gc({ chains: [bottom], blobs: [] })).toBe(0);
  expect(await store.images.gc({ chains: [], blobs: [] })).toBeGreaterThan(0);
  expect(store.layers.list()).toEqual([]);
});

test("a running container cannot be forced by id; by name force only takes the name", async () => {
  const users = [user(true)];
  const message = `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container 0b94632c6646`;
  await conflict(id, { users }, message);
  await conflict(id, { users, force: true }, message);
  expect(await remove("app:1", { users, force: true })).toEqual([{ Untagged: "app:1" }]);
  expect(store.images.get(id)?.tags).toEqual([]);
  const stopped = `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container 0b94632c6646`;
  await conflict(id, { users: [user(false)] }, stopped);
  expect(await remove(id)).toEqual([{ Deleted: id }, expect.anything()]);
});

test("an image that others were built from stays until they go; then it goes as well, where it has no name", async () => {
  const make = (parent: Digest, n: number) =>
    store.images.create({
      parent,
      top: layerChain(),
      run: { Env: [`N=${n}`] },
      history: [],
      created: "2024-01-01T00:00:00Z",
    });
  const middle = await make(id, 1);
  const child = await store.images.create(
    { parent: middle.id, top: layerChain(), run: {}, history: [], created: "2024-01-01T00:00:00Z" },
    "built:1",
  );
  const message = `conflict: unable to delete ${middle.id.slice(7, 19)} (cannot be forced) - image has dependent child images`;
  await conflict(middle.id, { force: true }, message);
  expect(await remove("built:1")).toEqual([{ Untagged: "built:1" }, { Deleted: child.id }, { Deleted: middle.id }]);
  expect(store.images.resolve("app:1").id).toBe(id);

  const lone = await make(id, 2);
  expect(await remove("app:1")).toEqual([{ Untagged: "app:1" }]);
  expect(await remove(lone.id, { prune: false })).toEqual([{ Deleted: lone.id }]);
  expect(store.images.get(id)?.id).toBe(id);
});

test("layers and blobs that another image needs stay", async () => {
  await store.load(dockerArchive({ layers: [layer, upper], tags: ["child:1"] }));
  expect(await remove("app:1")).toEqual([{ Untagged: "app:1" }, { Deleted: id }]);
  expect(store.layers.list()).toHaveLength(2);
  expect(store.images.resolve("child:1").size).toBe(2);
  const items = await remove("child:1");
  expect(items.filter((i) => "Deleted" in i)).toHaveLength(3);
  expect([store.blobs.list(), store.layers.list()]).toEqual([[], []]);
});

test("an image whose config is lost can still be removed", async () => {
  rmSync(store.blobs.path(id));
  rmSync(store.blobs.path(store.images.resolve("app:1").manifest));
  expect(() => store.images.inspect("app:1")).toThrow(
    `blob ${id} is lost or damaged (remove the image with 'rmi -f ${short}'`,
  );
  expect(await remove("app:1")).toContainEqual({ Deleted: id });
});
