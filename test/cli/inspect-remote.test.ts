import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { tar } from "../../src/image/fixture.ts";
import { digestOf } from "../../src/spec/digest.ts";
import { type Descriptor, MediaType } from "../../src/spec/oci.ts";
import { hostPlatform } from "../../src/spec/platform.ts";
import { LocalRegistry } from "../../src/testing/local-registry.ts";
import { berth } from "./harness.ts";

// `berth image inspect --remote`: what a registry has, without an engine and without a pull.

const layers = [tar({ name: "a", data: "one\n" }), tar({ name: "b", data: "two\n" })];
const host = hostPlatform();
let registry: LocalRegistry;
let app: Descriptor;
let many: Descriptor;

beforeAll(async () => {
  registry = await LocalRegistry.start();
  const config = {
    ...host,
    created: "2020-01-02T03:04:05Z",
    author: "me",
    config: { Cmd: ["sh"], Labels: { a: "b" } },
  };
  app = await registry.putImage("app", "1", { layers, config });
  many = await registry.putIndex("app", "many", [{ os: "linux", architecture: "mips64le" }, host], layers);
  await registry.putIndex("app", "other", [{ os: "linux", architecture: "s390x" }], layers);
  const empty = await registry.putBlob("app", Buffer.from("{}"), "application/vnd.oci.empty.v1+json");
  const artifact = { mediaType: MediaType.manifest, artifactType: "example/sbom", config: empty, layers: [empty] };
  await registry.putManifest("app", "sbom", artifact);
});
afterAll(() => registry[Symbol.asyncDispose]());
beforeEach(() => void (registry.intercept = () => undefined));

const inspect = (name: string, ...argv: string[]) =>
  berth(["image", "inspect", "--remote", ...argv, `${registry.host}/${name}`], { host: "unix:///nonexistent" });

test("the same shape as of an image that is here", async () => {
  const { code, out } = await inspect("app:1");
  const [image] = JSON.parse(out);
  expect(code).toBe(0);
  const sum = layers.reduce((n, layer) => n + layer.length, 0);
  expect(image).toMatchObject({
    RepoTags: [`${registry.host}/app:1`],
    RepoDigests: [`${registry.host}/app@${app.digest}`],
    Descriptor: { mediaType: MediaType.manifest, digest: app.digest, size: app.size },
    Created: "2020-01-02T03:04:05Z",
    Author: "me",
    Architecture: host.architecture,
    Os: "linux",
    Size: sum,
    RootFS: { Type: "layers", Layers: layers.map(digestOf) },
    Config: { Cmd: ["sh"], Entrypoint: null, Labels: { a: "b" }, WorkingDir: "" },
  });
  expect(image.Id).toMatch(/^sha256:/);
});

test("formats, and names by digest", async () => {
  const byDigest = `app@${app.digest}`;
  const format = "{{.Architecture}} {{.Size}} {{json .Config.Cmd}} {{.RepoTags}}";
  expect((await inspect(byDigest, "--format", format)).out).toBe(`${host.architecture} 4096 ["sh"] []\n`);
  expect((await inspect("app:1", "-f", "{{.Descriptor.Digest}}")).out).toBe(`${app.digest}\n`);
});

test("of an index: the host's platform, or the one asked for; the digest is the index's", async () => {
  const read = async (...argv: string[]) => JSON.parse((await inspect("app:many", ...argv)).out)[0];
  const mine = await read();
  expect(mine).toMatchObject({ Architecture: host.architecture, Descriptor: { digest: many.digest } });
  const other = await read("--platform", "linux/mips64le");
  expect(other).toMatchObject({ Architecture: "mips64le", RepoDigests: [`${registry.host}/app@${many.digest}`] });
  expect(other.Id).not.toBe(mine.Id);
});

test("several at once: what is missing is told last, with exit code 1", async () => {
  const both = await berth(["image", "inspect", "--remote", `${registry.host}/app:1`, `${registry.host}/app:none`]);
  expect(both.code).toBe(1);
  expect(JSON.parse(both.out)).toHaveLength(1);
  expect(both.err).toContain(`manifest for ${registry.host}/app:none not found`);
});

test.each([
  [
    "app:other",
    [],
    `has no image for platform linux/${host.architecture} (choose one that is there with --platform: linux/s390x)`,
  ],
  ["app:many", ["--platform", "linux/riscv64"], "has no image for platform linux/riscv64"],
  ["app:1", ["--platform", "linux/s390x"], "is of platform linux/"],
  ["app:sbom", [], 'is no container image: it is "example/sbom"'],
])("%s %j is refused", async (name, argv, words) => {
  const { code, out, err } = await inspect(name, ...argv);
  expect([code, out]).toEqual([1, "[]\n"]);
  expect(err).toContain(`${registry.host}/${name} ${words}`);
});

test("--insecure without --remote means nothing, and is refused", async () => {
  expect((await berth(["image", "inspect", "--insecure", "x"])).err).toBe(
    "--insecure is for registries: use it with --remote\n",
  );
});

const json = (value: object): Response => Response.json(value, { headers: { "Content-Type": MediaType.manifest } });
const part = (mediaType: string, size = 2) => ({ mediaType, digest: digestOf(Buffer.from("{}")), size });
const image = { schemaVersion: 2, mediaType: MediaType.manifest, config: part(MediaType.config), layers: [] };
test.each([
  ["both things at once", () => json({ ...image, mediaType: undefined, manifests: [] }), "ambiguous"],
  ["an index that says it is a manifest", () => json({ schemaVersion: 2, manifests: [] }), "form of something else"],
  ["schema 1", () => json({ schemaVersion: 1, fsLayers: [] }), "old manifest schema 1 is not supported"],
  ["no manifest", () => Response.json({ mediaType: "text/plain" }), 'unsupported media type "text/plain"'],
  ["one thing in the head, another in the body", () => json({ mediaType: "text/plain" }), "is ambiguous"],
  ["a bad digest", () => json({ ...image, config: { ...part(MediaType.config), digest: "sha256:../x" } }), "digest"],
  ["a config of another size", () => json({ ...image, config: part(MediaType.config, 3) }), "should have 3 bytes"],
  ["a huge config", () => json({ ...image, config: part(MediaType.config, 1e9) }), "has more than 4194304 bytes"],
  ["no JSON", () => new Response("{"), "not valid JSON"],
])("a registry that sends %s", async (_, answer, words) => {
  registry.intercept = (request, path) => {
    if (path.includes("/manifests/")) return answer();
    return path.includes("/blobs/") && request.method === "GET" ? new Response("{}") : undefined;
  };
  const { code, err } = await inspect("app:1");
  expect(code).toBe(1);
  expect(err).toContain(words);
});

test("a config whose bytes are not those of its digest is refused", async () => {
  registry.intercept = async (_, path) => {
    if (!path.includes("/blobs/")) return undefined;
    const right = await registry.blob("app", path.split("/").at(-1) ?? "");
    return right && new Response(right.toString().replace("me", "mu"));
  };
  expect((await inspect("app:1")).err).toContain("digest mismatch: want sha256:");
});
