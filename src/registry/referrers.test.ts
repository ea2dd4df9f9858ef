import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type Digest, digestOf } from "../spec/digest.ts";
import { type Descriptor, MediaType } from "../spec/oci.ts";
import { parseReference } from "../spec/reference.ts";
import { LocalRegistry } from "../testing/local-registry.ts";
import { openRemote } from "./open.ts";
import type { Repository } from "./types.ts";

// Referrers by the API and by the tag that stands in for it, heads of manifests, mounts: against Berth's own registry and ones that know less.

const EMPTY = Buffer.from("{}");
const SUBJECT = digestOf(Buffer.from("subject"));
let registry: LocalRegistry;
let empty: Descriptor;
let repository: Repository;

beforeAll(async () => {
  registry = await LocalRegistry.start();
  empty = await registry.putBlob("app", EMPTY, "application/vnd.oci.empty.v1+json");
});
afterAll(() => registry[Symbol.asyncDispose]());
beforeEach(() => {
  registry.intercept = () => undefined;
  registry.seen.length = 0;
  const ref = parseReference(`${registry.host}/app`);
  repository = openRemote(ref, { push: true, insecure: false, credentials: {} });
});

/** A signature of the subject, as bytes. */
function signature(note: string, subject: Digest = SUBJECT) {
  const about = { mediaType: MediaType.manifest, digest: subject, size: 7 };
  const annotations = { note };
  const parts = { config: empty, layers: [empty], subject: about, annotations, artifactType: "example/signature" };
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.manifest, ...parts }));
  return { mediaType: MediaType.manifest, bytes, digest: digestOf(bytes) };
}

/** The registry as one that has never heard of referrers. */
function withoutApi(): void {
  registry.intercept = async (request, path) => {
    if (path.includes("/referrers/")) return new Response("<html>", { status: 404 });
    if (request.method !== "PUT" || !path.includes("/manifests/")) return undefined;
    const type = request.headers.get("content-type") ?? "";
    const { status } = await registry.send("PUT", path, Buffer.from(await request.arrayBuffer()), type);
    return new Response(null, { status });
  };
}

test("by the API: what was put is listed, and no tag is made", async () => {
  const one = signature("api");
  await repository.putManifest(one.digest, one);
  const [found, ...more] = await repository.referrers(SUBJECT);
  expect(more).toEqual([]);
  expect(found).toMatchObject({ digest: one.digest, artifactType: "example/signature", annotations: { note: "api" } });
  expect(await registry.manifest("app", SUBJECT.replace(":", "-"))).toBeUndefined();
});

test("by the tag: each put adds to the list, once; the list is an index", async () => {
  withoutApi();
  const subject = digestOf(Buffer.from("other"));
  const [one, two] = [signature("one", subject), signature("two", subject)];
  expect(await repository.referrers(subject)).toEqual([]);
  for (const manifest of [one, two, one]) await repository.putManifest(manifest.digest, manifest);
  const found = await repository.referrers(subject);
  expect(found.map((referrer) => [referrer.digest, referrer.size])).toEqual([
    [one.digest, one.bytes.length],
    [two.digest, two.bytes.length],
  ]);
  const list = await registry.manifest("app", subject.replace(":", "-"));
  expect(JSON.parse(list?.bytes.toString() ?? "")).toMatchObject({ schemaVersion: 2, mediaType: MediaType.index });
});

test("a manifest without a subject makes no list", async () => {
  withoutApi();
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MediaType.manifest, config: empty, layers: [] }),
  );
  await repository.putManifest("plain", { mediaType: MediaType.manifest, bytes });
  expect(registry.seen.filter((line) => line.startsWith("PUT"))).toEqual(["PUT /v2/app/manifests/plain"]);
});

describe("a list of referrers that is none", () => {
  const index = (value: unknown) => Response.json(value, { headers: { "Content-Type": MediaType.index } });
  test.each([
    ["no list", () => index({ manifests: 7 }), "the registry's list is none"],
    ["too long", () => index({ manifests: Array(1001).fill(empty) }), "or has more than 1000"],
    ["5 MiB", () => index({ manifests: [], pad: "x".repeat(5 << 20) }), "has more than 4194304 bytes"],
  ])("%s", async (_, answer, words) => {
    registry.intercept = (_request, path) => (path.includes("/referrers/") ? answer() : undefined);
    await expect(repository.referrers(SUBJECT)).rejects.toThrow(words);
  });
  test("entries that are no descriptors are left out", async () => {
    const bad = [null, 7, { ...empty, digest: "sha256:.." }, { ...empty, size: "x" }];
    registry.intercept = (_, path) =>
      path.includes("/referrers/") ? index({ manifests: [...bad, empty] }) : undefined;
    expect(await repository.referrers(SUBJECT)).toEqual([empty]);
  });
});

describe("the head of a manifest", () => {
  test("without its bytes", async () => {
    const made = await registry.putManifest("app", "head", { mediaType: MediaType.index, manifests: [] } as {
      mediaType: string;
    });
    expect(await repository.headManifest("head")).toEqual(made);
    expect(registry.seen.at(-1)).toBe("HEAD /v2/app/manifests/head");
    expect(await repository.headManifest("none")).toBeUndefined();
  });
  test("from the manifest where the registry's head does not tell", async () => {
    const made = await registry.putManifest("app", "head", { mediaType: MediaType.index, manifests: [] } as {
      mediaType: string;
    });
    registry.intercept = (request) => (request.method === "HEAD" ? new Response(null) : undefined);
    expect(await repository.headManifest("head")).toEqual(made);
  });
});

describe("mounts where a token is wanted for each repository", () => {
  let scopes: string[][] = [];
  /** A token server that gives a token for what is asked, unless it names `denied`; the registry wants one for both ends of a mount. */
  function guard(denied: string): void {
    scopes = [];
    registry.intercept = (request, path) => {
      const url = new URL(request.url);
      if (path === "/token") {
        const asked = url.searchParams.getAll("scope");
        scopes.push(asked);
        return Response.json({ token: asked.filter((scope) => !scope.includes(denied)).join("|") || "none" });
      }
      const from = url.searchParams.get("from");
      const wanted = ["repository:app:pull,push", ...(from ? [`repository:${from}:pull`] : [])];
      const token = (request.headers.get("authorization") ?? "").replace("Bearer ", "").split("|");
      if (path !== "/v2/" && wanted.every((scope) => token.includes(scope))) return undefined;
      const challenge = `Bearer realm="http://${registry.host}/token",service="x",scope="${wanted.join(" ")}"`;
      return new Response("{}", { status: 401, headers: { "WWW-Authenticate": challenge } });
    };
  }
  test("each has its own parameter, and the blob is mounted", async () => {
    await registry.putBlob("team/src", Buffer.from("mounted"), "x");
    guard("nothing");
    expect(await repository.mountBlob(digestOf(Buffer.from("mounted")), "team/src")).toBe(true);
    expect(scopes.at(-1)).toEqual(["repository:app:pull,push", "repository:team/src:pull"]);
  });
  test("whoever may not pull from the other is told that nothing was mounted", async () => {
    await registry.putBlob("secret", Buffer.from("not yours"), "x");
    guard("secret");
    expect(await repository.mountBlob(digestOf(Buffer.from("not yours")), "secret")).toBe(false);
  });
});
