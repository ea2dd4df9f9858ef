import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { readTar } from "../layer/tar/reader.ts";
import { isKind } from "../spec/errors.ts";
import { MediaType } from "../spec/oci.ts";
import { chunked, digestOf, dockerArchive, OciLayout, openTestStore, type TestStore, tar } from "./fixture.ts";

let store: TestStore;
beforeEach(() => {
  store = openTestStore();
});
afterEach(() => store.close());

const base = tar({ name: "bin" }, { name: "bin/busybox", data: readFileSync("/bin/busybox") });
const top = tar({ name: "etc" }, { name: "etc/hello", data: "hello\n" });

async function save(...names: string[]): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(store.images.save(names, {})));
}

/** Names and contents of an archive. */
async function filesOf(archive: Buffer): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for await (const { header, body } of readTar(chunked(archive))) {
    const parts: Buffer[] = [];
    for (let chunk = await body.next(); chunk; chunk = await body.next()) parts.push(Buffer.from(chunk));
    files.set(header.path, Buffer.concat(parts));
  }
  return files;
}

async function json(archive: Buffer, name: string): Promise<unknown> {
  return JSON.parse((await filesOf(archive)).get(name)?.toString() ?? "null");
}

test("what is saved loads again into an empty store as the same images with the same names", async () => {
  await store.load(dockerArchive({ layers: [base, top], tags: ["one:1", "one:2"] }));
  await store.load(dockerArchive({ layers: [base], tags: ["two:latest"] }));
  const archive = await save("one", "two");
  const other = openTestStore();
  try {
    expect(await other.load(archive)).toEqual([
      "Loaded image: one:1",
      "Loaded image: one:2",
      "Loaded image: two:latest",
    ]);
    for (const name of ["one:1", "one:2", "two"]) {
      expect(other.images.resolve(name).id).toBe(store.images.resolve(name).id);
      expect(other.images.resolve(name).manifest).toBe(store.images.resolve(name).manifest);
    }
  } finally {
    other.close();
  }
});

test("shared layers are in it once, every blob holds what its name says, and the same images make the same bytes", async () => {
  await store.load(dockerArchive({ layers: [base, top], tags: ["one:1"] }));
  await store.load(dockerArchive({ layers: [base], tags: ["two:1"] }));
  const archive = await save("one:1", "two:1");
  expect(archive.equals(await save("one:1", "two:1"))).toBe(true);
  const blobs = [...(await filesOf(archive))].filter(([name]) => /^blobs\/sha256\/./.test(name));
  expect(blobs).toHaveLength(2 + 2 + 2);
  for (const [name, bytes] of blobs) expect(`blobs/${digestOf(bytes).replace(":", "/")}`).toBe(name);
  expect(blobs.map(([name]) => name)).toEqual(blobs.map(([name]) => name).sort());
});

test("layers stay compressed as they came, and the manifest keeps its digest", async () => {
  const layout = new OciLayout();
  const manifest = layout.image([top], { stored: [gzipSync(top)], mediaType: MediaType.layerGzip });
  await store.load(layout.archive([{ ...manifest, annotations: { "org.opencontainers.image.ref.name": "zipped:1" } }]));
  const archive = await save("zipped:1");
  const index = (await json(archive, "index.json")) as { manifests: { digest: string; annotations: object }[] };
  expect(index.manifests).toEqual([
    {
      mediaType: MediaType.manifest,
      digest: manifest.digest,
      size: manifest.size,
      annotations: {
        "io.containerd.image.name": "docker.io/library/zipped:1",
        "org.opencontainers.image.ref.name": "1",
      },
    },
  ] as never);
  expect((await filesOf(archive)).has(`blobs/${digestOf(gzipSync(top)).replace(":", "/")}`)).toBe(true);
});

test("an id saves the image without a name, a tag just that one, a repository all of its tags", async () => {
  await store.load(dockerArchive({ layers: [top], tags: ["app:1", "app:2", "host:5000/app:3"] }));
  const { id } = store.images.resolve("app:1");
  const tags = async (...names: string[]): Promise<unknown> =>
    ((await json(await save(...names), "manifest.json")) as { RepoTags: unknown }[]).map((m) => m.RepoTags);
  expect(await tags(id)).toEqual([null]);
  expect(await tags(id.slice(7, 19))).toEqual([null]);
  expect(await tags("app:2")).toEqual([["app:2"]]);
  expect(await tags("app")).toEqual([["app:1", "app:2"]]);
  expect(await tags("app:2", "host:5000/app", id, "app:2")).toEqual([["app:2", "host:5000/app:3"]]);
  expect(await json(await save(id), "repositories")).toBeNull();
});

test.each([
  ["nosuch", {}, "No such image: nosuch"],
  ["app:9", {}, "No such image: app:9"],
  ["app:1", { platform: "linux/s390x" }, "no suitable export target found for platform linux/s390x"],
])("%s %j fails before the first byte", async (name, options, words) => {
  await store.load(dockerArchive({ layers: [top], tags: ["app:1"] }));
  const first = store.images.save([name], options)[Symbol.asyncIterator]().next();
  const error: unknown = await first.catch((e: unknown) => e);
  expect(isKind(error, "not-found")).toBe(true);
  expect((error as Error).message).toBe(words);
});

test("an image that is removed while it is saved is in the archive whole; then it is gone", async () => {
  await store.load(dockerArchive({ layers: [base, top], tags: ["going:1"] }));
  const parts: Uint8Array[] = [];
  for await (const chunk of store.images.save(["going:1"], {})) {
    if (parts.length === 0) await store.images.remove("going:1", { force: true, prune: true, users: [] });
    parts.push(chunk);
  }
  const other = openTestStore();
  try {
    expect(await other.load(Buffer.concat(parts))).toEqual(["Loaded image: going:1"]);
  } finally {
    other.close();
  }
  await store.images.gc({ chains: [], blobs: [] });
  expect(store.blobs.list()).toEqual([]);
});
