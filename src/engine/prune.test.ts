import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { chunked, dockerArchive, tar } from "../image/fixture.ts";
import type { Image } from "../image/types.ts";
import { drain, EngineHarness, never } from "../testing/engine-harness.ts";

// What each prune takes, and what it leaves: nothing that a container, an image or a build still needs.

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open();
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

let made: string[] = [];
beforeEach(async () => {
  made = [];
  // A prune of the last test may have taken it.
  if ((await tags()).length === 0) await drain(h.backend.image.bootstrap("busybox", { include: [], signal: never() }));
});
afterEach(async () => {
  for (const id of made)
    await h.backend.container.remove(id, { force: true, volumes: true, link: false }).catch(() => undefined);
  await h.backend.build.prune({ all: true, filters: {} });
  const images = await h.backend.image.list({ all: true, filters: {} });
  for (const { Id } of images.filter((i) => !i.RepoTags.includes("busybox:latest")))
    await h.backend.image.remove(Id, { force: true, noprune: false }).catch(() => undefined);
  await h.backend.image.prune({ dangling: ["true"] });
  await h.backend.volume.prune({ all: ["true"] });
});

const container = async (labels: Record<string, string> = {}, body: object = {}): Promise<string> => {
  const id = await h.create(["sleep", "1000"], { Labels: labels, ...body });
  made.push(id);
  return id;
};
const listed = async (): Promise<string[]> =>
  (await h.backend.container.list({ all: true, size: false, filters: {} })).map((c) => c.Id ?? "");
const tags = async (): Promise<string[]> =>
  (await h.backend.image.list({ all: true, filters: {} })).flatMap((i) => i.RepoTags).sort();
const load = (tag: string | null, text: string, config: object = {}) =>
  drain(
    h.backend.image.load(
      (async function* () {
        yield dockerArchive({ layers: [tar({ name: "f", data: text })], tags: tag ? [tag] : null, config });
      })(),
      { quiet: true },
    ),
  );

interface Built {
  text: string;
}
async function build(dockerfile: string, tag: string): Promise<Built> {
  const options = { dockerfile: "Dockerfile", tags: [tag], buildArgs: {}, labels: {}, noCache: false, quiet: false };
  const stream = h.backend.build.build(
    chunked(tar({ name: "Dockerfile", data: dockerfile }, { name: "file", data: "content" })),
    {
      ...options,
      signal: never(),
    },
  );
  const messages = (await drain(stream)) as { stream?: string }[];
  return { text: messages.map((m) => m.stream ?? "").join("") };
}
const df = async (type: string) =>
  (await h.backend.system.diskUsage([type])) as {
    LayersSize: number;
    Images: (Image & { Id: string; Size: number; SharedSize: number; Containers: number; RepoTags: string[] })[];
    Containers: { Id: string; SizeRw: number }[];
    Volumes: { Name: string; UsageData: { Size: number; RefCount: number } }[];
    BuildCache: {
      ID: string;
      Description: string;
      Shared: boolean;
      InUse: boolean;
      Size: number;
      UsageCount: number;
      Parents?: string[];
      CreatedAt: string;
      LastUsedAt: string;
    }[];
  };

test("containers: those at rest go, the running ones stay, and what was freed is counted", async () => {
  const created = await container();
  const ran = await h.start(["sh", "-c", "dd if=/dev/zero of=/big bs=1k count=100 2>/dev/null"]);
  const running = await h.start(["sleep", "1000"]);
  made.push(ran, running);
  await h.wait(ran);
  const { ContainersDeleted: deleted, SpaceReclaimed: space } = await h.backend.container.prune({});
  expect(deleted.sort()).toEqual([created, ran].sort());
  expect(space).toBe(100 * 1024);
  expect(await listed()).toEqual([running]);
  expect(existsSync(`${h.root}/data/containers/${ran}`)).toBe(false);
  expect(await h.backend.container.prune({})).toEqual({ ContainersDeleted: [], SpaceReclaimed: 0 });
});

test.each<[Record<string, string[]>, ("web" | "db" | "plain")[]]>([
  [{ label: ["tier"] }, ["web", "db"]],
  [{ label: ["tier=web"] }, ["web"]],
  [{ label: ["tier", "keep"] }, ["db"]],
  [{ "label!": ["keep"] }, ["web", "plain"]],
  [{ "label!": ["tier"] }, ["plain"]],
  [{ label: ["tier"], "label!": ["keep=yes"] }, ["web"]],
  [{ until: ["1h"] }, []],
  [{ until: ["1h30m"] }, []],
  [{ until: ["0s"] }, ["web", "db", "plain"]],
  [{ until: ["2100-01-01"] }, ["web", "db", "plain"]],
  [{ until: ["2001-02-03T04:05:06Z"] }, []],
  [{ until: ["4102444800"] }, ["web", "db", "plain"]],
])("containers by %p", async (filters, wanted) => {
  const ids = {
    web: await container({ tier: "web" }),
    db: await container({ tier: "db", keep: "yes" }),
    plain: await container(),
  };
  // "0s" means created before now.
  await Bun.sleep(2);
  const { ContainersDeleted: deleted } = await h.backend.container.prune(filters);
  expect(deleted.sort()).toEqual(wanted.map((name) => ids[name]).sort());
});

test.each<["container" | "image" | "volume" | "network" | "build", Record<string, string[]>, string]>([
  ["container", { foo: ["x"] }, "invalid filter 'foo'"],
  ["container", { dangling: ["true"] }, "invalid filter 'dangling'"],
  ["container", { until: ["x"] }, 'failed to parse value as time or duration: "x"'],
  ["image", { foo: ["x"] }, "invalid filter 'foo'"],
  ["image", { dangling: ["maybe"] }, "invalid filter 'dangling=[maybe]'"],
  ["image", { reference: ["busybox"] }, "invalid filter 'reference'"],
  ["volume", { foo: ["x"] }, "invalid filter 'foo'"],
  ["volume", { dangling: ["true"] }, "invalid filter 'dangling'"],
  ["volume", { until: ["1h"] }, "invalid filter 'until'"],
  ["volume", { all: ["maybe"] }, `invalid filter 'all': strconv.ParseBool: parsing "maybe": invalid syntax`],
  ["network", { foo: ["x"] }, "invalid filter 'foo'"],
  ["network", { dangling: ["true"] }, "invalid filter 'dangling'"],
  ["build", { foo: ["x"] }, "failed to prune build cache: invalid filter 'foo'"],
  ["build", { until: ["x"] }, 'failed to parse value as time or duration: "x"'],
])("%s prune refuses %p", async (kind, filters, words) => {
  const doing = async (): Promise<unknown> =>
    kind === "build" ? h.backend.build.prune({ all: true, filters }) : h.backend[kind].prune(filters);
  await expect(doing()).rejects.toMatchObject({ kind: "invalid-argument", message: words });
});

test("networks: there are none to prune, and that is no error", async () => {
  expect(await h.backend.network.prune({})).toEqual({ NetworksDeleted: null });
  expect(await h.backend.network.prune({ label: ["a"], until: ["1h"] })).toEqual({ NetworksDeleted: null });
});

test("images: nameless ones go; with dangling=false all that no container uses", async () => {
  await load("named:1", "one");
  await load(null, "nameless");
  const user = await container({}, { Image: "busybox" });
  const first = await h.backend.image.prune({});
  expect(first.ImagesDeleted.some((item) => "Deleted" in item)).toBe(true);
  expect(await tags()).toEqual(["busybox:latest", "named:1"]);
  const second = await h.backend.image.prune({ dangling: ["false"] });
  expect(second.ImagesDeleted[0]).toEqual({ Untagged: "named:1" });
  expect(second.SpaceReclaimed).toBeGreaterThan(0);
  expect(await tags()).toEqual(["busybox:latest"]);
  expect(await listed()).toEqual([user]);
});

test.each<[Record<string, string[]>, string[]]>([
  [{ label: ["tier"] }, ["plain:1"]],
  [{ label: ["tier=web"] }, ["db:1", "plain:1"]],
  [{ "label!": ["tier"] }, ["db:1", "web:1"]],
  [{ until: ["1h"] }, ["db:1", "plain:1", "web:1"]],
])("images by %p leave %p", async (filters, left) => {
  const created = new Date().toISOString();
  await load("web:1", "web", { created, config: { Labels: { tier: "web" } } });
  await load("db:1", "db", { created, config: { Labels: { tier: "db" } } });
  await load("plain:1", "plain", { created });
  await container();
  await h.backend.image.prune({ dangling: ["false"], ...filters });
  expect(await tags()).toEqual(["busybox:latest", ...left].sort());
});

test("an image that was removed by force stays on disk for its container, until that has gone too", async () => {
  await load("used:1", "content of a file", { config: { Cmd: ["x"] } });
  const id = await container({}, { Image: "used:1" });
  await h.backend.image.remove("used:1", { force: true, noprune: false });
  await h.backend.image.prune({ dangling: ["false"] });
  const { GraphDriver: driver } = await h.backend.container.inspect(id, { size: false });
  const [lower = ""] = (driver?.Data?.["LowerDir"] ?? "").split(":");
  expect(await Bun.file(`${lower}/f`).text()).toBe("content of a file");
  await h.down();
  await h.up();
  await h.backend.image.prune({});
  expect(existsSync(`${lower}/f`)).toBe(true);
  await h.backend.container.remove(id, { force: true, volumes: false, link: false });
  expect(existsSync(lower)).toBe(false);
  expect(await h.backend.image.prune({})).toEqual({ ImagesDeleted: [], SpaceReclaimed: 0 });
});

test("of two containers of such an image the last one takes its layers; those that another image has stay", async () => {
  await load("base:1", "base");
  await build("FROM base:1\nCOPY file /own\n", "both:1");
  const base = (await df("image")).LayersSize;
  const [one, two] = [await container({}, { Image: "both:1" }), await container({}, { Image: "both:1" })];
  const mounts = [{ Type: "image", Source: "both:1", Target: "/image" }];
  const mounting = await container({}, { HostConfig: { Mounts: mounts } });
  await h.backend.image.remove("both:1", { force: true, noprune: false });
  await h.backend.build.prune({ all: true, filters: {} });
  const size = async (): Promise<number> => (await df("image")).LayersSize;
  for (const id of [one, two, mounting]) {
    expect(await size()).toBe(base);
    await h.backend.container.remove(id, { force: true, volumes: false, link: false });
  }
  expect(await size()).toBe(base - "content".length);
  expect(await tags()).toContain("base:1");
});

test("volumes: anonymous ones that no container has; with all=true named ones too", async () => {
  const user = await container({}, { Volumes: { "/mine": {} } });
  await h.backend.volume.create({ Name: "named-one", Labels: { keep: "yes" } });
  await h.backend.volume.create({});
  const used = (await h.backend.container.inspect(user, { size: false })).Mounts?.[0]?.Name ?? "";
  await Bun.write(`${h.root}/data/volumes/named-one/_data/file`, "12345");
  const first = await h.backend.volume.prune({});
  expect(first.VolumesDeleted).toHaveLength(1);
  const names = async (): Promise<string[]> => (await h.backend.volume.list({})).Volumes.map((v) => v.Name).sort();
  expect(await names()).toEqual([used, "named-one"].sort());
  expect((await h.backend.volume.prune({ all: ["true"], "label!": ["keep"] })).VolumesDeleted).toEqual([]);
  expect(await h.backend.volume.prune({ all: ["1"], label: ["keep=yes"] })).toEqual({
    VolumesDeleted: ["named-one"],
    SpaceReclaimed: 5,
  });
  expect(await names()).toEqual([used]);
});

const STEPS = "FROM busybox\nENV a=b\nRUN echo one >/one\nCOPY file /file\nRUN cat /one /file >/two\n";

test("build cache: listed with what it holds, and shared with the image that was built", async () => {
  await build(STEPS, "built:1");
  await build(STEPS, "built:2");
  const { BuildCache: cache } = await df("build-cache");
  expect(cache.map((c) => c.Description)).toEqual([
    "RUN echo one >/one",
    "COPY file /file",
    "RUN cat /one /file >/two",
  ]);
  for (const entry of cache) {
    expect(entry).toMatchObject({ Type: "regular", InUse: false, Shared: true, UsageCount: 2 });
    expect(Date.parse(entry.LastUsedAt)).toBeGreaterThanOrEqual(Date.parse(entry.CreatedAt));
  }
  expect(cache[0]).not.toHaveProperty("Parents");
  expect(cache[1]?.Parents).toEqual([cache[0]?.ID ?? ""]);
  expect(cache[2]?.Size).toBe("one\ncontent".length);
  await h.backend.image.remove("built:1", { force: true, noprune: false });
  await h.backend.image.remove("built:2", { force: true, noprune: false });
  expect((await df("build-cache")).BuildCache.map((c) => c.Shared)).toEqual([false, false, false]);
});

test("build cache outlives the image that came of it, and image prune", async () => {
  await container();
  await build(STEPS, "built:1");
  await h.backend.image.remove("built:1", { force: false, noprune: false });
  await h.backend.image.prune({ dangling: ["false"] });
  const { text } = await build(STEPS, "built:3");
  expect(text.match(/Using cache/g)).toHaveLength(4);
  const id = await container({}, { Image: "built:3", Cmd: ["cat", "/two"] });
  await h.backend.container.start(id, {});
  expect(await h.wait(id)).toBe(0);
  expect(await h.logs(id)).toBe("one\ncontent");
});

test("builder prune without all takes what hangs loose, with all the rest; layers go and images stay whole", async () => {
  await build(STEPS, "kept:1");
  await build("FROM busybox\nRUN echo loose >/loose\n", "loose:1");
  await h.backend.image.remove("loose:1", { force: false, noprune: false });
  const loose = await h.backend.build.prune({ all: false, filters: {} });
  expect(loose.CachesDeleted).toHaveLength(1);
  expect(loose.SpaceReclaimed).toBeGreaterThanOrEqual("loose\n".length);
  expect((await build(STEPS, "kept:1")).text.match(/Using cache/g)).toHaveLength(4);
  const all = await h.backend.build.prune({ all: true, filters: {} });
  expect(all.CachesDeleted).toHaveLength(4);
  expect((await df("build-cache")).BuildCache).toEqual([]);
  const id = await container({}, { Image: "kept:1", Cmd: ["cat", "/two"] });
  await h.backend.container.start(id, {});
  expect(await h.wait(id)).toBe(0);
  expect((await build(STEPS, "again:1")).text).not.toContain("Using cache");
});

test("builder prune by its filters", async () => {
  await build(STEPS, "built:1");
  const prune = async (filters: Record<string, string[]>): Promise<number> =>
    (await h.backend.build.prune({ all: true, filters })).CachesDeleted.length;
  expect(await prune({ until: ["1h"] })).toBe(0);
  expect(await prune({ "unused-for": ["1h"] })).toBe(0);
  expect(await prune({ label: ["a"] })).toBe(0);
  expect(await prune({ shared: ["false"], description: ["COPY"] })).toBe(0);
  expect(await prune({ description: ["cat /one"] })).toBe(1);
  const id = (await df("build-cache")).BuildCache[0]?.ID ?? "";
  expect(await prune({ id: [id.slice(0, 20)] })).toBe(1);
  expect(await prune({ type: ["exec.cachemount"] })).toBe(0);
  await Bun.sleep(2);
  expect(await prune({ until: ["0s"] })).toBe(2);
});

test("builder prune leaves so many bytes, those last used", async () => {
  const step = (n: number): string => `FROM busybox\nRUN dd if=/dev/zero of=/f${n} bs=1000 count=${n} 2>/dev/null\n`;
  for (const n of [1, 2, 3]) {
    await build(step(n), `size:${n}`);
    await Bun.sleep(2);
  }
  await build(step(1), "size:1");
  const pruned = await h.backend.build.prune({ all: true, filters: {}, keepBytes: 4500 });
  expect(pruned.CachesDeleted).toHaveLength(1);
  expect((await df("build-cache")).BuildCache.map((c) => c.Size).sort()).toEqual([1000, 3000]);
});

test("df: what images share is counted once, with the containers of each; volumes with their users", async () => {
  await build("FROM busybox\nRUN echo x >/x\n", "child:1");
  const id = await container({}, { Image: "child:1", HostConfig: { Binds: ["df-volume:/v"] } });
  await Bun.write(`${h.root}/data/volumes/df-volume/_data/file`, "1234567");
  const { Images: images, LayersSize: layers } = await df("image");
  const child = images.find((i) => i.RepoTags.includes("child:1"));
  const base = images.find((i) => i.RepoTags.includes("busybox:latest"));
  expect(child?.Containers).toBe(1);
  expect(base?.Containers).toBe(0);
  expect(child?.SharedSize).toBe(base?.Size ?? 0);
  expect(base?.SharedSize).toBe(base?.Size ?? 0);
  expect(layers).toBe(child?.Size ?? 0);
  const listed = (sharedSize: boolean): Promise<{ SharedSize: number }[]> =>
    h.backend.image.list({ all: false, filters: { reference: ["child:1"] }, sharedSize });
  expect(await listed(false)).toMatchObject([{ SharedSize: -1 }]);
  expect(await listed(true)).toMatchObject([{ SharedSize: 0 }]);
  expect((await df("volume")).Volumes).toMatchObject([{ Name: "df-volume", UsageData: { Size: 7, RefCount: 1 } }]);
  expect((await df("container")).Containers.map((c) => c.Id)).toEqual([id]);
  expect(await h.backend.system.diskUsage(["container"])).toMatchObject({
    Images: null,
    Volumes: null,
    BuildCache: null,
  });
  const counts = await h.backend.image.list({ all: false, filters: {} });
  expect(counts.map((i) => `${i.RepoTags[0]} ${i.Containers}`).sort()).toEqual(["busybox:latest 0", "child:1 1"]);
});

test("garbage is collected at any moment of builds, creates and removals: all of them are whole", async () => {
  const busy = { done: false };
  const sweeping = (async () => {
    let rounds = 0;
    for (; !busy.done; rounds++) {
      await h.backend.image.prune({});
      await Bun.sleep(0);
    }
    return rounds;
  })();
  const work = Array.from({ length: 4 }, async (_, i) => {
    const dockerfile = `FROM busybox\nRUN echo ${i} >/one\nCOPY file /file\nWORKDIR /w${i}\nRUN cat /one /file >/two\n`;
    await build(dockerfile, `race:${i}`);
    const id = await container({}, { Image: `race:${i}`, Cmd: ["cat", "/two"], Volumes: { "/w": {} } });
    await h.backend.image.remove(`race:${i}`, { force: true, noprune: false });
    await h.backend.build.prune({ all: true, filters: {} });
    await h.backend.container.start(id, {});
    expect(await h.wait(id)).toBe(0);
    expect(await h.logs(id)).toBe(`${i}\ncontent`);
  });
  await Promise.all(work).finally(() => {
    busy.done = true;
  });
  expect(await sweeping).toBeGreaterThan(1);
  expect(h.log).toEqual([]);
});
