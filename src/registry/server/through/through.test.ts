import { expect, test } from "bun:test";
import { pushBlob, pushImage, type RegistryKit, registryKit } from "../../../testing/registry-kit.ts";
import { Through } from "./through.ts";
import type { UpstreamConfig } from "./upstream.ts";

/** A cache in front of `upstream`, with requests to it counted. */
function cacheOf(registry: string, more: Partial<UpstreamConfig> = {}): RegistryKit & { through(): Through } {
  let made: Through | undefined;
  const kit = registryKit({
    through: (context) => {
      made = new Through(context, [{ prefix: "hub", registry, insecure: true, freshMs: 0, ...more }]);
      return made;
    },
  });
  return Object.assign(kit, {
    through: () => {
      if (!made) throw new Error("no cache");
      return made;
    },
  });
}

/** Counts what a registry is asked, by method and kind. */
function counted(kit: RegistryKit): Map<string, number> {
  const counts = new Map<string, number>();
  const { registry } = kit;
  const plain = registry.answer;
  registry.answer = (request) => {
    const kind = /\/(manifests|blobs)\//.exec(request.url)?.[1] ?? "other";
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    return plain(request);
  };
  return counts;
}

test("an image comes through, once, and is served when the other side is gone", async () => {
  await using upstream = registryKit();
  const image = await pushImage(upstream, { repository: "team/app", tag: "1" }, { layers: ["one", "two"] });
  const counts = counted(upstream);
  const address = upstream.listen();
  await using cache = cacheOf(address);
  const pull = async (): Promise<string[]> => {
    const manifest = await cache.ask("GET", "hub/team/app/manifests/1");
    expect(manifest.headers.get("docker-content-digest")).toBe(image.digest);
    return Promise.all(image.layers.map(async (d) => (await cache.ask("GET", `hub/team/app/blobs/${d}`)).text()));
  };
  expect(await pull()).toEqual(["one", "two"]);
  expect(await pull()).toEqual(["one", "two"]);
  expect(counts.get("blobs")).toBe(2);
  await kitStops(upstream);
  expect(await pull()).toEqual(["one", "two"]);
  expect((await cache.ask("GET", "hub/team/app/manifests/2")).status).toBe(502);
  expect(
    ((await (await cache.ask("GET", "hub/team/app/manifests/2")).json()) as { errors: { message: string }[] }).errors[0]
      ?.message,
  ).toContain(address);
});

test("a tag that moves is followed, one that is fresh is believed, one that ends is gone", async () => {
  await using upstream = registryKit();
  const target = { repository: "app", tag: "1" };
  const first = await pushImage(upstream, target, { layers: ["one"] });
  const address = upstream.listen();
  await using cache = cacheOf(address);
  await using lazy = cacheOf(address, { freshMs: 3600_000 });
  const digest = async (kit: RegistryKit): Promise<string | null> =>
    (await kit.ask("HEAD", "hub/app/manifests/1")).headers.get("docker-content-digest");
  expect(await digest(cache)).toBe(first.digest);
  expect(await digest(lazy)).toBe(first.digest);
  const second = await pushImage(upstream, target, { layers: ["two"] });
  expect(await digest(cache)).toBe(second.digest);
  expect(await digest(lazy)).toBe(first.digest);
  await upstream.ask("DELETE", "app/manifests/1");
  expect((await cache.ask("GET", "hub/app/manifests/1")).status).toBe(404);
  expect((await cache.ask("GET", `hub/app/manifests/${first.digest}`)).status).toBe(200);
});

test("many who ask at once cause one download", async () => {
  await using upstream = registryKit();
  const bytes = Buffer.alloc(3_000_000, "layer");
  const blob = await pushBlob(upstream, "app", bytes);
  const counts = counted(upstream);
  await using cache = cacheOf(upstream.listen());
  const answers = await Promise.all(
    Array.from({ length: 8 }, async () =>
      Buffer.from(await (await cache.ask("GET", `hub/app/blobs/${blob}`)).arrayBuffer()),
    ),
  );
  for (const answer of answers) expect(answer.equals(bytes)).toBe(true);
  expect(counts.get("blobs")).toBe(1);
  const part = await cache.ask("GET", `hub/app/blobs/${blob}`, { headers: { Range: "bytes=1-4" } });
  expect([part.status, await part.text()]).toEqual([206, "ayer"]);
});

test("a blob that another repository has already comes whole", async () => {
  await using upstream = registryKit();
  const bytes = Buffer.alloc(500_000, "x");
  const blob = await pushBlob(upstream, "app", bytes);
  await using cache = cacheOf(upstream.listen());
  await pushBlob(cache, "own", bytes);
  const answer = await cache.ask("GET", `hub/app/blobs/${blob}`);
  expect((await answer.arrayBuffer()).byteLength).toBe(bytes.byteLength);
});

test("a cache takes no pushes, its neighbours do", async () => {
  await using upstream = registryKit();
  await using cache = cacheOf(upstream.listen());
  expect((await cache.ask("POST", "hub/app/blobs/uploads/")).status).toBe(403);
  await pushImage(cache, { repository: "own/app", tag: "1" }, { layers: ["a"] });
  expect((await cache.ask("GET", "own/app/manifests/1")).status).toBe(200);
});

test("without a prefix everything that nobody pushed here is the other side's", async () => {
  await using upstream = registryKit();
  await pushImage(upstream, { repository: "app", tag: "1" }, { layers: ["a"] });
  await using cache = cacheOf(upstream.listen(), { prefix: "" });
  await pushImage(cache, { repository: "own", tag: "1" }, { layers: ["b"] });
  expect((await cache.ask("GET", "app/manifests/1")).status).toBe(200);
  expect((await cache.ask("POST", "app/blobs/uploads/")).status).toBe(403);
  expect((await cache.ask("POST", "own/blobs/uploads/")).status).toBe(202);
});

test("a client of a mirror names the registry that it means", async () => {
  await using upstream = registryKit();
  const { digest } = await pushImage(upstream, { repository: "team/app", tag: "1" }, { layers: ["a"] });
  const address = upstream.listen();
  await using cache = cacheOf(address);
  const asked = async (path: string): Promise<string | null> =>
    (await cache.ask("HEAD", path)).headers.get("docker-content-digest");
  expect(await asked(`team/app/manifests/1?ns=${encodeURIComponent(address)}`)).toBe(digest);
  expect(await asked("team/app/manifests/1?ns=elsewhere.example")).toBeNull();
  expect(await asked("team/app/manifests/1")).toBeNull();
  expect((await cache.storage.metadata.list("manifests/hub~team~app/")).length).toBe(1);
});

test("what nobody has asked for in a while goes", async () => {
  await using upstream = registryKit();
  await pushImage(upstream, { repository: "app", tag: "1" }, { layers: ["a"] });
  await using cache = cacheOf(upstream.listen(), { keepMs: 3600_000 });
  const { layers } = (await (await cache.ask("GET", "hub/app/manifests/1")).json()) as { layers: { digest: string }[] };
  await (await cache.ask("GET", `hub/app/blobs/${layers[0]?.digest}`)).text();
  await pushImage(cache, { repository: "own", tag: "1" }, { layers: ["b"] });
  expect(await cache.through().evict()).toBe(0);
  expect(await cache.through().evict(Date.now() + 3600_001)).toBe(1);
  await cache.registry.collector.collect({ graceMs: 0, uploadMs: 0 });
  expect((await cache.storage.metadata.list("presences/hub~app/")).length).toBe(0);
  expect((await cache.ask("GET", "own/manifests/1")).status).toBe(200);
});

test("wrong bytes from the other side are served to nobody whole, and not kept", async () => {
  const digest = `sha256:${"ab".repeat(32)}`;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => new Response(request.url.endsWith("/v2/") ? "{}" : "not what was asked for"),
  });
  await using cache = cacheOf(`127.0.0.1:${server.port}`);
  try {
    const answer = await cache.ask("GET", `hub/app/blobs/${digest}`);
    expect(answer.text()).rejects.toThrow();
    await answer.text().catch(() => undefined);
    expect((await cache.storage.metadata.list("")).filter(({ key }) => key.includes("ab".repeat(32)))).toEqual([]);
    expect((await cache.storage.metadata.list("uploads/")).length).toBe(0);
  } finally {
    await server.stop(true);
  }
});

/** Nobody answers there any more. */
async function kitStops(kit: RegistryKit): Promise<void> {
  kit.registry.answer = async () => new Response("gone", { status: 503 });
}
