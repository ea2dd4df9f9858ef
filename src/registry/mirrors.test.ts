import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcp, type Socket } from "node:net";
import { digestOf } from "../spec/digest.ts";
import { parseReference } from "../spec/reference.ts";
import { openRegistryClient } from "./client.ts";
import { mirrorEndpoint } from "./endpoints.ts";
import type { HealthOptions } from "./health.ts";
import type { RegistryClient } from "./types.ts";

// Mirrors that are dead, silent, empty, broken or wrong, before a registry that is good.

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const BLOB = Buffer.alloc(200_000, "the registry's own blob. ");
const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config: {}, layers: [] }));
/** Generous where a test is not about waiting: the machine may be busy. */
const QUICK: Partial<HealthOptions> = { answerMs: 5000, pauseMs: 60_000 };

type Answer = (response: ServerResponse, request: IncomingMessage) => void;
interface Place {
  host: string;
  /** `METHOD path?query authorization`, in the order in which they came. */
  seen: string[];
  answer: Answer;
}

let closing: (() => void)[] = [];
let registry: Place;
let client: RegistryClient;
beforeEach(async () => {
  registry = await place(good);
});
afterEach(() => {
  for (const close of closing) close();
  closing = [];
});

async function place(answer: Answer): Promise<Place> {
  const made: Place = { host: "", seen: [], answer };
  const server = createHttp((request, response) => {
    const { method, url, headers } = request;
    made.seen.push([method, url, headers.authorization].filter(Boolean).join(" "));
    made.answer(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  made.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return made;
}

/** Listens, takes connections, and says nothing. */
async function silent(): Promise<{ host: string; connections: () => number }> {
  let count = 0;
  const sockets = new Set<Socket>();
  const server = createTcp((socket) => {
    count++;
    sockets.add(socket.on("error", () => undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, connections: () => count };
}

/** Nobody listens there any more. */
async function dead(): Promise<{ host: string }> {
  const server = createTcp();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return { host: `127.0.0.1:${port}` };
}

const isContent = ({ url = "" }: IncomingMessage): boolean => /\/(manifests|blobs|tags)\//.test(url);
function good(response: ServerResponse, request: IncomingMessage): void {
  if (!isContent(request)) return void response.end("{}");
  if (request.url?.includes("/manifests/"))
    return void response.writeHead(200, { "Content-Type": MANIFEST }).end(manifest);
  if (request.url?.includes("/tags/")) return void response.end(JSON.stringify({ tags: ["1"] }));
  const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const range = from > 0 ? { "Content-Range": `bytes ${from}-${BLOB.length - 1}/${BLOB.length}` } : {};
  response.writeHead(from > 0 ? 206 : 200, range).end(BLOB.subarray(from));
}
/** `/v2/` is answered; content is as given. */
const content =
  (answer: Answer): Answer =>
  (response, request) =>
    isContent(request) ? answer(response, request) : void response.end("{}");
const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (response) =>
    void response.writeHead(code, headers).end("{}");

interface Opened {
  manifest(target?: string): Promise<string>;
  blob(): Promise<Buffer>;
}
function open(mirrors: string[], health = QUICK): Opened {
  client = openRegistryClient({
    mirrors: mirrors.map((url) => ({ registry: registry.host, url })),
    ...{ insecure: [], certsDirs: [], userAgent: "test", retry: { waitMs: 1 }, health },
  });
  return again();
}
/** Another pull with the same client. */
function again(credentials = {}): Opened {
  const repository = client.repository(parseReference(`${registry.host}/team/app:1`), { credentials });
  return {
    manifest: async (target = "1") => (await repository.manifest(target)).bytes.toString(),
    blob: async () =>
      Buffer.concat(await Array.fromAsync(await repository.blob(digestOf(BLOB), { size: BLOB.length }))),
  };
}

async function pull(opened: Opened): Promise<void> {
  expect(await opened.manifest()).toBe(manifest.toString());
  expect((await opened.blob()).equals(BLOB)).toBe(true);
}
const state = () => client.mirrors()[0]?.mirrors.map((mirror) => mirror.state);
const last = () => client.mirrors()[0]?.last?.by;

test("the first mirror that is good serves all; the registry is not asked", async () => {
  const [one, two] = [await place(good), await place(good)];
  await pull(open([`http://${one.host}`, `http://${two.host}`]));
  expect(one.seen).toEqual([
    "GET /v2/",
    `GET /v2/team/app/manifests/1?ns=${encodeURIComponent(registry.host)}`,
    `GET /v2/team/app/blobs/${digestOf(BLOB)}?ns=${encodeURIComponent(registry.host)}`,
  ]);
  expect([two.seen, registry.seen]).toEqual([[], []]);
  expect([state(), last()]).toEqual([["serving", "untried"], `http://${one.host}`]);
});

test("a mirror is of its own registry only, and pushes go past it", async () => {
  const [mirror, other] = [await place(good), await place(good)];
  open([`http://${mirror.host}`]);
  await client.repository(parseReference(`${other.host}/app:1`), {}).manifest("1");
  await client.repository(parseReference(`${registry.host}/app:1`), { push: true }).manifest("1");
  expect(mirror.seen).toEqual([]);
  expect([other.seen.length, registry.seen.length]).toEqual([2, 2]);
});

describe("what a mirror does not give comes from the next one, or the registry itself", () => {
  const html = "<html>Sign in to the network</html>";
  const cases: [string, Answer, string][] = [
    ["has nothing", content(status(404)), "serving"],
    ["wants a login", content(status(401, { "WWW-Authenticate": "Basic realm=x" })), "serving"],
    ["refuses", content(status(403)), "serving"],
    ["has an error with it", content(status(500)), "serving"],
    ["asks for a pause", content(status(429, { "Retry-After": "60" })), "failing"],
    ["is in maintenance", status(503), "failing"],
    ["has too many clients", status(429), "failing"],
    [
      "shows a captive portal",
      content((r) => void r.writeHead(200, { "Content-Type": "text/html" }).end(html)),
      "failing",
    ],
    ["hangs up", content((r) => void r.destroy()), "failing"],
    [
      "sends what could be two things",
      content(
        (r) => void r.writeHead(200, { "Content-Type": MANIFEST }).end('{"config":{},"layers":[],"manifests":[]}'),
      ),
      "failing",
    ],
    ["redirects for ever", content((r, q) => void r.writeHead(307, { Location: q.url ?? "" }).end()), "serving"],
    [
      "sends a manifest without end",
      content((r) => void r.writeHead(200, { "Content-Type": MANIFEST }).end(Buffer.alloc(5 << 20, 32))),
      "failing",
    ],
  ];
  test.each(cases)("one that %s", async (_, answer, health) => {
    const mirror = await place(answer);
    expect(await open([`http://${mirror.host}`]).manifest()).toBe(manifest.toString());
    expect([state(), last()]).toEqual([[health as never], registry.host]);
    const second = await place(good);
    await pull(open([`http://${mirror.host}`, `http://${second.host}`]));
    expect(last()).toBe(`http://${second.host}`);
    expect(registry.seen).toHaveLength(2);
  });

  test("one that gives another manifest than the digest's", async () => {
    const mirror = await place(content((r) => void r.writeHead(200, { "Content-Type": MANIFEST }).end(`${manifest} `)));
    expect(await open([`http://${mirror.host}`]).manifest(digestOf(manifest))).toBe(manifest.toString());
    expect(state()).toEqual(["failing"]);
    expect(client.mirrors()[0]?.mirrors[0]?.error).toContain("manifest verification failed");
  });

  test("one that has the manifest, and not the blobs", async () => {
    const mirror = await place((r, q) => (q.url?.includes("/blobs/") ? status(404)(r, q) : good(r, q)));
    await pull(open([`http://${mirror.host}`]));
    expect(registry.seen).toEqual(["GET /v2/", `GET /v2/team/app/blobs/${digestOf(BLOB)}`]);
    expect(state()).toEqual(["serving"]);
  });

  test("tags, and what is known of a manifest", async () => {
    const mirror = await place(content(status(404)));
    open([`http://${mirror.host}`]);
    const repository = client.repository(parseReference(`${registry.host}/team/app:1`), {});
    expect(await repository.tags()).toEqual(["1"]);
    expect((await repository.headManifest("1"))?.digest).toBe(digestOf(manifest));
    expect(mirror.seen.some((line) => line.startsWith("GET /v2/team/app/tags/list"))).toBe(true);
  });
});

test("a blob that ends early goes on there where it can, then at the registry itself, from that byte", async () => {
  const ranges: (string | undefined)[] = [];
  const mirror = await place((response, request) => {
    if (!request.url?.includes("/blobs/")) return good(response, request);
    ranges.push(request.headers.range);
    if (ranges.length > 2) return void response.destroy();
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const range = from > 0 ? { "Content-Range": `bytes ${from}-${BLOB.length - 1}/${BLOB.length}` } : {};
    response.writeHead(from > 0 ? 206 : 200, { "Content-Length": BLOB.length - from, ...range });
    response.write(BLOB.subarray(from, from + 40_000), () => setImmediate(() => response.destroy()));
  });
  const own: (string | undefined)[] = [];
  registry.answer = (response, request) => {
    if (request.url?.includes("/blobs/")) own.push(request.headers.range);
    good(response, request);
  };
  expect((await open([`http://${mirror.host}`]).blob()).equals(BLOB)).toBe(true);
  // What was on its way may be lost with a connection.
  expect(ranges[0]).toBeUndefined();
  const from = own.map((range) => Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0));
  expect(own).toHaveLength(1);
  expect(from[0]).toBeLessThanOrEqual(80_000);
  expect(state()).toEqual(["failing"]);
});

describe("a dead mirror costs its time once", () => {
  test("nobody listens", async () => {
    const { host } = await dead();
    await pull(open([`http://${host}`]));
    expect(state()).toEqual(["failing"]);
    expect(client.mirrors()[0]?.mirrors[0]?.error).toContain(`dial tcp ${host}: connect: connection refused`);
  });

  test("takes connections and never answers: one is made, however many pulls there are", async () => {
    const mirror = await silent();
    await pull(open([`http://${mirror.host}`], { answerMs: 50, pauseMs: 60_000 }));
    await Promise.all([pull(again()), pull(again()), pull(again())]);
    expect(mirror.connections()).toBe(1);
    expect(client.mirrors()[0]?.mirrors[0]).toMatchObject({
      state: "failing",
      error: expect.stringContaining("no answer within 0.05 s"),
    });
  });

  test("pulls that begin at once wait for one answer together", async () => {
    const mirror = await silent();
    const first = open([`http://${mirror.host}`], { answerMs: 100, pauseMs: 60_000 });
    await Promise.all([pull(first), pull(again()), pull(again())]);
    expect(mirror.connections()).toBe(1);
  });

  test("after its pause it is tried again, by one, and serves when it is back", async () => {
    const mirror = await place(status(503));
    await pull(open([`http://${mirror.host}`], { answerMs: 5000, pauseMs: 1 }));
    const pings = mirror.seen.length;
    mirror.answer = good;
    while (last() === registry.host) await pull(again());
    expect(mirror.seen.length).toBeGreaterThan(pings);
    expect(client.mirrors()[0]?.mirrors[0]).toMatchObject({ state: "serving", error: expect.stringContaining("503") });
    expect(client.mirrors()[0]?.mirrors[0]).not.toHaveProperty("since");
  });

  test("where nobody else answers, those that had failed are asked nevertheless", async () => {
    const mirror = await place(status(503));
    await pull(open([`http://${mirror.host}`]));
    mirror.answer = good;
    registry.answer = status(500);
    await pull(again());
    expect([state(), last()]).toEqual([["serving"], `http://${mirror.host}`]);
  });

  test("where nobody answers at all, the error is the registry's, and says what became of the mirrors", async () => {
    const { host } = await dead();
    const opened = open([`http://${host}`]);
    registry.answer = status(502);
    await expect(opened.manifest()).rejects.toThrow(
      /registry 127.0.0.1:\d+: status 502 \(.*mirrors passed over: .*connection refused/,
    );
  });

  test("a client that leaves while a mirror is silent waits no longer, and the mirror is not blamed", async () => {
    const mirror = await silent();
    open([`http://${mirror.host}`], { answerMs: 60_000 });
    const leaving = new AbortController();
    const ref = parseReference(`${registry.host}/team/app:1`);
    const work = client.repository(ref, { signal: leaving.signal }).manifest("1");
    while (mirror.connections() === 0) await new Promise((resolve) => setImmediate(resolve));
    leaving.abort();
    await expect(work).rejects.toThrow("aborted");
    expect(state()).toEqual(["untried"]);
    expect(registry.seen).toEqual([]);
  });
});

describe("secrets", () => {
  const credentials = { username: "me", password: "hunter2" };

  test("a mirror gets neither password nor token of the registry's", async () => {
    const challenge = `Bearer realm="http://${registry.host}/token",service="registry"`;
    registry.answer = (response, request) => {
      if (request.url?.startsWith("/token")) return void response.end(JSON.stringify({ token: "secret-token" }));
      if (request.headers.authorization === "Bearer secret-token") return good(response, request);
      response.writeHead(401, { "WWW-Authenticate": challenge }).end("{}");
    };
    // It asks for the password, and names the registry's token server as its own.
    for (const asked of ["Basic realm=x", challenge]) {
      const mirror = await place(status(401, { "WWW-Authenticate": asked }));
      open([`http://${mirror.host}`]);
      expect(await again(credentials).manifest()).toBe(manifest.toString());
      expect(mirror.seen.length).toBeGreaterThan(0);
      expect(mirror.seen.join()).not.toContain("Basic");
      expect(registry.seen.at(-1)).toEndWith("Bearer secret-token");
    }
    expect(registry.seen.filter((line) => /^GET \/token\?.*account=me Basic /.test(line))).not.toEqual([]);
  });

  test("a mirror's own token server is asked without a name, for the repository as the mirror calls it", async () => {
    const mirror = await place((response, request) => {
      if (request.url?.startsWith("/token")) return void response.end(JSON.stringify({ token: "anonymous" }));
      if (request.headers.authorization === "Bearer anonymous") return good(response, request);
      response.writeHead(401, { "WWW-Authenticate": `Bearer realm="http://${mirror.host}/token"` }).end("{}");
    });
    open([`http://${mirror.host}/v2/cache`]);
    await pull(again(credentials));
    expect(mirror.seen.filter((line) => line.includes("/token"))).toEqual([
      "GET /token?scope=repository%3Acache%2Fteam%2Fapp%3Apull",
    ]);
    expect(registry.seen).toEqual([]);
  });
});

test.each([
  ["http://m.example", "http://m.example", ""],
  ["https://m.example:5000/", "https://m.example:5000", ""],
  ["https://m.example/hub", "https://m.example/hub", ""],
  ["https://m.example/repository/hub//", "https://m.example/repository/hub", ""],
  ["https://m.example/v2", "https://m.example", ""],
  ["https://m.example/v2/", "https://m.example", ""],
  ["https://m.example/v2/hub", "https://m.example", "hub/"],
  ["https://m.example/a/v2/hub/x/", "https://m.example/a", "hub/x/"],
  ["https://m.example/v2x/hub", "https://m.example/v2x/hub", ""],
])("mirror %s: root %s, names begin with '%s'", (url, base, prefix) => {
  const options = { mirrors: [], insecure: [], certsDirs: [], userAgent: "test" };
  expect(mirrorEndpoint(url, options)).toEqual({ endpoint: { base }, prefix });
});

test.each([
  ["/hub", "/hub/v2/team/app/manifests/1"],
  ["/v2/hub", "/v2/hub/team/app/manifests/1"],
  ["/a/v2/hub", "/a/v2/hub/team/app/manifests/1"],
])("a mirror at %s is asked for %s", async (path, asked) => {
  const mirror = await place(good);
  await pull(open([`http://${mirror.host}${path}`]));
  expect(mirror.seen[1]?.split("?")[0]).toBe(`GET ${asked}`);
  expect(registry.seen).toEqual([]);
});
