import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import type { Digest } from "../spec/digest.ts";
import { MediaType } from "../spec/oci.ts";
import { hostPlatform } from "../spec/platform.ts";
import {
  configFor,
  digestOf,
  dockerArchive,
  OciLayout,
  openTestStore,
  type TarInput,
  type TestStore,
  tar,
} from "./fixture.ts";
import type { Filters } from "./types.ts";

const layer = (text: string): Buffer => tar({ name: "f", data: text });
const config = (day: number, Labels?: Record<string, string>): object => ({
  created: `2024-01-0${day}T00:00:00Z`,
  ...(Labels ? { config: { Labels } } : {}),
});

describe("which images each filter lists", () => {
  let store: TestStore;
  beforeAll(async () => {
    store = openTestStore();
    const images: [number, string[] | null, Record<string, string>?][] = [
      [1, ["app:1", "app:old"], { team: "a", empty: "" }],
      [2, ["app:2"], { team: "b", "with=sign": "x=y" }],
      [3, ["example.com:5000/deep/app:2"], { team: "a", tier: "web" }],
      [4, ["lib/util:latest"]],
      [5, null, { team: "a" }],
    ];
    for (const [day, tags, labels] of images) {
      await store.load(dockerArchive({ layers: [layer(`${day}`)], tags, config: config(day, labels) }));
    }
  });
  afterAll(() => store.close());

  const ALL = "<none> lib/util:latest example.com:5000/deep/app:2 app:2 app:1,app:old";
  test.each<[Filters, string]>([
    [{}, ALL],
    [{ dangling: ["true"] }, "<none>"],
    [{ dangling: ["1"] }, "<none>"],
    [{ dangling: ["false"] }, ALL.replace("<none> ", "")],
    [{ label: ["team"] }, "<none> example.com:5000/deep/app:2 app:2 app:1,app:old"],
    [{ label: ["team=a"] }, "<none> example.com:5000/deep/app:2 app:1,app:old"],
    [{ label: ["team=a", "tier"] }, "example.com:5000/deep/app:2"],
    [{ label: ["team=a", "team=b"] }, ""],
    [{ label: ["team="] }, ""],
    [{ label: ["empty="] }, "app:1,app:old"],
    [{ label: ["empty"] }, "app:1,app:old"],
    [{ label: ["nope"] }, ""],
    [{ label: ["team=a"], dangling: ["true"] }, "<none>"],
    [{ reference: ["app"] }, "app:2 app:1,app:old"],
    [{ reference: ["app:1"] }, "app:1"],
    [{ reference: ["app:*"] }, "app:2 app:1,app:old"],
    [{ reference: ["app:[12]"] }, "app:2 app:1"],
    [{ reference: ["*"] }, "app:2 app:1,app:old"],
    [{ reference: ["*/*"] }, "lib/util:latest"],
    [{ reference: ["*/*/*"] }, "example.com:5000/deep/app:2"],
    [{ reference: ["*/*/*:2", "app:old"] }, "example.com:5000/deep/app:2 app:old"],
    [{ reference: ["lib/*"], label: ["team"] }, ""],
    [{ before: ["app:2"] }, "app:1,app:old"],
    [{ since: ["app:2"] }, "<none> lib/util:latest example.com:5000/deep/app:2"],
    [{ since: ["app:1"], before: ["lib/util"] }, "example.com:5000/deep/app:2 app:2"],
    [{ since: ["lib/util"], before: ["app:1"] }, ""],
    [{ until: ["2024-01-02T12:00:00Z"] }, "app:2 app:1,app:old"],
    [{ until: ["2024-01-01"] }, ""],
    [{ until: ["1ns"] }, ALL],
  ])("%j: %s", (filters, expected) => {
    const list = store.images.list({ all: false, filters });
    expect(list.map((s) => [...s.RepoTags].sort().join() || "<none>").join(" ")).toBe(expected);
  });

  test.each<[Filters, string]>([
    [{ nope: ["x"] }, "invalid filter 'nope'"],
    [{ dangling: ["maybe"] }, "invalid filter 'dangling=[maybe]'"],
    [{ dangling: ["true", "false"] }, "invalid filter 'dangling=[true false]'"],
    [{ before: ["gone"] }, "No such image: gone:latest"],
    [{ since: ["app:9"] }, "No such image: app:9"],
  ])("%j is refused: %s", (filters, message) => {
    expect(() => store.images.list({ all: false, filters })).toThrow(message);
  });
});

describe("archives in the shapes that programs write", () => {
  let store: TestStore;
  beforeEach(() => {
    store = openTestStore();
  });
  afterEach(() => store.close());

  const text = (image: string): string | undefined =>
    store.layers.view(store.images.resolve(image).top).readFile("/f")?.toString();
  const [one, two] = [layer("one"), layer("two")];
  const json = (name: string, value: unknown): TarInput => ({ name, data: JSON.stringify(value) });

  test("docker save of 1.10 to 24: a folder a layer with VERSION and json, repositories, the config by its digest", async () => {
    const data = configFor([one, two], config(1));
    const id = digestOf(data).slice(7);
    const folders = ["1".repeat(64), "2".repeat(64)];
    const archive = tar(
      ...folders.flatMap((name, i) => [
        { name: `${name}/` },
        { name: `${name}/VERSION`, data: "1.0" },
        json(`${name}/json`, { id: name }),
        { name: `${name}/layer.tar`, data: i === 0 ? one : two },
      ]),
      { name: `${id}.json`, data },
      json("manifest.json", [
        { Config: `${id}.json`, RepoTags: ["old:1"], Layers: folders.map((name) => `${name}/layer.tar`) },
      ]),
      json("repositories", { old: { "1": folders[1] } }),
    );
    expect(await store.load(archive)).toEqual(["Loaded image: old:1"]);
    expect(store.images.resolve("old:1").id).toBe(`sha256:${id}`);
    expect(text("old:1")).toBe("two");
  });

  test("docker save of 25 and later: an OCI layout with manifest.json, LayerSources, several images sharing layers", async () => {
    const layout = new OciLayout();
    const a = layout.image([one], { config: config(1) });
    const b = layout.image([one, two], { config: config(2) });
    const blob = (data: string | Uint8Array): string => `blobs/sha256/${digestOf(data).slice(7)}`;
    const items = [
      { Config: blob(configFor([one], config(1))), RepoTags: ["new:a", "again:a"], Layers: [blob(one)] },
      { Config: blob(configFor([one, two], config(2))), RepoTags: ["new:b"], Layers: [blob(one), blob(two)] },
    ].map((item) => ({
      ...item,
      LayerSources: { [digestOf(one)]: { mediaType: MediaType.layer, size: one.length, digest: digestOf(one) } },
    }));
    const named = (d: object, name: string) => ({
      ...d,
      annotations: { "io.containerd.image.name": `docker.io/library/${name}` },
    });
    const archive = layout.archive([named(a, "new:a"), named(a, "again:a"), named(b, "new:b")] as never, [
      json("manifest.json", items),
    ]);
    expect(await store.load(archive)).toEqual(["Loaded image: new:a", "Loaded image: again:a", "Loaded image: new:b"]);
    expect(store.layers.list()).toHaveLength(2);
    expect([text("new:a"), text("new:b")]).toEqual(["one", "two"]);
    expect(store.images.resolve("new:a").manifest).toBe(a.digest);
    const gone = await store.images.remove("new:b", { force: false, prune: true, users: [] });
    expect([gone.items.length, gone.layers.length]).toEqual([2, 1]);
    expect(text("again:a")).toBe("one");
  });

  test("an OCI layout as skopeo writes it: no names but ref.name, gzip layers, then the same with a full name", async () => {
    const layout = new OciLayout();
    const d = layout.image([one], { stored: [gzipSync(one)], mediaType: MediaType.layerGzip });
    const ref = (name: string) => ({ ...d, annotations: { "org.opencontainers.image.ref.name": name } });
    const [line = ""] = await store.load(layout.archive([ref("latest")]));
    expect(line).toBe(`Loaded image ID: ${digestOf(configFor([one]))}`);
    expect(await store.load(layout.archive([ref("example.com/team/app:7")]))).toEqual([
      "Loaded image: example.com/team/app:7",
    ]);
    expect(text("example.com/team/app:7")).toBe("one");
    expect(store.layers.list()).toHaveLength(1);
  });

  test("one tag twice in an archive is the later image's", async () => {
    const archive = tar(
      { name: "1.tar", data: one },
      { name: "2.tar", data: two },
      { name: "a.json", data: configFor([one]) },
      { name: "b.json", data: configFor([two]) },
      json("manifest.json", [
        { Config: "a.json", RepoTags: ["same:1"], Layers: ["1.tar"] },
        { Config: "b.json", RepoTags: ["same:1"], Layers: ["2.tar"] },
      ]),
    );
    await store.load(archive);
    expect(text("same:1")).toBe("two");
    expect(store.images.list({ all: false, filters: {} })).toHaveLength(2);
  });

  test("an index with attestations and other platforms loads this machine's image alone", async () => {
    const host = hostPlatform();
    const layout = new OciLayout();
    const mine = layout.image([one], { config: { ...host } });
    const theirs = layout.image([two], { config: { os: "linux", architecture: "mips64le" } });
    const index = layout.index([
      { ...theirs, platform: { os: "linux", architecture: "mips64le" } },
      { ...mine, platform: { os: host.os, architecture: host.architecture } },
      { ...layout.blob(MediaType.manifest, '{"attestation":1}'), platform: { os: "unknown", architecture: "unknown" } },
    ]);
    const named = { ...index, annotations: { "io.containerd.image.name": "docker.io/library/multi:1" } };
    await store.load(layout.archive([named]));
    expect(text("multi:1")).toBe("one");
    expect(store.layers.list()).toHaveLength(1);
  });

  test.each([
    ["a layer of an unknown media type", "application/vnd.example.thing"],
    ["a foreign layer that is not in the archive", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"],
  ])("%s leaves the store as it was", async (_, mediaType) => {
    const layout = new OciLayout();
    const cfg = layout.blob(MediaType.config, configFor([one, two]));
    const missing = { mediaType, digest: digestOf("not here") as Digest, size: 8 };
    const manifest = {
      schemaVersion: 2,
      mediaType: MediaType.manifest,
      config: cfg,
      layers: [layout.blob(MediaType.layer, one), missing],
    };
    const before = store.snapshot();
    const failed: unknown = await store
      .load(layout.archive([layout.blob(MediaType.manifest, JSON.stringify(manifest))]))
      .catch((e: unknown) => e);
    expect(failed).toBeInstanceOf(Error);
    expect((failed as Error).message).not.toContain("\n");
    expect(store.snapshot()).toEqual(before);
  });
});

describe("what rmi does, by names, containers and force", () => {
  const ID = "0123456789ab".padEnd(64, "c");
  /** Names of the image, what is removed (`id` for the id), container state, force → Docker's words or `untagged`/`deleted`. */
  test.each<[string[], string, "none" | "stopped" | "running", boolean, string]>([
    [["t:1"], "t:1", "none", false, "untagged deleted"],
    [["t:1"], "id", "none", false, "untagged deleted"],
    [["t:1", "t:2"], "t:1", "none", false, "untagged"],
    [
      ["t:1", "t:2"],
      "id",
      "none",
      false,
      "conflict: unable to delete ID (must be forced) - image is referenced in multiple repositories",
    ],
    [
      ["t:1", "u:1"],
      "id",
      "none",
      false,
      "conflict: unable to delete ID (must be forced) - image is referenced in multiple repositories",
    ],
    [["t:1", "u:1"], "id", "none", true, "untagged untagged deleted"],
    [
      ["t:1"],
      "t:1",
      "stopped",
      false,
      'conflict: unable to remove repository reference "t:1" (must force) - container 0123456789ab is using its referenced image ID',
    ],
    [
      ["t:1"],
      "id",
      "stopped",
      false,
      "conflict: unable to delete ID (must be forced) - image is being used by stopped container 0123456789ab",
    ],
    [["t:1"], "t:1", "stopped", true, "untagged deleted"],
    [["t:1"], "id", "stopped", true, "untagged deleted"],
    [["t:1", "t:2"], "t:2", "stopped", false, "untagged"],
    [["t:1", "t:2"], "t:2", "running", false, "untagged"],
    [
      ["t:1"],
      "t:1",
      "running",
      false,
      'conflict: unable to remove repository reference "t:1" (must force) - container 0123456789ab is using its referenced image ID',
    ],
    [["t:1"], "t:1", "running", true, "untagged"],
    [
      ["t:1"],
      "id",
      "running",
      false,
      "conflict: unable to delete ID (cannot be forced) - image is being used by running container 0123456789ab",
    ],
    [
      ["t:1"],
      "id",
      "running",
      true,
      "conflict: unable to delete ID (cannot be forced) - image is being used by running container 0123456789ab",
    ],
    [[], "id", "none", false, "deleted"],
    [
      [],
      "id",
      "stopped",
      false,
      "conflict: unable to delete ID (must be forced) - image is being used by stopped container 0123456789ab",
    ],
    [[], "id", "stopped", true, "deleted"],
  ])("%j, rmi %s, container %s, force %p: %s", async (tags, what, state, force, expected) => {
    const store = openTestStore();
    try {
      const data = layer("x");
      await store.load(dockerArchive({ layers: [data], tags: tags.length > 0 ? tags : null }));
      const id = digestOf(configFor([data]));
      const users =
        state === "none" ? [] : [{ containerId: ID, image: id, running: state === "running", top: digestOf(data) }];
      const items = await store.images
        .remove(what === "id" ? id : what, { force, prune: true, users })
        .catch((e: Error) => e.message);
      const words =
        typeof items === "string"
          ? items.replace(id.slice(7, 19), "ID")
          : items.items.flatMap((i) => ("Untagged" in i ? "untagged" : i.Deleted === id ? "deleted" : [])).join(" ");
      expect(words).toBe(expected);
      expect(store.images.get(id) === undefined).toBe(expected.endsWith("deleted"));
      expect(store.layers.list()).toHaveLength(expected.endsWith("deleted") && state === "none" ? 0 : 1);
    } finally {
      store.close();
    }
  });
});
