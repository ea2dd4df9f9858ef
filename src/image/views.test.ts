import { afterEach, beforeEach, expect, test } from "bun:test";
import { join } from "node:path";
import type { Digest } from "../spec/digest.ts";
import type { ImageSummary, OCIDescriptor } from "../spec/engine-api.ts";
import { MediaType } from "../spec/oci.ts";
import { chunked, digestOf, dockerArchive, openTestStore, type TestStore, tar } from "./fixture.ts";
import type { Filters, ImageUser } from "./types.ts";

let store: TestStore;
beforeEach(() => {
  store = openTestStore();
});
afterEach(() => store.close());

const layer = (n: number): Buffer => tar({ name: "f", data: "x".repeat(n) });
const at = (day: number): string => `2024-01-0${day}T00:00:00Z`;

async function add(tag: string | null, day: number, config: object = {}): Promise<Digest> {
  const archive = dockerArchive({
    layers: [layer(day)],
    tags: tag ? [tag] : null,
    config: { created: at(day), ...config },
  });
  const [line = ""] = await store.load(archive);
  return tag ? store.images.resolve(tag).id : (line.replace("Loaded image ID: ", "") as Digest);
}

const names = (list: ImageSummary[]): string[] => list.map((s) => s.RepoTags.join() || "<none>");
const listed = (filters: Filters, all = false): string[] => names(store.images.list({ all, filters }));

test("a summary has Docker's shape, nulls included", async () => {
  const id = await add("shape:1", 1);
  expect(store.images.list({ all: false, filters: {} })).toEqual([
    {
      Containers: -1,
      Created: Date.parse(at(1)) / 1000,
      Id: id,
      Labels: null as never,
      ParentId: "",
      RepoDigests: [],
      RepoTags: ["shape:1"],
      SharedSize: -1,
      Size: 1,
      Descriptor: descriptor("shape:1"),
    },
  ]);
  const users = [{ containerId: "c", image: id, running: false }];
  expect(store.images.list({ all: false, filters: {}, users })[0]?.Containers).toBe(1);
});

/** The manifest's descriptor, by what the blob store says of it. */
function descriptor(name: string): OCIDescriptor {
  const { manifest } = store.images.resolve(name);
  return { mediaType: MediaType.manifest, digest: manifest, size: store.blobs.size(manifest) ?? -1 };
}

test("what listed images share is counted when asked for, among those that are listed", async () => {
  const shared = layer(5);
  await store.load(dockerArchive({ layers: [shared, layer(2)], tags: ["a:1"] }));
  await store.load(dockerArchive({ layers: [shared, layer(3)], tags: ["b:1"] }));
  await store.load(dockerArchive({ layers: [layer(4)], tags: ["c:1"] }));
  const sizes = (filters: Filters, sharedSize: boolean): string[] =>
    store.images
      .list({ all: false, filters, sharedSize })
      .map((row) => `${row.RepoTags[0]} ${row.SharedSize} of ${row.Size}`)
      .sort();
  expect(sizes({}, true)).toEqual(["a:1 5 of 7", "b:1 5 of 8", "c:1 0 of 4"]);
  expect(sizes({ reference: ["a"] }, true)).toEqual(["a:1 0 of 7"]);
  expect(sizes({ reference: ["c"] }, false)).toEqual(["c:1 -1 of 4"]);
});

test("manifests: sizes of the blobs and of the layers, containers, and whether all is there", async () => {
  await store.load(dockerArchive({ layers: [layer(5), layer(2)], tags: ["full:1"] }));
  const image = store.images.resolve("full:1");
  const blobs = [image.manifest, image.id, digestOf(layer(5)), digestOf(layer(2))];
  const content = blobs.reduce((sum, blob) => sum + (store.blobs.size(blob) ?? Number.NaN), 0);
  const user = (containerId: string, used = image.id): ImageUser => ({ containerId, image: used, running: false });
  const users = [user("c1"), user("c2", image.manifest), user("c1")];
  const summary = {
    ID: image.manifest,
    Descriptor: descriptor("full:1"),
    Available: true,
    Size: { Content: content, Total: content + 7 },
    Kind: "image" as const,
    ImageData: { Platform: { architecture: "amd64", os: "linux" }, Containers: ["c1"], Size: { Unpacked: 7 } },
  };
  expect(store.images.inspect("full:1", { users }).Manifests).toEqual([summary]);
  expect(store.images.inspect("full:1")).not.toHaveProperty("Manifests");
  const [row] = store.images.list({ all: false, filters: {}, users, manifests: true });
  expect(row?.Manifests).toEqual([summary]);
  store.blobs.remove(digestOf(layer(2)));
  const [damaged] = store.images.inspect("full:1", { users }).Manifests ?? [];
  expect([damaged?.Available, damaged?.Size.Content]).toEqual([false, content - layer(2).length]);
});

test("an image that was made here, or whose manifest is lost, has neither descriptor nor manifests", async () => {
  const base = await add("base:1", 1);
  const top = await store.layers.applyStream(chunked(layer(3)), { parent: store.images.get(base)?.top ?? base });
  await store.images.create({ top: top.chainId, run: {}, history: [], created: at(2) }, "made:1");
  store.blobs.remove(store.images.resolve("base:1").manifest);
  for (const name of ["made:1", "base:1"]) {
    const inspected = store.images.inspect(name, { users: [] });
    expect([inspected.Descriptor, inspected.Manifests]).toEqual([undefined, undefined]);
  }
});

test("inspect, history and remove refuse another platform than the image's, and change nothing", async () => {
  await add("app:1", 1);
  const words =
    "image with reference app:1 was found but its platform (linux/amd64) does not match the specified platform (linux/s390x)";
  const before = store.snapshot();
  expect(() => store.images.inspect("app:1", { platform: "linux/s390x" })).toThrow(words);
  expect(() => store.images.history("app:1", { platform: "linux/s390x" })).toThrow(words);
  const how = { force: true, prune: true, users: [] };
  await expect(store.images.remove("app:1", { ...how, platform: "linux/s390x" })).rejects.toThrow(words);
  expect(store.snapshot()).toEqual(before);
  expect(store.images.inspect("app:1", { platform: "linux/amd64" }).Architecture).toBe("amd64");
  const { items } = await store.images.remove("app:1", { ...how, platform: "linux/amd64" });
  expect(items[0]).toEqual({ Untagged: "app:1" });
});

test("newest first; intermediate images only with all", async () => {
  const base = await add("base:1", 2);
  await add(null, 3);
  await add("old:1", 1);
  const middle = await store.images.create({ parent: base, run: {}, history: [], created: at(4) });
  await store.images.create({ parent: middle.id, run: { User: "1" }, history: [], created: at(5) }, "built:1");
  expect(listed({})).toEqual(["built:1", "<none>", "base:1", "old:1"]);
  expect(listed({}, true)).toEqual(["built:1", "<none>", "<none>", "base:1", "old:1"]);
  expect(listed({ dangling: ["true"] }, true)).toEqual(["<none>"]);
  expect(listed({ dangling: ["false"] })).toEqual(["built:1", "base:1", "old:1"]);
});

test("filters: before, since, until, label, reference", async () => {
  await add("one:1", 1, { config: { Labels: { tier: "web", x: "" } } });
  await add("user/two:2", 2, { config: { Labels: { tier: "db" } } });
  await add("localhost:5000/a/three:3", 3);
  store.images.tag("one:1", "one:2");
  expect(listed({ before: ["user/two:2"] })).toEqual(["one:1,one:2"]);
  expect(listed({ since: ["one:1"] })).toEqual(["localhost:5000/a/three:3", "user/two:2"]);
  expect(listed({ until: [at(3)] })).toEqual(["user/two:2", "one:1,one:2"]);
  expect(listed({ until: [String(Date.parse(at(2)) / 1000)] })).toEqual(["one:1,one:2"]);
  expect(listed({ until: ["1h30m"] })).toHaveLength(3);
  expect(listed({ label: ["tier"] })).toHaveLength(2);
  expect(listed({ label: ["tier=web", "x"] })).toEqual(["one:1,one:2"]);
  expect(listed({ label: ["tier=none"] })).toEqual([]);
  expect(listed({ reference: ["one"] })).toEqual(["one:1,one:2"]);
  expect(listed({ reference: ["one:2", "*/two"] })).toEqual(["user/two:2", "one:2"]);
  expect(listed({ reference: ["*"] })).toEqual(["one:1,one:2"]);
  expect(listed({ reference: ["*/*/three:?"] })).toEqual(["localhost:5000/a/three:3"]);
});

test("filters that Docker refuses are refused in its words", async () => {
  const refused = (filters: Filters, message: string) => expect(() => listed(filters)).toThrow(message);
  refused({ foo: ["a"] }, "invalid filter 'foo'");
  refused({ dangling: ["maybe"] }, "invalid filter 'dangling=[maybe]'");
  refused({ before: ["nosuch"] }, "No such image: nosuch:latest");
  refused({ reference: ["[x"] }, "syntax error in pattern");
  refused({ until: ["xxx"] }, 'failed to parse value as time or duration: "xxx"');
});

test("inspect has every field of dockerd 28.5 in its shape", async () => {
  const config = {
    created: at(1),
    author: "me",
    comment: "said so",
    docker_version: "28.5.2",
    config: {
      Hostname: "ignored",
      Cmd: ["/bin/ash", "-c", "foo"],
      Entrypoint: null,
      Env: ["PATH=/bin"],
      ExposedPorts: { "80/tcp": {} },
      Healthcheck: { Test: ["CMD-SHELL", "true"], Interval: 5_000_000_000 },
      Labels: { x: "y" },
      OnBuild: ["RUN x"],
      Shell: ["/bin/ash", "-c"],
      StopSignal: "SIGINT",
      User: "0",
      Volumes: { "/data": {} },
      WorkingDir: "/w",
    },
  };
  await store.load(dockerArchive({ layers: [layer(1), layer(2)], tags: ["full:1"], config }));
  const { top, id } = store.images.resolve("full:1");
  const [upper, lower] = store.layers.chain(top ?? id).map((l) => join(store.root, "layers", l.short));
  const { Hostname: _, ...Config } = config.config;
  expect(store.images.inspect("full:1")).toEqual({
    Id: id,
    Descriptor: descriptor("full:1"),
    RepoTags: ["full:1"],
    RepoDigests: [],
    Parent: "",
    Comment: "said so",
    Created: at(1),
    DockerVersion: "28.5.2",
    Author: "me",
    Architecture: "amd64",
    Os: "linux",
    Size: 3,
    GraphDriver: {
      Data: {
        LowerDir: `${lower}/diff`,
        MergedDir: `${upper}/merged`,
        UpperDir: `${upper}/diff`,
        WorkDir: `${upper}/work`,
      },
      Name: "overlay2",
    },
    RootFS: { Type: "layers", Layers: [digestOf(layer(1)), digestOf(layer(2))] },
    Metadata: { LastTagTime: "0001-01-01T00:00:00Z" },
    Config: Config as never,
  });
});

test("inspect of an image that says nothing", async () => {
  await store.load(dockerArchive({ layers: [layer(1)], tags: ["min:1"] }));
  const inspect = store.images.inspect("min:1");
  expect(inspect).toMatchObject({ Comment: "", DockerVersion: "", Author: "" });
  expect(inspect).not.toHaveProperty("Created");
  expect<object | undefined>(inspect.Config).toEqual({
    Cmd: null,
    Entrypoint: null,
    Env: null,
    Labels: null,
    OnBuild: null,
    User: "",
    Volumes: null,
    WorkingDir: "",
  });
  store.images.tag("min:1", "min:2");
  expect(store.images.inspect("min:2").Metadata?.LastTagTime).toMatch(/^20..-..-..T..:..:..\.\d+Z$/);
  expect(store.images.history("min:1")).toEqual([]);
});

test("history: newest first, sizes of the layers, ids of the ancestors that are here", async () => {
  const steps = [
    { created: at(1), created_by: "ADD rootfs /" },
    { created: at(1), created_by: "CMD sh", empty_layer: true },
  ];
  await store.load(dockerArchive({ layers: [layer(5)], tags: ["base:1"], config: { history: steps } }));
  const base = store.images.resolve("base:1");
  const history = [
    ...steps,
    { created: at(2), created_by: "ENV A=b", empty_layer: true },
    { created: at(3), created_by: "RUN x", comment: "c" },
  ];
  const top = await store.layers.applyStream(
    (async function* () {
      yield layer(7);
    })(),
    base.top ? { parent: base.top } : {},
  );
  const image = await store.images.create(
    { parent: base.id, top: top.chainId, run: {}, history, created: at(3) },
    "built:1",
  );
  const shown = store.images.history("built:1").map((h) => [h.Id, h.CreatedBy, h.Size, h.Tags, h.Comment]);
  expect(shown).toEqual([
    [image.id, "RUN x", 7, ["built:1"], "c"],
    ["<missing>", "ENV A=b", 0, null as never, ""],
    [base.id, "CMD sh", 0, ["base:1"], ""],
    ["<missing>", "ADD rootfs /", 5, null as never, ""],
  ]);
  expect(store.images.history("built:1")[0]?.Created).toBe(Date.parse(at(3)) / 1000);
});
