import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { RegistryClient, Repository } from "../registry/types.ts";
import type { Digest } from "../spec/digest.ts";
import { MediaType } from "../spec/oci.ts";
import { parseReference } from "../spec/reference.ts";
import { configFor, digestOf, openTestStore, type TestStore, tar } from "./fixture.ts";
import type { ImageProgress } from "./types.ts";

// Pulls that do not come to their end, from a registry that gives each blob when, and how, the test says.

const REF = parseReference("host:5000/app:1");
const CUT = new Error("the connection was cut");

let store: TestStore;
let registry: Registry;
beforeEach(() => {
  store = openTestStore();
  registry = new Registry();
});
afterEach(() => store.close());

/** How a blob is given: whole, or as the function does it. */
type Giving = (bytes: Buffer, signal?: AbortSignal) => AsyncGenerator<Uint8Array>;

class Registry {
  readonly asked: Digest[] = [];
  readonly giving = new Map<Digest, Giving>();
  readonly #blobs = new Map<Digest, Buffer>();
  #manifest = Buffer.alloc(0);

  /** The image that tag 1 stands for from now on. Returns its layers' digests. */
  image(...layers: Buffer[]): Digest[] {
    const put = (mediaType: string, bytes: Buffer): { mediaType: string; digest: Digest; size: number } => {
      this.#blobs.set(digestOf(bytes), bytes);
      return { mediaType, digest: digestOf(bytes), size: bytes.length };
    };
    const config = put(MediaType.config, Buffer.from(configFor(layers)));
    const parts = layers.map((layer) => put(MediaType.layer, layer));
    const manifest = { schemaVersion: 2, mediaType: MediaType.manifest, config, layers: parts };
    this.#manifest = Buffer.from(JSON.stringify(manifest));
    return parts.map((part) => part.digest);
  }

  client(): RegistryClient {
    const blob: Repository["blob"] = async (digest, { signal } = {}) => {
      this.asked.push(digest);
      const bytes = this.#blobs.get(digest) ?? Buffer.alloc(0);
      return (this.giving.get(digest) ?? whole)(bytes, signal);
    };
    const manifest: Repository["manifest"] = async () => ({
      digest: digestOf(this.#manifest),
      mediaType: MediaType.manifest,
      bytes: this.#manifest,
    });
    return { repository: () => ({ manifest, blob }) as unknown as Repository } as unknown as RegistryClient;
  }
}

async function* whole(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Some of it, then what `end` makes of the rest. */
function cut(end: Promise<never>): Giving {
  return async function* (bytes) {
    yield bytes.subarray(0, 512);
    await end;
  };
}

/** Pulls; `on` sees each message before the next one is asked for. */
async function pull(
  on: (message: ImageProgress) => void = () => undefined,
  options: { signal?: AbortSignal } = {},
): Promise<string[]> {
  const lines: string[] = [];
  for await (const message of store.images.pull(registry.client(), REF, options)) {
    lines.push(`${message.id ?? ""} ${message.status ?? ""}`);
    on(message);
  }
  return lines;
}

/** A pull of these layers that is cut off in the last one when all others are unpacked. */
async function cutOff(...layers: Buffer[]): Promise<Digest[]> {
  const digests = registry.image(...layers);
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => undefined);
  registry.giving.set(digests.at(-1) ?? "sha256:", cut(broken.promise));
  let left = layers.length - 1;
  const failed = pull(({ status }) => {
    if (status === "Pull complete" && --left === 0) broken.reject(CUT);
  });
  if (left === 0) broken.reject(CUT);
  await expect(failed).rejects.toThrow(CUT.message);
  registry.giving.clear();
  registry.asked.length = 0;
  return digests;
}

const layer = (text: string): Buffer => tar({ name: text, data: text.repeat(600) });
const short = (digest: Digest | undefined): string => digest?.slice(7, 19) ?? "";
const nothing = { chains: [], blobs: [] };
const isEmpty = (): boolean => store.blobs.list().length === 0 && store.layers.list().length === 0;

describe("a pull that is cut off", () => {
  test("shows nothing, and the next one goes on from the layers that had come", async () => {
    const [one, two, three] = await cutOff(layer("1"), layer("2"), layer("3"));
    expect(store.images.list({ all: true, filters: {} })).toEqual([]);
    expect(() => store.images.resolve("host:5000/app:1")).toThrow("No such image");
    const lines = await pull();
    expect(lines).toContain(`${short(one)} Already exists`);
    expect(lines).toContain(`${short(two)} Already exists`);
    expect(registry.asked.filter((digest) => [one, two, three].includes(digest))).toEqual([three ?? "sha256:"]);
    const after = store.snapshot();
    const straight = openTestStore();
    for await (const _ of straight.images.pull(registry.client(), REF, {}));
    expect(store.blobs.list().sort()).toEqual(straight.blobs.list().sort());
    straight.close();
    expect(await store.images.sweepLeftovers(nothing)).toBe(0);
    expect(store.snapshot()).toEqual(after);
    await store.images.remove("host:5000/app:1", { force: false, prune: true, users: [] });
    expect(isEmpty()).toBe(true);
  });

  test("what had come outlives a start and its sweep, and goes with a prune", async () => {
    const [one] = await cutOff(layer("1"), layer("2"));
    const root = store.root;
    store.records.close();
    store = openTestStore(root);
    expect(await store.images.sweepLeftovers(nothing)).toBe(0);
    expect(await pull()).toContain(`${short(one)} Already exists`);
    await cutOff(layer("4"), layer("5"));
    expect(await store.images.gc(nothing)).toBeGreaterThan(0);
    await store.images.remove("host:5000/app:1", { force: false, prune: true, users: [] });
    expect(isEmpty()).toBe(true);
  });

  test("of many that are cut off the last three keep what they have; what a container uses stays in any case", async () => {
    const tops: string[] = [];
    for (const n of ["a", "b", "c", "d"]) tops.push(short((await cutOff(layer(n), layer(`${n}${n}`)))[0]));
    const kept = (): string[] => store.layers.list().map((record) => short(record.diffId));
    expect(kept().sort()).toEqual(tops.slice(1).sort());
    const used = store.layers.list().find((record) => short(record.diffId) === tops[1]);
    const keep = { chains: used ? [used.chainId] : [], blobs: [] };
    registry.image(layer("e"));
    for await (const _ of store.images.pull(registry.client(), REF, { keep }));
    expect(kept()).toContain(tops[1] ?? "");
  });

  test("one whose first layer has not come leaves nothing", async () => {
    await cutOff(layer("1"));
    expect(isEmpty()).toBe(true);
    expect(await store.images.gc(nothing)).toBe(0);
  });

  test("where the registry sends what is wrong, what earlier pulls of it had brought goes too", async () => {
    const [, two = "sha256:"] = await cutOff(layer("1"), layer("2"));
    registry.giving.set(two, (bytes) => whole(Buffer.alloc(bytes.length)));
    await expect(pull()).rejects.toThrow("digest mismatch");
    expect(isEmpty()).toBe(true);
  });

  test("by its signal: it ends, and so does each download", async () => {
    const [one, two = "sha256:"] = registry.image(layer("1"), layer("2"));
    const leaving = new AbortController();
    let ended = false;
    registry.giving.set(two, async function* (bytes, signal) {
      try {
        yield bytes.subarray(0, 512);
        await new Promise((_, reject) => signal?.addEventListener("abort", () => reject(CUT)));
      } finally {
        ended = true;
      }
    });
    const work = pull(({ status }) => status === "Pull complete" && leaving.abort(), { signal: leaving.signal });
    await expect(work).rejects.toThrow(CUT.message);
    expect(ended).toBe(true);
    registry.giving.clear();
    expect(await pull()).toContain(`${short(one)} Already exists`);
  });

  test("two at once of the same: one is cut off, the other has its image", async () => {
    const [, two = "sha256:"] = registry.image(layer("1"), layer("2"));
    const broken = Promise.withResolvers<never>();
    registry.giving.set(two, cut(broken.promise));
    const first = pull();
    while (!registry.asked.includes(two)) await new Promise(setImmediate);
    registry.giving.clear();
    await pull();
    broken.reject(CUT);
    await expect(first).rejects.toThrow(CUT.message);
    expect(store.images.resolve("host:5000/app:1").top).toBeString();
    expect(await store.images.gc(nothing)).toBe(0);
  });
});
