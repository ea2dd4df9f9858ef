import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { digestOf } from "../../../spec/digest.ts";
import { MediaType } from "../../../spec/oci.ts";
import { overSocket, pushBlob, pushManifest, type RegistryKit, registryKit } from "../../../testing/registry-kit.ts";

// OCI distribution-spec 1.1, "Pull": blobs with ranges and conditions, manifests of every kind, without a socket and over one.

const EMPTY = Buffer.from("{}");
const sha512 = (bytes: string | Buffer): string => `sha512:${createHash("sha512").update(bytes).digest("hex")}`;

describe.each(["call", "socket"])("%s:", (mode) => {
  let kit: RegistryKit;
  beforeEach(() => {
    kit = registryKit();
    if (mode === "socket") kit = overSocket(kit);
  });
  afterEach(() => kit[Symbol.asyncDispose]());

  const code = async (answer: Response): Promise<unknown> => {
    const { errors } = (await answer.json()) as { errors: { code: string }[] };
    return [answer.status, errors[0]?.code];
  };

  test("the API says its version, to everybody and at every path", async () => {
    for (const [method, path] of [
      ["GET", ""],
      ["HEAD", ""],
      ["GET", "_catalog"],
      ["GET", "no/such/thing"],
      ["GET", "a/manifests/none"],
    ] as const) {
      const answer = await kit.ask(method, path);
      expect(answer.headers.get("docker-distribution-api-version")).toBe("registry/2.0");
    }
    expect((await kit.ask("GET", "")).status).toBe(200);
  });

  test("ranges of a blob", async () => {
    const bytes = randomBytes(2048);
    const path = `a/b/blobs/${await pushBlob(kit, "a/b", bytes)}`;
    for (const [range, from, to] of [
      ["bytes=500-1499", 500, 1500],
      ["bytes=500-", 500, 2048],
      ["bytes=-500", 1548, 2048],
      ["bytes=2000-5000", 2000, 2048],
      ["bytes=0-0", 0, 1],
      ["bytes=-9999", 0, 2048],
      ["bytes=0-99999999999999999999999", 0, 2048],
      [" bytes=2047-2047 ", 2047, 2048],
    ] as const) {
      const answer = await kit.ask("GET", path, { headers: { Range: range } });
      expect([range, answer.status]).toEqual([range, 206]);
      expect(answer.headers.get("content-range")).toBe(`bytes ${from}-${to - 1}/2048`);
      expect(answer.headers.get("content-length")).toBe(String(to - from));
      expect(Buffer.from(await answer.arrayBuffer()).equals(bytes.subarray(from, to))).toBe(true);
    }
    for (const range of ["bytes=500-0", "bytes=5000-10000", "bytes=2048-", "bytes=-0"]) {
      const answer = await kit.ask("GET", path, { headers: { Range: range } });
      expect([range, answer.headers.get("content-range")]).toEqual([range, "bytes */2048"]);
      expect(await code(answer)).toEqual([416, "RANGE_INVALID"]);
    }
    // Not understood, or several at once: all of it, as RFC 9110 has it.
    for (const range of ["bytes=0-1,5-6", "pages=1-2", "bytes=", "bytes=-", "bytes=a-b"]) {
      const answer = await kit.ask("GET", path, { headers: { Range: range } });
      expect([range, answer.status, (await answer.arrayBuffer()).byteLength]).toEqual([range, 200, 2048]);
    }
  });

  test("a range of what has changed meanwhile is the whole", async () => {
    const digest = await pushBlob(kit, "a", Buffer.from("0123456789"));
    const path = `a/blobs/${digest}`;
    const ask = async (ifRange: string): Promise<string> =>
      (await kit.ask("GET", path, { headers: { Range: "bytes=2-4", "If-Range": ifRange } })).text();
    expect(await ask(`"${digest}"`)).toBe("234");
    expect(await ask('"another"')).toBe("0123456789");
  });

  test("what the client has is not sent again", async () => {
    const digest = await pushBlob(kit, "a", EMPTY);
    const image = { schemaVersion: 2, mediaType: MediaType.manifest, config: descriptor(EMPTY), layers: [] };
    const manifest = (await pushManifest(kit, { repository: "a", tag: "1" }, image)).headers.get(
      "docker-content-digest",
    );
    for (const [path, known] of [
      [`a/blobs/${digest}`, digest],
      ["a/manifests/1", manifest],
      [`a/manifests/${manifest}`, manifest],
    ] as const) {
      const plain = await kit.ask("GET", path);
      expect(plain.headers.get("etag")).toBe(`"${known}"`);
      for (const has of [`"${known}"`, `W/"${known}"`, `"x", "${known}"`, known ?? "", "*"]) {
        const answer = await kit.ask("GET", path, { headers: { "If-None-Match": has } });
        expect([has, answer.status, await answer.text()]).toEqual([has, 304, ""]);
      }
      expect((await kit.ask("GET", path, { headers: { "If-None-Match": '"x"' } })).status).toBe(200);
    }
  });

  test("what is not there", async () => {
    const digest = `sha256:${"0".repeat(64)}`;
    expect(await code(await kit.ask("GET", `a/blobs/${digest}`))).toEqual([404, "BLOB_UNKNOWN"]);
    expect(await code(await kit.ask("GET", `a/manifests/${digest}`))).toEqual([404, "MANIFEST_UNKNOWN"]);
    expect(await code(await kit.ask("GET", "a/manifests/missing"))).toEqual([404, "MANIFEST_UNKNOWN"]);
    expect(await code(await kit.ask("GET", "a/tags/list"))).toEqual([404, "NAME_UNKNOWN"]);
    for (const path of [`a/blobs/${digest}`, `a/manifests/${digest}`, "a/manifests/missing"]) {
      const head = await kit.ask("HEAD", path);
      expect(head.status).toBe(404);
      if (mode === "socket") expect(await head.text()).toBe("");
    }
  });

  test("a blob of one repository is not one of another", async () => {
    const digest = await pushBlob(kit, "a", Buffer.from("mine"));
    for (const method of ["GET", "HEAD", "DELETE"])
      expect((await kit.ask(method, `b/blobs/${digest}`)).status).toBe(404);
  });

  const descriptor = (bytes: Buffer, more: object = {}) => ({
    mediaType: "application/octet-stream",
    digest: digestOf(bytes),
    size: bytes.byteLength,
    ...more,
  });
  const layer = Buffer.from("layer");
  const KINDS: Record<string, () => Record<string, unknown>> = {
    "OCI image": () => ({ mediaType: MediaType.manifest, config: descriptor(EMPTY), layers: [descriptor(layer)] }),
    "OCI image that does not say so": () => ({ config: descriptor(EMPTY), layers: [descriptor(layer)] }),
    "Docker image": () => ({
      mediaType: MediaType.dockerManifest,
      config: descriptor(EMPTY, { mediaType: MediaType.dockerConfig }),
      layers: [descriptor(layer, { mediaType: MediaType.dockerLayerGzip })],
    }),
    "image without layers": () => ({ mediaType: MediaType.manifest, config: descriptor(EMPTY), layers: [] }),
    "artifact with the empty config": () => ({
      mediaType: MediaType.manifest,
      artifactType: "application/vnd.test",
      config: descriptor(EMPTY, { mediaType: "application/vnd.oci.empty.v1+json", data: "e30=" }),
      layers: [descriptor(EMPTY, { mediaType: "application/vnd.oci.empty.v1+json" })],
    }),
    "artifact manifest": () => ({
      mediaType: "application/vnd.oci.artifact.manifest.v1+json",
      artifactType: "application/vnd.test",
      blobs: [descriptor(layer)],
    }),
    "image with layers that are elsewhere": () => ({
      mediaType: MediaType.manifest,
      config: descriptor(EMPTY),
      layers: [
        {
          mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
          digest: `sha256:${"1".repeat(64)}`,
          size: 123456,
          urls: ["https://store.example.com/1"],
        },
        descriptor(layer),
      ],
    }),
    "unknown kind, unknown fields": () => ({ mediaType: "application/vnd.test.thing+json", "org.x": { y: [1, null] } }),
    "large, by its annotations": () => ({
      mediaType: MediaType.manifest,
      config: descriptor(EMPTY),
      layers: [],
      annotations: Object.fromEntries(Array.from({ length: 390 }, (_, i) => [`large-${i}`, "A".repeat(10_000)])),
    }),
    "empty index": () => ({ mediaType: MediaType.index, manifests: [] }),
  };

  test.each(Object.keys(KINDS))("manifest: %s", async (kind) => {
    for (const bytes of [EMPTY, layer]) await pushBlob(kit, "a/b", bytes);
    const manifest = { schemaVersion: 2, ...KINDS[kind]?.() };
    await expectKept(manifest);
  });

  /** Put by tag and by digests, and there again byte by byte, by each of its names. */
  async function expectKept(manifest: object): Promise<string> {
    // Spaces count: what is kept is bytes.
    const text = JSON.stringify(manifest, null, 3);
    const type = (manifest as { mediaType?: string }).mediaType ?? MediaType.manifest;
    const digest = digestOf(Buffer.from(text));
    const long = sha512(text);
    for (const [target, name] of [
      ["v1.0", digest],
      [digest, digest],
      [encodeURIComponent(digest), digest],
      [long, long],
    ] as const) {
      const put = await kit.ask("PUT", `a/b/manifests/${target}`, { body: text, headers: { "Content-Type": type } });
      expect([target, put.status, await put.text()]).toEqual([target, 201, ""]);
      expect(put.headers.get("docker-content-digest")).toBe(name);
      expect(put.headers.get("location")).toBe(`/v2/a/b/manifests/${name}`);
    }
    for (const target of ["v1.0", digest, digest.replace(":", "%3A"), digest.replace(":", "%3a"), long]) {
      const name = target === long ? long : digest;
      const got = await kit.ask("GET", `a/b/manifests/${target}`, { headers: { Accept: "text/plain" } });
      expect([got.status, got.headers.get("content-type")]).toEqual([200, type]);
      expect(got.headers.get("docker-content-digest")).toBe(name);
      expect(got.headers.get("content-length")).toBe(String(Buffer.byteLength(text)));
      expect(await got.text()).toBe(text);
      const head = await kit.ask("HEAD", `a/b/manifests/${target}`);
      expect([head.status, head.headers.get("content-type")]).toEqual([200, type]);
      expect(head.headers.get("content-length")).toBe(String(Buffer.byteLength(text)));
      expect([head.headers.get("docker-content-digest"), await head.text()]).toEqual([name, ""]);
    }
    return digest;
  }

  test.each([MediaType.index, MediaType.dockerIndex])("%s, of images, and of itself", async (mediaType) => {
    for (const bytes of [EMPTY, layer]) await pushBlob(kit, "a/b", bytes);
    const manifests: object[] = [];
    for (const architecture of ["amd64", "arm64"]) {
      const image = {
        schemaVersion: 2,
        mediaType: mediaType === MediaType.index ? MediaType.manifest : MediaType.dockerManifest,
        config: descriptor(EMPTY),
        layers: [],
        annotations: { architecture },
      };
      const text = Buffer.from(JSON.stringify(image));
      expect((await pushManifest(kit, { repository: "a/b", tag: digestOf(text) }, image)).status).toBe(201);
      manifests.push(descriptor(text, { mediaType: image.mediaType, platform: { os: "linux", architecture } }));
    }
    const index = { schemaVersion: 2, mediaType, manifests };
    await expectKept(index);
    const inner = Buffer.from(JSON.stringify(index, null, 3));
    await expectKept({ schemaVersion: 2, mediaType, manifests: [descriptor(inner, { mediaType })] });
  });

  test("a manifest of blobs and manifests that are not here is refused with their names", async () => {
    await pushBlob(kit, "a/b", EMPTY);
    await pushBlob(kit, "elsewhere", layer);
    const image = {
      schemaVersion: 2,
      mediaType: MediaType.manifest,
      config: descriptor(EMPTY),
      layers: [descriptor(layer)],
    };
    const refused = await pushManifest(kit, { repository: "a/b", tag: "1" }, image);
    const { errors } = (await refused.json()) as { errors: { code: string; detail: unknown; message: string }[] };
    expect([refused.status, errors[0]?.code]).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
    expect(errors[0]?.detail).toEqual([{ digest: digestOf(layer) }]);
    expect(errors[0]?.message).toContain(digestOf(layer));
    const index = { schemaVersion: 2, mediaType: MediaType.index, manifests: [descriptor(layer)] };
    expect(await code(await pushManifest(kit, { repository: "a/b", tag: "1" }, index))).toEqual([
      400,
      "MANIFEST_BLOB_UNKNOWN",
    ]);
    expect((await kit.ask("GET", "a/b/manifests/1")).status).toBe(404);
  });

  test("several tags come with one PUT by digest", async () => {
    await pushBlob(kit, "a/b", EMPTY);
    const text = JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.manifest,
      config: descriptor(EMPTY),
      layers: [],
    });
    for (const digest of [digestOf(Buffer.from(text)), sha512(text)]) {
      const [one, two] = [`one-${digest.slice(0, 6)}`, `two-${digest.slice(0, 6)}`];
      const put = (query: string): Promise<Response> =>
        kit.ask("PUT", `a/b/manifests/${digest}?${query}`, {
          body: text,
          headers: { "Content-Type": MediaType.manifest },
        });
      const answer = await put(`tag=${one}&tag=${two}`);
      expect([answer.status, answer.headers.get("oci-tag")]).toEqual([201, `${one}, ${two}`]);
      for (const tag of [one, two])
        expect((await kit.ask("HEAD", `a/b/manifests/${tag}`)).headers.get("docker-content-digest")).toBe(digest);
      expect(await code(await put("tag=ok&tag=..%2fup"))).toEqual([400, "MANIFEST_INVALID"]);
      expect((await kit.ask("GET", "a/b/manifests/ok")).status).toBe(404);
    }
  });

  test("a manifest that is not what it is called is refused", async () => {
    await pushBlob(kit, "a", EMPTY);
    const image = { schemaVersion: 2, mediaType: MediaType.manifest, config: descriptor(EMPTY), layers: [] };
    const text = JSON.stringify(image);
    const digest = digestOf(Buffer.from(text));
    const put = (target: string, body: string): Promise<Response> =>
      kit.ask("PUT", `a/manifests/${target}`, { body, headers: { "Content-Type": MediaType.manifest } });
    expect(await code(await put(digest, `${text}  `))).toEqual([400, "DIGEST_INVALID"]);
    expect(await code(await put("sha256:baddigeststring", text))).toEqual([400, "DIGEST_INVALID"]);
    expect(await code(await put("-no-tag", text))).toEqual([400, "MANIFEST_INVALID"]);
    expect(await code(await put("t".repeat(129), text))).toEqual([400, "MANIFEST_INVALID"]);
    expect(await code(await kit.ask("GET", "a/manifests/sha256:baddigeststring"))).toEqual([400, "DIGEST_INVALID"]);
  });
});
