import { afterEach, beforeEach, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { MediaType } from "../../spec/oci.ts";
import { pushBlob, pushImage, pushManifest, type RegistryKit, registryKit } from "../../testing/registry-kit.ts";
import { openRegistry } from "./registry.ts";
import type { Change, ContentDigest, Metadata } from "./types.ts";

// Two registries over one storage, as on two machines, and the orders of events that are worst for them. The storage is a folder's, opened once and shared.

const NOW = { graceMs: 0, uploadMs: 3600_000 };
const LAYER = Buffer.from("layer");
let kit: RegistryKit;

beforeEach(() => {
  kit = registryKit();
});
afterEach(() => kit[Symbol.asyncDispose]());

/** What happens around calls of one machine's metadata. */
interface Hooks {
  beforeWrite?: (change: Change) => Promise<void>;
  beforeList?: (prefix: string) => Promise<void>;
  afterList?: (prefix: string) => Promise<void>;
  afterGet?: (key: string) => Promise<void>;
}

function machine(settleMs: number, hooks: Hooks = {}): RegistryKit {
  const { metadata } = kit.storage;
  const own: Metadata = {
    async get(key) {
      const found = await metadata.get(key);
      await hooks.afterGet?.(key);
      return found;
    },
    async list(prefix, options) {
      await hooks.beforeList?.(prefix);
      const found = await metadata.list(prefix, options);
      await hooks.afterList?.(prefix);
      return found;
    },
    // In order, not in one go, as an object store does it.
    async write(changes) {
      for (const change of changes) {
        await hooks.beforeWrite?.(change);
        await metadata.write([change]);
      }
    },
    create: (key, value) => metadata.create(key, value),
  };
  const storage = { ...kit.storage, metadata: own, exclusive: false, settleMs };
  const registry = openRegistry({ storage });
  return {
    ...kit,
    registry,
    storage,
    ask: (method, path, init = {}) => registry.answer(new Request(`http://registry/v2/${path}`, { method, ...init })),
  };
}

function manifestOf(digest: ContentDigest, seed = ""): object {
  const config = { mediaType: MediaType.config, digest, size: LAYER.byteLength };
  return { schemaVersion: 2, mediaType: MediaType.manifest, config, layers: [], annotations: { seed } };
}

const put = (on: RegistryKit, digest: ContentDigest, tag: string): Promise<Response> =>
  pushManifest(on, { repository: "a", tag }, manifestOf(digest, tag));

const isMark = (change: Change, root: string): boolean =>
  "put" in change && change.put.startsWith(root) && change.put.endsWith(".x");

/** What tag `tag` names is there, where the manifest was taken. */
async function whole(on: RegistryKit, taken: Response | undefined, tag: string): Promise<void> {
  if (taken?.status !== 201) return;
  expect((await on.ask("GET", `a/manifests/${tag}`)).status).toBe(200);
  const { config } = (await (await on.ask("GET", `a/manifests/${tag}`)).json()) as { config: { digest: string } };
  const blob = await on.ask("GET", `a/blobs/${config.digest}`);
  expect(blob.status).toBe(200);
  expect(await blob.text()).toBe("layer");
}

test("what another collection pardons meanwhile is not taken on the strength of the mark before", async () => {
  const a = machine(20);
  const digest = await pushBlob(a, "a", LAYER);
  let looks = 0;
  let first: Response | undefined;
  let second: Response | undefined;
  const b = machine(100, {
    // The writer has looked before the mark, and is done before the second look.
    beforeWrite: async (change) => {
      if (isMark(change, "presences/") && !first) first = await put(a, digest, "first");
    },
    beforeList: async (prefix) => {
      if (prefix !== "presences/a/" || ++looks !== 2) return;
      await a.registry.collector.collect(NOW);
      await a.ask("DELETE", `a/manifests/${first?.headers.get("docker-content-digest")}`);
    },
    // Nothing needs the blob by now; somebody comes to need it before it is taken.
    afterList: async (prefix) => {
      if (prefix === "manifests/a/" && looks === 2 && !second) second = await put(a, digest, "second");
    },
  });
  await b.registry.collector.collect(NOW);
  expect(first?.status).toBe(201);
  expect(second?.status).toBe(201);
  await whole(b, second, "second");
});

test("of two collections that keep different doubles neither takes the last", async () => {
  const a = machine(20);
  const digest = await pushBlob(a, "a", LAYER);
  const [old] = await kit.storage.metadata.list(`presences/a/${digest}/`);
  const double = `presences/a/${digest}/${LAYER.byteLength}-${randomUUID()}`;
  let taken: Response | undefined;
  let looks = 0;
  const b = machine(20, {
    beforeWrite: async (change) => {
      if (!isMark(change, "presences/") || taken) return;
      await kit.storage.metadata.write([{ put: double, value: "" }]);
      taken = await put(a, digest, "1");
    },
    // The other one had listed before the mark: it keeps the old one and condemns the new.
    afterList: async (prefix) => {
      if (prefix === "manifests/a/" && ++looks === 2)
        await kit.storage.metadata.write([{ put: `${double}.x`, value: "another" }]);
    },
  });
  await b.registry.collector.collect(NOW);
  const left = (await kit.storage.metadata.list(`presences/a/${digest}/`)).map(({ key }) => key);
  expect(left).toContain(old?.key ?? "");
  expect(taken?.status).toBe(201);
  await whole(b, taken, "1");
  // The next collections put it right: one is left, and may be relied on.
  for (let round = 0; round < 3; round++) await a.registry.collector.collect(NOW);
  expect(await kit.storage.metadata.list(`presences/a/${digest}/`)).toHaveLength(1);
  expect((await a.ask("HEAD", `a/blobs/${digest}`)).status).toBe(200);
});

test("what a collection that was killed had condemned is taken by the next, or pardoned", async () => {
  const a = machine(10);
  const [needed, loose] = [await pushBlob(a, "a", LAYER), await pushBlob(a, "a", Buffer.from("loose"))];
  expect((await put(a, needed, "1")).status).toBe(201);
  for (const { key } of await kit.storage.metadata.list("presences/"))
    await kit.storage.metadata.write([{ put: `${key}.x`, value: "of the dead" }]);
  expect((await a.ask("HEAD", `a/blobs/${needed}`)).status).toBe(404);
  expect(await a.registry.collector.collect(NOW)).toMatchObject({ presences: 1, blobs: 1 });
  expect((await a.ask("HEAD", `a/blobs/${needed}`)).status).toBe(200);
  expect((await a.ask("GET", `a/blobs/${loose}`)).status).toBe(404);
  expect((await put(a, needed, "again")).status).toBe(201);
});

test("many collections at once, with pushes and deletes: all that is taken in is whole, and nothing is left", async () => {
  const machines = [machine(20), machine(20), machine(20)];
  let busy = true;
  const collections = machines.map(async ({ registry }) => {
    while (busy) {
      await registry.collector.collect(NOW);
      // A folder answers at once: others have their turn.
      await turn();
    }
  });
  for (let n = 0; n < 24; n++) {
    const [on, other] = [machines[n % 3], machines[(n + 1) % 3]] as [RegistryKit, RegistryKit];
    const digest = await pushBlob(on, "a", LAYER);
    const taken = await put(other, digest, `t${n % 4}`);
    expect([201, 400]).toContain(taken.status);
    await whole(on, taken, `t${n % 4}`);
    await turn();
    if (n % 5 === 4) await on.ask("DELETE", `a/manifests/${taken.headers.get("docker-content-digest")}`);
  }
  busy = false;
  await Promise.all(collections);
  for (const { key } of await kit.storage.metadata.list("manifests/a/"))
    await kit.ask("DELETE", `a/manifests/${key.slice("manifests/a/".length)}`);
  for (let round = 0; round < 3; round++) await machines[0]?.registry.collector.collect(NOW);
  expect(await kit.storage.metadata.list("")).toEqual([]);
});

test("a push that has to be taken back leaves its tag as it was", async () => {
  const a = machine(10_000);
  const before = await pushImage(a, { repository: "a", tag: "1" }, { layers: ["x"] });
  const digest = await pushBlob(a, "a", LAYER);
  const [presence] = await kit.storage.metadata.list(`presences/a/${digest}/`);
  // So slow a writer that the blob is condemned while it writes, and that it has to look again.
  const slow = machine(2, {
    beforeWrite: async (change) => {
      if (!("put" in change) || !change.put.startsWith("manifests/")) return;
      await kit.storage.metadata.write([{ put: `${presence?.key}.x`, value: "another" }]);
      await Bun.sleep(2); // Its patience, which is what is tried here.
    },
  });
  const refused = await put(slow, digest, "1");
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("1");
  expect((await a.ask("GET", "a/manifests/1")).headers.get("docker-content-digest")).toBe(before.digest);
  expect(await kit.storage.metadata.list("manifests/a/")).toHaveLength(1);
});

test("a push that is taken back leaves the same manifest of another machine", async () => {
  const a = machine(10_000);
  const digest = await pushBlob(a, "a", LAYER);
  const [presence] = await kit.storage.metadata.list(`presences/a/${digest}/`);
  let written = false;
  let taken: Response | undefined;
  const slow = machine(2, {
    beforeWrite: async (change) => {
      if (!("put" in change) || !change.put.startsWith("manifests/")) return;
      await kit.storage.metadata.write([{ put: `${presence?.key}.x`, value: "another" }]);
      await Bun.sleep(2); // Its patience.
      written = true;
    },
    // Its second look has seen what is condemned; then somebody brings all of it anew.
    afterList: async (prefix) => {
      if (!written || taken || !prefix.startsWith("presences/")) return;
      await pushBlob(a, "a", LAYER);
      taken = await put(a, digest, "1");
    },
  });
  expect((await put(slow, digest, "1")).status).toBe(503);
  expect(taken?.status).toBe(201);
  await whole(a, taken, "1");
});

test("a tag that stands for nothing, and is taken as it is pushed anew, is there in the end", async () => {
  const a = machine(100);
  const digest = await pushBlob(a, "a", LAYER);
  const gone = `sha256:${"0".repeat(64)}`;
  await kit.storage.metadata.write([{ put: "tags/a/1", value: gone }]);
  expect((await put(a, digest, "other")).status).toBe(201);
  let pushing: Promise<Response> | undefined;
  const written = Promise.withResolvers<void>();
  const writer = machine(100, {
    afterGet: async (key) => {
      if (key === "tags/a/1" && (await kit.storage.metadata.get(key))?.toString() !== gone) written.resolve();
    },
    beforeWrite: async (change) => {
      if ("put" in change && change.put === "tags/a/1") setImmediate(written.resolve);
    },
  });
  const b = machine(20, {
    // GC has seen that the tag's manifest is not there.
    beforeWrite: async (change) => {
      if (!("remove" in change) || change.remove !== "tags/a/1") return;
      pushing = put(writer, digest, "1");
      await written.promise;
    },
  });
  await b.registry.collector.collect(NOW);
  expect((await pushing)?.status).toBe(201);
  await whole(a, await pushing, "1");
});
