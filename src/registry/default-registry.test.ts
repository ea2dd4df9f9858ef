import { afterEach, beforeEach, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { parseReference } from "../spec/reference.ts";
import { openRegistryClient } from "./client.ts";
import type { Mirror, RegistryClient } from "./types.ts";

// A registry that stands in for Docker Hub, and asks for a password.

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const HUB = "docker.io";
let server: Server;
let host = "";
let seen: string[] = [];
let locked = false;
const basic = `Basic ${Buffer.from("me:hunter2").toString("base64")}`;

beforeEach(async () => {
  [seen, locked] = [[], false];
  server = createServer((request, response) => {
    const { method, url = "", headers } = request;
    seen.push([method, url, headers.authorization].filter(Boolean).join(" "));
    if (locked && headers.authorization !== basic)
      return void response.writeHead(401, { "WWW-Authenticate": "Basic realm=x" }).end("{}");
    if (url.startsWith("/v1/search")) return void response.end('{"results":[{"name":"library/app"}]}');
    if (url.includes("/manifests/none")) return void response.writeHead(404).end();
    if (method === "PUT") return void response.writeHead(201).end();
    response.writeHead(200, { "Content-Type": MANIFEST }).end('{"config":{}}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function client(prefix = "", mirrors: Mirror[] = []): RegistryClient {
  const fixed = { insecure: [], certsDirs: [], userAgent: "test", retry: { waitMs: 1 } };
  return openRegistryClient({ ...fixed, mirrors, defaultRegistry: `${host}${prefix}` });
}
const credentials = { username: "me", password: "hunter2" };

test.each([
  ["busybox:1", "", "library/busybox"],
  ["team/app:1", "", "team/app"],
  ["docker.io/busybox:1", "/cache/hub", "cache/hub/library/busybox"],
])("%s is fetched and pushed there, at the prefix '%s'", async (name, prefix, path) => {
  const ref = parseReference(name);
  await client(prefix).repository(ref, {}).manifest("1");
  const bytes = Buffer.from('{"config":{}}');
  await client(prefix).repository(ref, { push: true }).putManifest("1", { mediaType: MANIFEST, bytes });
  expect(seen.filter((line) => !line.endsWith("/v2/"))).toEqual([
    `GET /v2/${path}/manifests/1`,
    `PUT /v2/${path}/manifests/1`,
  ]);
});

test("an error names the place that was asked", async () => {
  const asked = client("/hub").repository(parseReference("busybox"), {}).manifest("none");
  await expect(asked).rejects.toThrow(`manifest for ${host}/hub/library/busybox:none not found`);
});

test("Docker Hub's mirrors are not the default registry's; its own are asked first", async () => {
  const mirrors = [
    { registry: HUB, url: `http://${host}/wrong` },
    { registry: host, url: `http://${host}/v2/mirror` },
  ];
  await client("", mirrors).repository(parseReference("busybox"), {}).manifest("1");
  expect(seen).toEqual(["GET /v2/", `GET /v2/mirror/library/busybox/manifests/1?ns=${encodeURIComponent(host)}`]);
});

test.each([
  ["of Docker Hub", { server: HUB }],
  ["that do not say where they belong", {}],
])("credentials %s are not sent there", async (_, more) => {
  locked = true;
  const opened = client();
  const asked = opened.repository(parseReference("busybox"), { credentials: { ...credentials, ...more } });
  await expect(asked.manifest("1")).rejects.toThrow("no basic auth credentials");
  await expect(opened.search("app", { limit: 5, credentials: { ...credentials, ...more } })).rejects.toThrow("401");
  expect(seen.length).toBeGreaterThan(2);
  expect(seen.join()).not.toContain("Basic");
});

test("its own credentials are, to fetch and to search", async () => {
  locked = true;
  const own = { ...credentials, server: host };
  await client().repository(parseReference("busybox"), { credentials: own }).manifest("1");
  expect((await client().search("app", { limit: 5, credentials: own })).map(({ name }) => name)).toEqual([
    "library/app",
  ]);
  expect(seen.at(-1)).toBe(`GET /v1/search?q=app&n=5 ${basic}`);
});

test("names with a registry go to it, with their credentials", async () => {
  locked = true;
  const opened = openRegistryClient({
    ...{ insecure: [], certsDirs: [], userAgent: "test", mirrors: [], defaultRegistry: "default.invalid" },
  });
  await opened.repository(parseReference(`${host}/app:1`), { credentials }).manifest("1");
  expect(seen.at(-1)).toBe(`GET /v2/app/manifests/1 ${basic}`);
});
