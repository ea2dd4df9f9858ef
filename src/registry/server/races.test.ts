import { afterEach, beforeEach, expect, test } from "bun:test";
import { digestOf } from "../../spec/digest.ts";
import { MediaType } from "../../spec/oci.ts";
import { pushBlob, pushImage, pushManifest, type RegistryKit, registryKit } from "../../testing/registry-kit.ts";

// Two at once: requests for one upload, pushes beside deletes, and GC beside both.

const NOW = { graceMs: 0, uploadMs: 0 };
let kit: RegistryKit;
beforeEach(() => {
  kit = registryKit();
});
afterEach(() => kit[Symbol.asyncDispose]());

const begin = async (): Promise<string> =>
  ((await kit.ask("POST", "a/blobs/uploads/")).headers.get("location") ?? "").replace("/v2/", "");
const stream = (body: ReadableStream<Uint8Array>) => ({ body }) as unknown as { body: Buffer };
const at = async (session: string): Promise<string | null> => (await kit.ask("GET", session)).headers.get("range");
const until = async (done: () => Promise<boolean>): Promise<void> => {
  while (!(await done())) await new Promise((next) => setImmediate(next));
};

/** A body that has sent `first` and then waits: for `close`, or for its end from the other side, which `ended` tells. */
function open(first: string) {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const ended = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    start(c) {
      controller = c;
      c.enqueue(Buffer.from(first));
    },
    cancel: () => ended.resolve(),
  });
  return { body, close: () => controller?.close(), ended: ended.promise };
}

test("of two PATCHes for one upload the later wins; the first is told, and its bytes count", async () => {
  const session = await begin();
  const first = open("abc");
  const hung = kit.ask("PATCH", session, stream(first.body));
  await until(async () => (await at(session)) === "0-2");
  const later = await kit.ask("PATCH", session, { body: "def", headers: { "Content-Range": "3-5" } });
  expect([later.status, later.headers.get("range")]).toEqual([202, "0-5"]);
  await first.ended;
  const refused = await hung;
  expect(refused.status).toBe(400);
  expect(await refused.text()).toContain("later request");
  const digest = digestOf(Buffer.from("abcdef"));
  expect((await kit.ask("PUT", `${session}?digest=${digest}`)).status).toBe(201);
  expect(await (await kit.ask("GET", `a/blobs/${digest}`)).text()).toBe("abcdef");
});

test("many PATCHes at once end with one upload that is what its last one says", async () => {
  const session = await begin();
  const all = await Promise.all(
    Array.from({ length: 20 }, (_, i) => kit.ask("PATCH", session, { body: "x".repeat(10 + i) })),
  );
  const taken = all.filter((answer) => answer.status === 202);
  expect(taken.length).toBeGreaterThan(0);
  const ends = taken.map((answer) => Number(answer.headers.get("range")?.slice(2)) + 1);
  expect(await at(session)).toBe(`0-${Math.max(...ends) - 1}`);
});

test("a chunk that comes while its upload is committed does not touch the blob", async () => {
  const bytes = Buffer.alloc(3_000_000, "b");
  const digest = digestOf(bytes);
  const session = await begin();
  expect((await kit.ask("PATCH", session, { body: bytes })).status).toBe(202);
  const committed = kit.ask("PUT", `${session}?digest=${digest}`);
  const chunks = [kit.ask("PATCH", session, { body: "evil" }), kit.ask("DELETE", session), kit.ask("GET", session)];
  const answers = [await committed, ...(await Promise.all(chunks))];
  const [put] = answers;
  if (put?.status === 201) {
    const blob = await kit.ask("GET", `a/blobs/${digest}`);
    expect(digestOf(Buffer.from(await blob.arrayBuffer()))).toBe(digest);
    expect((await kit.ask("PATCH", session, { body: "evil" })).status).toBe(404);
  } else {
    expect(put?.status).toBe(400);
    expect((await kit.ask("GET", `a/blobs/${digest}`)).status).toBe(404);
  }
});

test("DELETE ends an upload that hangs", async () => {
  const session = await begin();
  const hanging = open("abc");
  const hung = kit.ask("PATCH", session, stream(hanging.body));
  await until(async () => (await at(session)) === "0-2");
  expect((await kit.ask("DELETE", session)).status).toBe(204);
  await hanging.ended;
  expect((await hung).status).toBe(400);
  expect((await kit.ask("GET", session)).status).toBe(404);
});

test("GC leaves an upload alone that a request writes to, however old it is", async () => {
  const session = await begin();
  const slow = open("abc");
  const patch = kit.ask("PATCH", session, stream(slow.body));
  await until(async () => (await at(session)) === "0-2");
  expect(await kit.registry.collector.collect(NOW)).toMatchObject({ uploads: 0, strays: 0 });
  slow.close();
  expect((await patch).status).toBe(202);
  expect(await kit.registry.collector.collect(NOW)).toMatchObject({ uploads: 1 });
});

const imageOf = (digest: string, size: number) => ({
  schemaVersion: 2,
  mediaType: MediaType.manifest,
  config: { mediaType: MediaType.config, digest, size },
  layers: [],
});

/** Calls `then` once, when a record below `prefix` has been listed or read: the moment after somebody looked. */
function after(prefix: string, then: () => Promise<unknown>): Promise<void> {
  const { metadata } = kit.storage;
  const { get, list } = { get: metadata.get.bind(metadata), list: metadata.list.bind(metadata) };
  const called = Promise.withResolvers<void>();
  let armed = true;
  const fire = async (key: string): Promise<void> => {
    if (!armed || !key.startsWith(prefix)) return;
    armed = false;
    await then();
    called.resolve();
  };
  metadata.get = async (key) => {
    const found = await get(key);
    await fire(key);
    return found;
  };
  metadata.list = async (key, options) => {
    const found = await list(key, options);
    await fire(key);
    return found;
  };
  return called.promise;
}

test("GC that runs between a push's look and its write takes nothing that the push names", async () => {
  const digest = await pushBlob(kit, "a", Buffer.from("layer"));
  const collected = after(`presences/a/${digest}`, () => kit.registry.collector.collect(NOW));
  const put = await pushManifest(kit, { repository: "a", tag: "1" }, imageOf(digest, 5));
  await collected;
  expect(put.status).toBe(201);
  expect(await (await kit.ask("GET", `a/blobs/${digest}`)).text()).toBe("layer");
});

test("a blob is not deleted between a push's look and its write", async () => {
  const digest = await pushBlob(kit, "a", Buffer.from("layer"));
  let refused: Response | undefined;
  const called = after(`presences/a/${digest}`, async () => {
    refused = await kit.ask("DELETE", `a/blobs/${digest}`);
  });
  const put = await pushManifest(kit, { repository: "a", tag: "1" }, imageOf(digest, 5));
  await called;
  expect([put.status, refused?.status]).toEqual([201, 405]);
});

test("an index that is pushed while what it names is deleted is refused, or that stays", async () => {
  const config = await pushBlob(kit, "a", Buffer.from("{}"));
  for (let round = 0; round < 30; round++) {
    const image = { ...imageOf(config, 2), annotations: { round: String(round) } };
    const bytes = Buffer.from(JSON.stringify(image));
    const digest = digestOf(bytes);
    expect((await pushManifest(kit, { repository: "a", tag: digest }, image)).status).toBe(201);
    const manifests = [{ mediaType: MediaType.manifest, digest, size: bytes.byteLength }];
    const index = { schemaVersion: 2, mediaType: MediaType.index, manifests };
    const target = { repository: "a", tag: `i${round}` };
    const both = [pushManifest(kit, target, index), kit.ask("DELETE", `a/manifests/${digest}`)];
    if (round % 2) both.reverse();
    await Promise.all(both);
    const served = (await kit.ask("GET", `a/manifests/${target.tag}`)).status === 200;
    const child = (await kit.ask("GET", `a/manifests/${digest}`)).status === 200;
    expect({ round, served, child: child || !served }).toEqual({ round, served, child: true });
  }
});

test("a manifest that is pushed while its blob is deleted is refused, or the blob stays", async () => {
  for (let round = 0; round < 30; round++) {
    const bytes = Buffer.from(`layer ${round}`);
    const digest = await pushBlob(kit, "a", bytes);
    const target = { repository: "a", tag: `t${round}` };
    const both = [pushManifest(kit, target, imageOf(digest, bytes.byteLength)), kit.ask("DELETE", `a/blobs/${digest}`)];
    if (round % 2) both.reverse();
    await Promise.all(both);
    const served = (await kit.ask("GET", `a/manifests/${target.tag}`)).status === 200;
    const blob = (await kit.ask("GET", `a/blobs/${digest}`)).status === 200;
    expect({ round, served, blob: blob || !served }).toEqual({ round, served, blob: true });
  }
});

test("PUTs of one tag at once end with one of them", async () => {
  const digests = await Promise.all(
    Array.from({ length: 20 }, (_, i) => pushImage(kit, { repository: "a", tag: "1" }, { layers: [], seed: `${i}` })),
  );
  const last = (await kit.ask("GET", "a/manifests/1")).headers.get("docker-content-digest");
  expect(digests.map((image) => image.digest as string)).toContain(last ?? "");
  for (const { digest } of digests) expect((await kit.ask("GET", `a/manifests/${digest}`)).status).toBe(200);
});

test("a blob that goes in the middle of a pull is sent to its end", async () => {
  const address = kit.listen();
  const bytes = Buffer.alloc(20_000_000, "p");
  const digest = await pushBlob(kit, "a", bytes);
  const answer = await fetch(`http://${address}/v2/a/blobs/${digest}`);
  const reader = answer.body?.getReader();
  let size = (await reader?.read())?.value?.byteLength ?? 0;
  expect((await kit.ask("DELETE", `a/blobs/${digest}`)).status).toBe(202);
  expect(await kit.registry.collector.collect(NOW)).toMatchObject({ blobs: 1 });
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) size += part.value.byteLength;
  expect(size).toBe(bytes.byteLength);
  expect((await kit.ask("GET", `a/blobs/${digest}`)).status).toBe(404);
});
