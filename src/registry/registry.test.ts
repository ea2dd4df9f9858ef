import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { openTestStore, type TestStore, tar } from "../image/fixture.ts";
import { digestOf } from "../spec/digest.ts";
import { parseReference } from "../spec/reference.ts";
import { leasedIds } from "../store/leases.ts";
import { parseChallenge } from "./auth.ts";
import { openRegistryClient } from "./client.ts";
import { isInsecure } from "./endpoints.ts";

// Registries that lie, hang up, redirect and ask for tokens.

const OPTIONS = { mirrors: [], insecure: [], certsDirs: [], userAgent: "test", retry: { waitMs: 1 } };
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const layer = tar({ name: "a", data: "hello\n" });
const config = Buffer.from(
  JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [digestOf(layer)] } }),
);

function manifestFor(size = layer.length, digest = digestOf(layer)): Buffer {
  const parts = {
    config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(config), size: config.length },
    layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", digest, size }],
  };
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, ...parts }));
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
let store: TestStore;
let server: Server;
let host = "";
let seen: { url: string; authorization: string | undefined }[] = [];
let routes: Record<string, Answer> = {};

beforeEach(async () => {
  store = openTestStore();
  seen = [];
  routes = {
    "/v2/": (_, r) => r.end("{}"),
    "/v2/app/manifests/1": (_, r) => send(r, manifestFor(), MANIFEST),
    [`/v2/app/blobs/${digestOf(config)}`]: (_, r) => send(r, config),
    [`/v2/app/blobs/${digestOf(layer)}`]: (_, r) => send(r, layer),
  };
  server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    seen.push({ url: request.url ?? "", authorization: request.headers.authorization });
    const answer = routes[path];
    if (answer) answer(request, response);
    else
      response
        .writeHead(404, { "Content-Type": "application/json" })
        .end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  store.close();
});

function send(response: ServerResponse, body: Buffer, type = "application/octet-stream"): void {
  response.writeHead(200, { "Content-Type": type, "Content-Length": body.length }).end(body);
}

function pull(credentials = {}): Promise<unknown[]> {
  const ref = parseReference(`${host}/app:1`);
  return Array.fromAsync(store.images.pull(openRegistryClient(OPTIONS), ref, { credentials }));
}

async function failure(): Promise<string> {
  const error: unknown = await pull().catch((e: unknown) => e);
  return error instanceof Error ? error.message : `no error: ${JSON.stringify(error)}`;
}

test("a good one: image, name, digest and messages", async () => {
  const messages = await pull();
  expect(messages[0]).toEqual({ status: "Pulling from app", id: "1" });
  expect(messages.map((m) => (m as { status: string }).status)).toContain("Pull complete");
  expect(messages.at(-1)).toEqual({ status: `Status: Downloaded newer image for ${host}/app:1` });
  const image = store.images.resolve(`${host}/app:1`);
  expect(image.digests).toEqual([`${host}/app@${digestOf(manifestFor())}`]);
  expect(store.layers.view(image.top).readFile("/a")?.toString()).toBe("hello\n");
});

describe("a registry that lies leaves nothing behind", () => {
  const cases: [string, () => void, RegExp][] = [
    [
      "a layer of other bytes",
      () => (routes[`/v2/app/blobs/${digestOf(layer)}`] = (_, r) => send(r, Buffer.alloc(layer.length))),
      /digest/,
    ],
    [
      "a layer that is longer than told",
      () => (routes[`/v2/app/blobs/${digestOf(layer)}`] = (_, r) => send(r, Buffer.concat([layer, layer]))),
      /sends more than/,
    ],
    [
      "a config of other bytes",
      () => (routes[`/v2/app/blobs/${digestOf(config)}`] = (_, r) => send(r, Buffer.alloc(config.length))),
      /digest/,
    ],
    [
      "a manifest that is too large",
      () => (routes["/v2/app/manifests/1"] = (_, r) => send(r, Buffer.alloc(5 << 20, 32), MANIFEST)),
      /larger than/,
    ],
    [
      "a manifest that is no JSON",
      () => (routes["/v2/app/manifests/1"] = (_, r) => send(r, Buffer.from("{"), MANIFEST)),
      /manifest/,
    ],
    [
      "a manifest of an old kind",
      () =>
        (routes["/v2/app/manifests/1"] = (_, r) =>
          send(r, Buffer.from("{}"), "application/vnd.docker.distribution.manifest.v1+json")),
      /unsupported media type/,
    ],
    [
      "a manifest that could be an index",
      () =>
        (routes["/v2/app/manifests/1"] = (_, r) =>
          send(r, Buffer.from(JSON.stringify({ ...JSON.parse(manifestFor().toString()), manifests: [] })), MANIFEST)),
      /ambiguous/,
    ],
    [
      "a size that is not the blob's",
      () => (routes["/v2/app/manifests/1"] = (_, r) => send(r, manifestFor(layer.length + 1), MANIFEST)),
      /size|bytes/,
    ],
    [
      "endless redirects",
      () => (routes["/v2/app/manifests/1"] = (_, r) => r.writeHead(307, { Location: "/v2/app/manifests/1" }).end()),
      /too many redirects/,
    ],
    [
      "no such tag",
      () => void delete routes["/v2/app/manifests/1"],
      /manifest for .*app:1 not found: manifest unknown: manifest unknown/,
    ],
    [
      "an error of its own",
      () => (routes["/v2/app/manifests/1"] = (_, r) => r.writeHead(503).end("down")),
      /status 503/,
    ],
  ];
  test.each(cases)("%s", async (_, arrange, words) => {
    const before = store.snapshot();
    arrange();
    expect(await failure()).toMatch(words);
    expect(store.snapshot()).toEqual(before);
  });
});

describe("a registry that does not answer is left when the client goes", () => {
  const hang: Answer = () => arrived.resolve();
  let arrived: PromiseWithResolvers<void>;
  let leaving: AbortController;
  beforeEach(() => {
    arrived = Promise.withResolvers();
    leaving = new AbortController();
  });

  test.each(["/v2/", "/v2/app/manifests/1", `/v2/app/blobs/${digestOf(config)}`, `/v2/app/blobs/${digestOf(layer)}`])(
    "pull: %s",
    async (path) => {
      const before = store.snapshot();
      routes[path] = hang;
      const ref = parseReference(`${host}/app:1`);
      const work = Array.fromAsync(store.images.pull(openRegistryClient(OPTIONS), ref, { signal: leaving.signal }));
      await arrived.promise;
      leaving.abort();
      await expect(work).rejects.toThrow("aborted");
      expect(store.snapshot()).toEqual(before);
    },
  );

  test.each(["/v2/", `/v2/app/blobs/${digestOf(config)}`, "/v2/app/blobs/uploads/", "/upload", "/v2/app/manifests/1"])(
    "push: %s",
    async (path) => {
      await pull();
      const images = (): object[] => store.images.list({ all: true, filters: {} });
      const before = images();
      const nothing: Answer = (_, r) => r.writeHead(404).end();
      routes[`/v2/app/blobs/${digestOf(layer)}`] = nothing;
      routes[`/v2/app/blobs/${digestOf(config)}`] = nothing;
      routes["/v2/app/blobs/uploads/"] = (_, r) => r.writeHead(202, { Location: "/upload" }).end();
      routes["/upload"] = (q, r) => q.resume().on("end", () => r.writeHead(q.method === "PUT" ? 201 : 202).end());
      routes[path] = hang;
      const ref = parseReference(`${host}/app:1`);
      const work = Array.fromAsync(store.images.push(openRegistryClient(OPTIONS), ref, { signal: leaving.signal }));
      await arrived.promise;
      leaving.abort();
      await expect(work).rejects.toThrow("aborted");
      expect(images()).toEqual(before);
      expect([...leasedIds(store.records)]).toEqual([]);
    },
  );
});

describe("tokens", () => {
  beforeEach(() => {
    const guarded = routes["/v2/app/manifests/1"];
    const challenge = `Bearer realm="http://${host}/token",service="test",scope="repository:app:pull"`;
    const guard =
      (answer: Answer | undefined): Answer =>
      (request, response) => {
        if (request.headers.authorization === "Bearer good") answer?.(request, response);
        else response.writeHead(401, { "WWW-Authenticate": challenge }).end("{}");
      };
    routes["/v2/"] = guard((_, r) => r.end("{}"));
    routes["/v2/app/manifests/1"] = guard(guarded);
    routes["/token"] = (request, response) => {
      const basic = request.headers.authorization;
      if (basic && basic !== `Basic ${Buffer.from("me:pass").toString("base64")}`)
        response.writeHead(401).end('{"details":"wrong"}');
      else response.end(JSON.stringify({ token: "good", expires_in: 300, refresh_token: "identity" }));
    };
  });

  test("one is fetched with the credentials, once, and sent", async () => {
    await pull({ username: "me", password: "pass" });
    expect(seen.filter((s) => s.url.startsWith("/token"))).toHaveLength(1);
    expect(seen.find((s) => s.url.startsWith("/token"))?.url).toContain("scope=repository%3Aapp%3Apull");
  });

  test("wrong credentials are refused without telling them", async () => {
    const error: unknown = await pull({ username: "me", password: "hunter2" }).catch((e: unknown) => e);
    expect(String(error)).toContain("pull access denied for app");
    expect(String(error)).not.toContain("hunter2");
  });

  test("login gives the identity token", async () => {
    const client = openRegistryClient(OPTIONS);
    expect(await client.login(host, { username: "me", password: "pass" })).toEqual({ identityToken: "identity" });
    await expect(client.login(host, { username: "me", password: "no" })).rejects.toThrow("unauthorized");
  });

  test("a redirect to another host gets no token", async () => {
    const other = createServer((request, response) => {
      seen.push({ url: `other:${request.url}`, authorization: request.headers.authorization });
      send(response, layer);
    });
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const port = (other.address() as AddressInfo).port;
    routes[`/v2/app/blobs/${digestOf(layer)}`] = (_, r) =>
      r.writeHead(307, { Location: `http://127.0.0.1:${port}/blob` }).end();
    await pull({ username: "me", password: "pass" });
    other.close();
    expect(seen.find((s) => s.url === "other:/blob")).toEqual({ url: "other:/blob", authorization: undefined });
  });
});

test("search: by version 1 of the protocol, at the host that the term names", async () => {
  routes["/v1/search"] = (_, r) =>
    r.end(JSON.stringify({ results: [{ name: "app", description: "an app", star_count: 3 }] }));
  expect(await openRegistryClient(OPTIONS).search(`${host}/app`, { limit: 5 })).toEqual([
    { name: "app", description: "an app", star_count: 3, is_official: false, is_automated: false },
  ]);
  expect(seen.at(-1)?.url).toBe("/v1/search?q=app&n=5");
});

test.each([
  [
    'Bearer realm="https://a/b",service="s",scope="x:y:z,w"',
    { scheme: "bearer", realm: "https://a/b", service: "s", scope: "x:y:z,w" },
  ],
  ['basic realm="x"', { scheme: "basic", realm: "x" }],
  ["Bearer service=x", undefined],
  ["Negotiate", undefined],
  [undefined, undefined],
])("challenge %s", (header, expected) => expect(parseChallenge(header)).toEqual(expected as never));

test.each([
  ["127.0.0.1:5000", [], true],
  ["localhost", [], true],
  ["[::1]:5000", [], true],
  ["registry.example:5000", [], false],
  ["registry.example:5000", ["registry.example:5000"], true],
  ["10.1.2.3:5000", ["10.1.0.0/16"], true],
  ["10.2.2.3:5000", ["10.1.0.0/16"], false],
])("%s with %j is insecure: %p", (name, insecure, expected) => expect(isInsecure(name, { insecure })).toBe(expected));
