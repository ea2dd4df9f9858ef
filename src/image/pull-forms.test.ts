import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { openRegistryClient } from "../registry/client.ts";
import { MediaType } from "../spec/oci.ts";
import { parseReference } from "../spec/reference.ts";
import { configFor, digestOf, openTestStore, type TestStore, tar } from "./fixture.ts";

// Every form that an image may come in, from a real server, and what only looks like one.

const FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
const LAYER = tar({ name: "a", data: "hello\n" });
const GZIP = gzipSync(LAYER);
let store: TestStore;
let server: Server;
let host = "";
/** What the server has, by path; a body of null is a plain 404. */
let files: Map<string, { body: Buffer; type: string }>;
let asked: string[] = [];
let manifests: { path: string; type: string; body: Buffer }[] = [];

beforeEach(async () => {
  store = openTestStore();
  [files, asked, manifests] = [new Map(), [], []];
  files.set("/v2/", { body: Buffer.from("{}"), type: "application/json" });
  server = createServer(async (request, response) => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    asked.push(`${request.method} ${path}`);
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    if (request.method === "PUT" && path.includes("/manifests/")) {
      manifests.push({ path, type: request.headers["content-type"] ?? "", body: Buffer.concat(parts) });
      return void response.writeHead(201).end();
    }
    const status = { POST: 202, PATCH: 202, PUT: 201 }[request.method ?? ""];
    if (status) return void response.writeHead(status, { Location: "/v2/app/blobs/uploads/1" }).end();
    const file = files.get(path);
    if (!file) return void response.writeHead(404).end("{}");
    response.writeHead(200, { "Content-Type": file.type, "Content-Length": file.body.length });
    response.end(request.method === "HEAD" ? undefined : file.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  store.close();
});

interface Part {
  mediaType: string;
  digest: string;
  size: number;
}

function blob(mediaType: string, body: Buffer): Part {
  files.set(`/v2/app/blobs/${digestOf(body)}`, { body, type: "application/octet-stream" });
  return { mediaType, digest: digestOf(body), size: body.length };
}

/** Puts a manifest in, by its digest and as `tag`. `type` is what the server calls it. */
function put(value: object, tag = "1", type?: string): Part {
  const body = Buffer.from(JSON.stringify(value));
  const { mediaType = "" } = value as { mediaType?: string };
  for (const name of [digestOf(body), tag]) files.set(`/v2/app/manifests/${name}`, { body, type: type ?? mediaType });
  return { mediaType, digest: digestOf(body), size: body.length };
}

/** An image of one layer. */
function image(layer: Part & { urls?: string[] }, form: { docker?: boolean; more?: object } = {}): object {
  const config = blob(form.docker ? MediaType.dockerConfig : MediaType.config, Buffer.from(configFor([LAYER])));
  const mediaType = form.docker ? MediaType.dockerManifest : MediaType.manifest;
  return { schemaVersion: 2, mediaType, config, layers: [layer], ...form.more };
}

const client = openRegistryClient({
  ...{ mirrors: [], insecure: [], certsDirs: [], userAgent: "test" },
  retry: { attempts: 1, waitMs: 1 },
});
const pull = (): Promise<{ status?: string }[]> =>
  Array.fromAsync(store.images.pull(client, parseReference(`${host}/app:1`), {}));
const failure = (): Promise<string> =>
  pull().then(
    () => "none",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
const content = (): string | undefined =>
  store.layers
    .view(store.images.resolve(`${host}/app:1`).top)
    .readFile("/a")
    ?.toString();

describe("an image", () => {
  test.each([
    ["Docker, gzip", MediaType.dockerLayerGzip, GZIP, true],
    ["Docker, zstd", MediaType.dockerLayerZstd, zstdCompressSync(LAYER), true],
    ["Docker, plain", MediaType.dockerLayer, LAYER, true],
    ["OCI, gzip", MediaType.layerGzip, GZIP, false],
    ["OCI, zstd", MediaType.layerZstd, zstdCompressSync(LAYER), false],
    ["OCI, plain", MediaType.layer, LAYER, false],
  ])("in the form %s", async (_, type, bytes, docker) => {
    put(image(blob(type, bytes), { docker }));
    await pull();
    expect(content()).toBe("hello\n");
  });

  test("behind an index in an index", async () => {
    const own = put(image(blob(MediaType.layer, LAYER)));
    const platform = { os: "linux", architecture: "amd64" };
    const inner = put({ schemaVersion: 2, mediaType: MediaType.index, manifests: [{ ...own, platform }] });
    put({ schemaVersion: 2, mediaType: MediaType.index, manifests: [inner] });
    await pull();
    expect(content()).toBe("hello\n");
  });

  test("behind too many of them is refused", async () => {
    let top = put(image(blob(MediaType.layer, LAYER)));
    for (let n = 0; n < 6; n++) top = put({ schemaVersion: 2, mediaType: MediaType.index, manifests: [top] });
    expect(await failure()).toContain("too many indexes");
  });

  test("whose manifest a plain file server calls text, or nothing, is taken by its own word", async () => {
    put(image(blob(MediaType.layer, LAYER)), "1", "text/plain; charset=utf-8");
    await pull();
    expect(content()).toBe("hello\n");
  });
});

describe("a foreign layer", () => {
  const urls = (path: string): string[] => [`http://${host}/missing`, `http://${host}${path}`];

  test("is taken from the registry, where it has it", async () => {
    put(image({ ...blob(FOREIGN, GZIP), urls: urls("/elsewhere") }, { docker: true }));
    await pull();
    expect(content()).toBe("hello\n");
    expect(asked).not.toContain("GET /elsewhere");
  });

  test("else from its addresses, and is verified; a push leaves it out, and sends the very manifest", async () => {
    const part = { ...blob(FOREIGN, GZIP), urls: urls("/elsewhere") };
    files.delete(`/v2/app/blobs/${part.digest}`);
    files.set("/elsewhere", { body: Buffer.alloc(GZIP.length), type: "" });
    const value = image(part, { docker: true });
    put(value);
    const before = store.snapshot();
    expect(await failure()).toContain("digest mismatch");
    expect(store.snapshot()).toEqual(before);
    files.set("/elsewhere", { body: GZIP, type: "" });
    await pull();
    expect(content()).toBe("hello\n");
    asked.length = 0;
    const lines = await Array.fromAsync(store.images.push(client, parseReference(`${host}/app:1`), {}));
    expect(lines.map(({ status }) => status)).toContain("Skipped foreign layer");
    expect(asked.filter((line) => line.includes(part.digest))).toEqual([]);
    expect(manifests.map(({ body }) => body.toString())).toEqual([JSON.stringify(value)]);
  });
});

describe("refused in one line, with nothing left:", () => {
  const layer = (): Part => blob(MediaType.layer, LAYER);
  const cases: [string, () => void, RegExp][] = [
    [
      "an artifact",
      () =>
        put({
          ...image(layer()),
          artifactType: "application/vnd.example.sbom",
          config: blob("application/vnd.oci.empty.v1+json", Buffer.from("{}")),
        }),
      /no container image.*artifact of the type application\/vnd.example.sbom/,
    ],
    [
      "a chart",
      () => put({ ...image(layer()), config: blob("application/vnd.cncf.helm.config.v1+json", Buffer.from("{}")) }),
      /no container image: its config is application\/vnd.cncf.helm/,
    ],
    [
      "a manifest that the registry calls an index",
      () => put(image(layer()), "1", MediaType.index),
      /ambiguous: the registry calls it .*index.*calls itself .*manifest/,
    ],
    [
      "an index with layers",
      () => put({ schemaVersion: 2, mediaType: MediaType.index, manifests: [], layers: [] }),
      /ambiguous: it has both/,
    ],
    ["a manifest with manifests", () => put(image(layer(), { more: { manifests: [] } })), /ambiguous: it has both/],
    [
      "a layer by a digest of another kind",
      () => put(image({ ...layer(), digest: `sha512:${"a".repeat(128)}` })),
      /layers\[0\].digest.*sha256 digest; others are not supported/,
    ],
    ["a layer of an unknown kind", () => put(image(blob("application/x-iso", LAYER))), /unsupported media type/],
    [
      "a foreign layer that nobody has",
      () => {
        const part = { ...blob(FOREIGN, GZIP), urls: [`http://${host}/gone`] };
        files.delete(`/v2/app/blobs/${part.digest}`);
        put(image(part));
      },
      /kept elsewhere: 127.0.0.1:\d+ answered 404/,
    ],
  ];
  test.each(cases)("%s", async (_, arrange, words) => {
    const before = store.snapshot();
    arrange();
    const said = await failure();
    expect(said).toMatch(words);
    expect(said).not.toContain("\n");
    expect(store.snapshot()).toEqual(before);
  });

  test("a name with a digest of another kind", () => {
    expect(() => parseReference(`app@sha512:${"a".repeat(128)}`)).toThrow("only sha256 digests");
  });
});
