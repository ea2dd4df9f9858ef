import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { LayerRecord, LayerStore } from "../../../layer/types.ts";
import { EngineHarness } from "../../../testing/engine-harness.ts";

// What may happen to a container while it is committed: its layer is held up until the test says so.

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open();
});
afterAll(() => h[Symbol.asyncDispose]());

let copying: PromiseWithResolvers<void>;
let go: PromiseWithResolvers<void>;
beforeEach(() => {
  copying = Promise.withResolvers();
  go = Promise.withResolvers();
  holdUp(h.layers);
});
afterEach(() => go.resolve());

/** Copies a container's layer, and then waits. */
function holdUp(layers: LayerStore): void {
  const commit = Object.getPrototypeOf(layers).commit as LayerStore["commit"];
  layers.commit = async (upper, options): Promise<LayerRecord> => {
    const layer = await commit.call(layers, upper, options);
    copying.resolve();
    await go.promise;
    return layer;
  };
}

const committed = (id: string, options: { repo?: string; pause?: boolean } = {}): Promise<{ Id: string }> =>
  h.backend.files.commit(id, { pause: true, changes: [], ...options });
const isPaused = async (id: string): Promise<boolean | undefined> =>
  (await h.backend.container.inspect(id, { size: false })).State?.Paused;
const told = async (id: string): Promise<string[]> =>
  (await h.events(id)).map((event) => event.Action ?? "").filter((action) => /pause|commit|kill|die/.test(action));
const running = (): Promise<string> => h.start(["sh", "-c", "echo made >/made; exec sleep 1000"]);
const writing = async (id: string): Promise<void> => {
  while (!(await h.backend.files.changes(id))?.some(({ Path: path }) => path === "/made"));
};
const remove = (id: string): Promise<void> =>
  h.backend.container.remove(id, { force: true, volumes: true, link: false });

test("it is paused for all to see, and its lock is free: it can be let go on, and killed", async () => {
  const id = await running();
  await writing(id);
  const work = committed(id, { repo: "held" });
  await copying.promise;
  expect(await isPaused(id)).toBe(true);
  await h.backend.container.unpause(id);
  expect(await isPaused(id)).toBe(false);
  await h.backend.container.pause(id);
  await h.backend.container.kill(id, {});
  expect(await h.wait(id)).toBe(137);
  go.resolve();
  const { Id: image } = await work;
  expect((await h.backend.image.inspect("held:latest")).Id).toBe(image);
  // A kernel that kills what is frozen leaves nothing to let go on.
  const all = await told(id);
  expect(all.slice(0, 3)).toEqual(["pause", "unpause", "pause"]);
  expect(all.slice(3).filter((action) => action !== "unpause")).toEqual(["kill", "die", "commit"]);
  await remove(id);
  const again = await h.start(["cat", "/made"], { Image: "held" });
  expect(await h.wait(again)).toBe(0);
  await remove(again);
});

test("two commits at once: the container goes on when the second has ended", async () => {
  const id = await running();
  const [one, two] = [committed(id), committed(id, { repo: "second" })];
  await copying.promise;
  go.resolve();
  const images = await Promise.all([one, two]);
  expect(await isPaused(id)).toBe(false);
  expect((await told(id)).filter((action) => action !== "commit")).toEqual(["pause", "unpause"]);
  expect(images.every(({ Id: image }) => image.startsWith("sha256:"))).toBe(true);
  await remove(id);
});

test("what a person has paused stays paused, and without pause nothing stands still", async () => {
  const id = await running();
  const work = committed(id, { pause: false });
  await copying.promise;
  expect(await isPaused(id)).toBe(false);
  await h.backend.container.pause(id);
  go.resolve();
  await work;
  await committed(id);
  expect(await isPaused(id)).toBe(true);
  await remove(id);
});

test("removed meanwhile: no image, no layer, and words that say so", async () => {
  const id = await running();
  await writing(id);
  const before = h.layers.list();
  const images = async (): Promise<string[]> =>
    (await h.backend.image.list({ all: true, filters: {} })).map(({ Id: image }) => image);
  const others = await images();
  const work = committed(id, { repo: "gone" });
  await copying.promise;
  await remove(id);
  go.resolve();
  await expect(work).rejects.toMatchObject({
    kind: "conflict",
    message: `container ${id} was removed while it was committed`,
  });
  expect(h.layers.list()).toEqual(before);
  expect(await images()).toEqual(others);
});

test("a container that has changed nothing gets no layer, and none stays behind", async () => {
  const id = await h.create(["true"]);
  const before = h.layers.list();
  go.resolve();
  const { Id: image } = await committed(id);
  expect((await h.backend.image.inspect(image)).RootFS?.Layers).toHaveLength(1);
  expect(h.layers.list()).toEqual(before);
  await remove(id);
});

test("a daemon that ends meanwhile leaves no container that stands still", async () => {
  const id = await running();
  const work = committed(id).catch(() => undefined);
  await copying.promise;
  const mark = `${h.root}/data/containers/${id}/frozen`;
  expect(existsSync(mark)).toBe(true);
  await h.down();
  expect(existsSync(mark)).toBe(false);
  go.resolve();
  await work;
  await h.up();
  expect(await isPaused(id)).toBe(false);
  await h.backend.container.stop(id, { timeout: 0 });
  await remove(id);
});
