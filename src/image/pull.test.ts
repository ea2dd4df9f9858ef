import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { RegistryClient, Repository, TransferLimits } from "../registry/types.ts";
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
  readonly options = { transfers: {} as TransferLimits };
  readonly asked: Digest[] = [];
  /** Where in each blob it was asked to begin. */
  readonly from = new Map<Digest, number[]>();
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
    const blob: Repository["blob"] = async (digest, { signal, from = 0 } = {}) => {
      this.asked.push(digest);
      this.from.set(digest, [...(this.from.get(digest) ?? []), from]);
      const bytes = (this.#blobs.get(digest) ?? Buffer.alloc(0)).subarray(from);
      return (this.giving.get(digest) ?? whole)(bytes, signal);
    };
    const manifest: Repository["manifest"] = async () => ({
      digest: digestOf(this.#manifest),
      mediaType: MediaType.manifest,
      bytes: this.#manifest,
    });
    return {
      repository: () => ({ manifest, blob, wrongBlob: () => false }) as unknown as Repository,
      options: this.options,
    } as unknown as RegistryClient;
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
  registry.from.clear();
  return digests;
}

const layer = (text: string): Buffer => tar({ name: text, data: text.repeat(600) });
const short = (digest: Digest | undefined): string => digest?.slice(7, 19) ?? "";
const nothing = { chains: [], blobs: [] };
const isEmpty = (): boolean =>
  [store.blobs.list(), store.blobs.partials(), store.layers.list()].every((list) => list.length === 0);

describe("a pull that is cut off", () => {
  test("shows nothing, and the next one goes on from the layers that had come", async () => {
    const [one, two, three] = await cutOff(layer("1"), layer("2"), layer("3"));
    expect(store.images.list({ all: true, filters: {} })).toEqual([]);
    expect(() => store.images.resolve("host:5000/app:1")).toThrow("No such image");
    const lines = await pull();
    expect(lines).toContain(`${short(one)} Already exists`);
    expect(lines).toContain(`${short(two)} Already exists`);
    expect(registry.asked.filter((digest) => [one, two, three].includes(digest))).toEqual([three ?? "sha256:"]);
    expect(registry.from.get(three ?? "sha256:")).toEqual([512]);
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

  test("the part of a layer that had come outlives a start, and goes with a prune", async () => {
    const [one = "sha256:"] = await cutOff(layer("1"));
    const root = store.root;
    store.records.close();
    store = openTestStore(root);
    expect(await store.images.sweepLeftovers(nothing)).toBe(0);
    expect(store.blobs.partial(one)).toBe(512);
    expect(await store.images.gc(nothing)).toBeGreaterThan(512);
    expect(isEmpty()).toBe(true);
  });

  test("a part of a layer that no unfinished pull names is swept at the start", async () => {
    const [one = "sha256:"] = await cutOff(layer("1"));
    const stray = store.blobs.complete(async () => whole(Buffer.from("x")), { digest: digestOf("y"), size: 2 });
    await expect(stray).rejects.toThrow("size mismatch");
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from("x");
      throw CUT;
    };
    await expect(store.blobs.complete(async () => broken(), { digest: digestOf("y"), size: 2 })).rejects.toThrow("cut");
    expect(store.blobs.partials().sort()).toEqual([one, digestOf("y")].sort());
    expect(await store.images.sweepLeftovers(nothing)).toBe(1);
    expect(store.blobs.partials()).toEqual([one]);
  });

  test("before anything of a layer has come leaves nothing", async () => {
    const [one = "sha256:"] = registry.image(layer("1"));
    registry.giving.set(one, async function* () {
      yield await Promise.reject(CUT);
    });
    await expect(pull()).rejects.toThrow(CUT.message);
    expect(isEmpty()).toBe(true);
  });

  test("a part that is not the blob's is fetched anew, once", async () => {
    const [one = "sha256:"] = registry.image(layer("1"));
    registry.giving.set(one, async function* () {
      yield Buffer.alloc(512, 1);
      throw CUT;
    });
    await expect(pull()).rejects.toThrow(CUT.message);
    registry.giving.clear();
    registry.from.clear();
    await pull();
    expect(registry.from.get(one)).toEqual([512, 0]);
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
    await expect(work).rejects.toThrow("aborted");
    expect(ended).toBe(true);
    registry.giving.clear();
    expect(await pull()).toContain(`${short(one)} Already exists`);
  });
});

test.each([1, 2, 4])("of a pull's layers so many are fetched at once as the settings say: %d", async (downloads) => {
  const digests = registry.image(...["1", "2", "3", "4", "5"].map(layer));
  registry.options.transfers.downloads = downloads;
  let now = 0;
  let most = 0;
  for (const digest of digests)
    registry.giving.set(digest, async function* (bytes) {
      most = Math.max(most, ++now);
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
      yield bytes;
      now--;
    });
  await pull();
  expect(most).toBe(downloads);
});

describe("two pulls of the same at once", () => {
  /** Until the registry was asked for it. */
  const askedFor = async (digest: Digest): Promise<void> => {
    while (!registry.asked.includes(digest)) await new Promise(setImmediate);
  };
  /** A pull, and the moment from which it waits for what is coming of the layer already. */
  const joining = (digest: Digest, options = {}): { lines: Promise<string[]>; joined: Promise<void> } => {
    const { promise: joined, resolve } = Promise.withResolvers<void>();
    const see = ({ id, status }: ImageProgress): void => {
      if (id === short(digest) && status === "Downloading") resolve();
    };
    return { lines: pull(see, options), joined };
  };
  /** The second layer stands still after 512 bytes until it is let go on. */
  const held = (digest: Digest): PromiseWithResolvers<void> => {
    const gate = Promise.withResolvers<void>();
    registry.giving.set(digest, async function* (bytes, signal) {
      yield bytes.subarray(0, 512);
      const left = new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      await Promise.race([gate.promise, left]);
      yield bytes.subarray(512);
    });
    return gate;
  };

  test("each layer is asked for once; both see it come, and have the image", async () => {
    const [one = "sha256:", two = "sha256:"] = registry.image(layer("1"), layer("2"));
    const gate = held(two);
    const first = pull();
    await askedFor(two);
    const { lines: second, joined } = joining(two);
    await joined;
    gate.resolve();
    const [a, b] = await Promise.all([first, second]);
    for (const lines of [a, b]) {
      expect(lines).toContain(`${short(two)} Verifying Checksum`);
      expect(lines).toContain(`${short(two)} Pull complete`);
    }
    expect(registry.asked.filter((digest) => digest === one || digest === two).sort()).toEqual([one, two].sort());
    expect(await store.images.gc(nothing)).toBe(0);
  });

  test.each(["first", "second"])("the %s leaves: the other goes on with the same download", async (who) => {
    const [, two = "sha256:"] = registry.image(layer("1"), layer("2"));
    const gate = held(two);
    const leaving = new AbortController();
    const signal = { signal: leaving.signal };
    const first = pull(undefined, who === "first" ? signal : {});
    await askedFor(two);
    const { lines: second, joined } = joining(two, who === "second" ? signal : {});
    await joined;
    leaving.abort();
    const [gone, stays] = who === "first" ? [first, second] : [second, first];
    await expect(gone).rejects.toThrow("aborted");
    gate.resolve();
    expect(await stays).toContain(`${short(two)} Pull complete`);
    expect(registry.from.get(two)).toEqual([0]);
    expect(await store.images.gc(nothing)).toBe(0);
  });

  test("the one whose registry it was is cut off: the other goes on from there with its own", async () => {
    const [, two = "sha256:"] = registry.image(layer("1"), layer("2"));
    const broken = Promise.withResolvers<never>();
    registry.giving.set(two, cut(broken.promise));
    const first = pull();
    await askedFor(two);
    registry.giving.clear();
    const { lines: second, joined } = joining(two);
    await joined;
    broken.reject(CUT);
    await expect(first).rejects.toThrow(CUT.message);
    await second;
    expect(registry.from.get(two)).toEqual([0, 512]);
    expect(store.images.resolve("host:5000/app:1").top).toBeString();
    expect(await store.images.gc(nothing)).toBe(0);
  });
});
