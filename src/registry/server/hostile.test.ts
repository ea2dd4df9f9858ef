import { afterEach, beforeEach, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readdirSync, truncateSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { digestOf } from "../../spec/digest.ts";
import { MediaType } from "../../spec/oci.ts";
import { pushBlob, pushImage, pushManifest, type RegistryKit, registryKit } from "../../testing/registry-kit.ts";

// What a registry in the open gets: each is refused in one clear line, and nothing of it is left.

const NONE = `sha256:${"0".repeat(64)}`;
const IDLE_MS = 300;
let kit: RegistryKit;
let logged: string[];
beforeEach(() => {
  logged = [];
  kit = registryKit({ idleMs: IDLE_MS, log: (line) => logged.push(line) });
});
afterEach(async () => {
  // What a client can cause is no fault of ours.
  expect(logged).toEqual([]);
  await kit[Symbol.asyncDispose]();
});

const code = async (answer: Response): Promise<unknown> => {
  const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] };
  expect(errors[0]?.message.length).toBeLessThan(400);
  return [answer.status, errors[0]?.code];
};
const files = (): string[] =>
  readdirSync(kit.root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/^(lock|reserve|registry\.db.*)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
const keys = async (): Promise<string[]> => (await kit.storage.metadata.list("")).map((entry) => entry.key);
const begin = async (): Promise<string> =>
  ((await kit.ask("POST", "a/blobs/uploads/")).headers.get("location") ?? "").replace("/v2/", "");
const range = async (session: string): Promise<string | null> => (await kit.ask("GET", session)).headers.get("range");
const collect = () => kit.registry.collector.collect({ graceMs: 0, uploadMs: 0 });

/** Sends bytes as they are; resolves once the other side closes, or has said something where `first`. `end`: hangs up after sending. */
function raw(
  address: string,
  text: string | Buffer,
  options: { first?: boolean; end?: boolean } = {},
): Promise<string> {
  const [host = "", port] = address.split(":");
  return new Promise((resolve) => {
    let said = "";
    const socket = connect(Number(port), host, () => {
      socket.write(text, () => options.end && socket.destroy());
    });
    socket.on("data", (data) => {
      said += data.toString("latin1");
      if (options.first && said.includes("\r\n\r\n")) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(said));
  });
}
const HEAD = "Host: registry\r\nContent-Type: application/octet-stream\r\n";

test("names that climb, digests that are none, ids that are paths: refused, and nothing is made of them", async () => {
  const address = kit.listen();
  const before = await keys();
  const names = [
    "..",
    "../..",
    "%2e%2e",
    "%2e%2e%2f%2e%2e",
    "a/..%2fb",
    "a%2fb",
    "A",
    "a//b",
    "a/",
    "-a",
    "a_",
    "%00",
    "a%00b",
    "é",
    ".",
    "a".repeat(256),
    "a/".repeat(5000),
  ];
  for (const name of names) {
    for (const rest of ["tags/list", "manifests/latest", `blobs/${NONE}`, `referrers/${NONE}`]) {
      const answer = await raw(address, `GET /v2/${name}/${rest} HTTP/1.1\r\n${HEAD}\r\n`, { first: true });
      expect([name.slice(0, 20), rest, answer.slice(9, 12)]).toEqual([
        name.slice(0, 20),
        rest,
        expect.stringMatching(/^40[04]$/),
      ]);
    }
    const post = await raw(address, `POST /v2/${name}/blobs/uploads/ HTTP/1.1\r\n${HEAD}Content-Length: 0\r\n\r\n`, {
      first: true,
    });
    expect(post.slice(9, 12)).toMatch(/^40[04]$/);
  }
  // What climbs inside the path is another path before it is anybody's name, and no other folder: /v2/a/../b is /v2/b.
  const inside = await raw(address, `GET /v2/a/../b/tags/list HTTP/1.1\r\n${HEAD}\r\n`, { first: true });
  expect(inside).toContain('{"name":"b"}');
  const digests = [
    "sha256:../../lock",
    "sha256:",
    "sha256:%2e%2e%2flock",
    `sha256:${"g".repeat(64)}`,
    `sha256:${"a".repeat(63)}`,
    `md5:${"a".repeat(32)}`,
    "x".repeat(9000),
  ];
  for (const digest of digests)
    for (const kind of ["blobs", "manifests", "referrers"])
      expect((await kit.ask("GET", `a/${kind}/${digest}`)).status).toBeOneOf([400, 404]);
  for (const id of ["..%2f..%2flock", "lock", "%00", `${"0".repeat(36)}`, "A0000000-0000-4000-8000-000000000000"])
    for (const method of ["GET", "PATCH", "DELETE"])
      expect((await kit.ask(method, `a/blobs/uploads/${id}`)).status).toBe(404);
  expect(await code(await kit.ask("POST", `a/blobs/uploads/?mount=${NONE}&from=..%2f..%2fetc`))).toEqual([
    400,
    "NAME_INVALID",
  ]);
  await collect();
  expect(await keys()).toEqual(before);
  expect(files()).toEqual([]);
});

test("a manifest of 100 MB is refused before it comes, and one without a length as soon as it is too large", async () => {
  const address = kit.listen();
  const early = await raw(address, `PUT /v2/a/manifests/1 HTTP/1.1\r\n${HEAD}Content-Length: 104857600\r\n\r\n{`, {
    first: true,
  });
  expect(early).toStartWith("HTTP/1.1 413");
  expect(early).toContain("SIZE_INVALID");
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent >= 100 * 1024 * 1024) return controller.close();
      controller.enqueue(Buffer.alloc(65536, " "));
      sent += 65536;
    },
  });
  const late = await kit.ask("PUT", "a/manifests/1", { body } as unknown as { body: Buffer });
  expect(await code(late)).toEqual([413, "SIZE_INVALID"]);
  expect(sent).toBeLessThan(6 * 1024 * 1024);
});

test("a body shorter than announced is kept as what it is, and is no blob", async () => {
  const address = kit.listen();
  const bytes = randomBytes(100);
  const digest = digestOf(bytes);
  const put = `POST /v2/a/blobs/uploads/?digest=${digest} HTTP/1.1\r\n${HEAD}Content-Length: 100\r\n\r\n`;
  await raw(address, Buffer.concat([Buffer.from(put), bytes.subarray(0, 50)]), { end: true });
  const session = await begin();
  const patch = `PATCH /v2/${session} HTTP/1.1\r\n${HEAD}Content-Length: 100\r\n\r\n`;
  await raw(address, Buffer.concat([Buffer.from(patch), bytes.subarray(0, 50)]), { end: true });
  while ((await range(session)) !== "0-49") await new Promise((next) => setImmediate(next));
  expect((await kit.ask("GET", `a/blobs/${digest}`)).status).toBe(404);
  const rest = await kit.ask("PUT", `${session}?digest=${digest}`, {
    body: bytes.subarray(50),
    headers: { "Content-Range": "50-99" },
  });
  expect(rest.status).toBe(201);
  // The one that came alone has gone with its connection.
  await collect();
  expect(files()).toHaveLength(0);
});

test("a body longer than announced, by Content-Length and by Content-Range", async () => {
  const address = kit.listen();
  const session = await begin();
  const text = `PATCH /v2/${session} HTTP/1.1\r\n${HEAD}Content-Length: 3\r\n\r\nabcdefgh`;
  expect(await raw(address, text, { first: true })).toStartWith("HTTP/1.1 202");
  expect(await range(session)).toBe("0-2");
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let i = 0; i < 100; i++) controller.enqueue(Buffer.alloc(1000));
      controller.close();
    },
  });
  const init = { body, headers: { "Content-Range": "3-1002" } } as unknown as { body: Buffer };
  expect(await code(await kit.ask("PATCH", session, init))).toEqual([400, "SIZE_INVALID"]);
  expect(await range(session)).toBe("0-1002");
});

test("Content-Range that is none, overlaps, or overflows", async () => {
  const session = await begin();
  expect((await kit.ask("PATCH", session, { body: "0123456789" })).status).toBe(202);
  const asked: [string, string, number][] = [
    ["bytes", "x", 400],
    ["5-1", "x", 400],
    ["-5", "x", 400],
    ["10-", "x", 400],
    ["10-12", "x", 400],
    ["a-b", "x", 400],
    ["0x0-0xf", "x", 400],
    ["9-10", "xx", 416],
    ["0-0", "x", 416],
    ["11-11", "x", 416],
    ["99999999999999999999-99999999999999999999", "x", 416],
    ["18446744073709551616-18446744073709551616", "x", 416],
  ];
  for (const [header, body, status] of asked) {
    const answer = await kit.ask("PATCH", session, {
      body,
      headers: { "Content-Range": header, "Content-Length": String(body.length) },
    });
    expect([header, answer.status, await range(session)]).toEqual([header, status, "0-9"]);
  }
});

const MANIFEST = { "Content-Type": MediaType.manifest };
const put = (body: string | Buffer): Promise<Response> => kit.ask("PUT", "a/manifests/1", { body, headers: MANIFEST });
const part = (more: object = {}) => ({ mediaType: MediaType.layer, digest: NONE, size: 1, ...more });
const image = (more: object) =>
  JSON.stringify({ schemaVersion: 2, mediaType: MediaType.manifest, config: part(), layers: [], ...more });

test("JSON that is a bomb, is none, or is none in UTF-8", async () => {
  const most = 4 * 1024 * 1024;
  const bodies = [
    "[".repeat(most),
    '{"a":'.repeat(most / 5 - 1),
    `{"layers":${"[".repeat(most - 100)}`,
    `{"config":${'{"a":['.repeat(100_000)}`,
    `{"a":"${"\\".repeat(most - 100)}`,
    "",
    "null",
    "1",
    '"x"',
    "{",
    "\ufeff{}",
    Buffer.from([0x7b, 0xff, 0x7d]),
    "\0".repeat(1000),
  ];
  for (const body of bodies) expect(await code(await put(body))).toEqual([400, "MANIFEST_INVALID"]);
  const deep = `{"schemaVersion":2,"mediaType":"${MediaType.index}","manifests":[],"x":${"[".repeat(50_000)}${"]".repeat(50_000)}}`;
  const answer = await kit.ask("PUT", "a/manifests/deep", { body: deep, headers: { "Content-Type": MediaType.index } });
  expect(await code(answer)).toEqual([400, "MANIFEST_INVALID"]);
});

test("manifests with a million layers, or thousands that are not here", async () => {
  expect(await code(await put(`{"layers":[${"{},".repeat(1_000_000)}{}]}`))).toEqual([400, "MANIFEST_INVALID"]);
  const layers = Array.from({ length: 10_000 }, (_, i) => part({ digest: `sha256:${String(i).padStart(64, "0")}` }));
  const answer = await put(image({ layers }));
  const text = await answer.text();
  expect([answer.status, text.length < 20_000]).toEqual([400, true]);
  expect(text).toContain("and 9999 more");
});

test("sizes, digests, media types and annotations that are none", async () => {
  const bad = [
    ...[-1, 1.5, 1e300, "1", null, Number.MAX_SAFE_INTEGER + 1, true].map((size) => ({ config: part({ size }) })),
    ...["sha256:x", "", 1, null, "latest", NONE.toUpperCase(), `${NONE}0`].map((digest) => ({
      layers: [part({ digest })],
    })),
    { layers: [part({ mediaType: 1 })] },
    { layers: {} },
    { layers: "x" },
    { layers: [null] },
    { layers: [[]] },
    { config: null },
    { config: "x" },
    { subject: { digest: NONE } },
    { subject: part({ digest: "sha256:x" }) },
    { mediaType: 7 },
    { annotations: Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`k${i}`, "v"])) },
  ];
  for (const more of bad) expect([more, await code(await put(image(more)))]).toEqual([more, [400, "MANIFEST_INVALID"]]);
  expect(await keys()).toEqual([]);
});

test("manifests that two readers take for two things", async () => {
  const config = await pushBlob(kit, "a", Buffer.from("{}"));
  const sound = `"schemaVersion":2,"config":{"mediaType":"x","digest":"${config}","size":2}`;
  const bodies = [
    `{${sound},"layers":[],"manifests":[]}`,
    `{${sound},"manifests":[]}`,
    `{${sound},"layers":[],"layers":[]}`,
    `{${sound},"layers":[],"Layers":[]}`,
    `{${sound},"layers":[],"\\u006cayers":[]}`,
    `{${sound},"LAYERS":[]}`,
    `{${sound},"layers":[],"mediaType":"${MediaType.index}"}`,
    `{${sound},"layers":[{"mediaType":"x","digest":"${config}","size":3}]}`,
    `{"schemaVersion":1,"fsLayers":[],"history":[],"name":"a","tag":"1"}`,
  ];
  for (const body of bodies) expect([body, await code(await put(body))]).toEqual([body, [400, "MANIFEST_INVALID"]]);
  const v1 = { "Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws" };
  expect(await code(await kit.ask("PUT", "a/manifests/1", { body: "{}", headers: v1 }))).toEqual([
    400,
    "MANIFEST_INVALID",
  ]);
  const wrongSize = image({ config: { mediaType: "x", digest: config, size: 3 } });
  expect(await code(await put(wrongSize))).toEqual([400, "SIZE_INVALID"]);
  expect((await put(`{${sound},"layers":[],"other":1,"Other":2}`)).status).toBe(201);
});

test("a body that stops, or drips, is given up; what had come is kept, and the next request goes on", async () => {
  const address = kit.listen();
  const stopped = await begin();
  const request = (session: string): string =>
    `PATCH /v2/${session} HTTP/1.1\r\n${HEAD}Content-Length: 5000\r\n\r\nabc`;
  expect(await raw(address, request(stopped), { first: true })).toStartWith("HTTP/1.1 408");
  expect(await range(stopped)).toBe("0-2");
  const dripping = await begin();
  const [host = "", port] = address.split(":");
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(Number(port), host, () => socket.write(request(dripping)));
    const drip = setInterval(() => socket.write("x"), IDLE_MS / 10);
    socket.once("data", (data) => {
      clearInterval(drip);
      socket.destroy();
      resolve(data.toString());
    });
  });
  expect(answer).toStartWith("HTTP/1.1 408");
  expect((await kit.ask("PATCH", dripping, { body: "rest" })).status).toBe(202);
  const manifest = `PUT /v2/a/manifests/1 HTTP/1.1\r\n${HEAD}Content-Length: 5000\r\n\r\n{`;
  expect(await raw(address, manifest, { first: true })).toStartWith("HTTP/1.1 408");
});

test("a request inside another is none", async () => {
  const address = kit.listen();
  const inner = `DELETE /v2/a/manifests/1 HTTP/1.1\r\n${HEAD}\r\n`;
  await pushImage(kit, { repository: "a", tag: "1" }, { layers: [] });
  const bodies = [
    `POST /v2/a/blobs/uploads/ HTTP/1.1\r\n${HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
    `POST /v2/a/blobs/uploads/ HTTP/1.1\r\n${HEAD}Content-Length: 0\r\nContent-Length: 99\r\n\r\n${inner}`,
    `POST /v2/a/blobs/uploads/ HTTP/1.1\r\n${HEAD}Transfer-Encoding: xchunked\r\n\r\n${inner}`,
    `POST /v2/a/blobs/uploads/ HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n${inner}`,
    `POST /v2/a/blobs/uploads/ HTTP/1.1\r\n${HEAD}Content-Length: +0\r\n\r\n${inner}`,
    `POST /v2/a/blobs/uploads/ HTTP/1.1\r\n${HEAD}Content-Length : 99\r\n\r\n${inner}`,
  ];
  for (const body of bodies)
    expect([body, await raw(address, body)]).toEqual([body, expect.stringMatching(/^HTTP\/1\.1 400/)]);
  expect((await kit.ask("GET", "a/manifests/1")).status).toBe(200);
});

test("uploads that are abandoned by the thousand go with the next collection", async () => {
  for (let i = 0; i < 2000; i++) {
    const session = await begin();
    if (i % 2) await kit.ask("PATCH", session, { body: "x".repeat(100) });
  }
  expect(files().length).toBe(1000);
  expect(await collect()).toMatchObject({ uploads: 2000, bytes: 100_000, strays: 0 });
  expect([files(), await keys()]).toEqual([[], []]);
});

test("a record that is damaged is not served, or as what it was", async () => {
  const { digest, layers } = await pushImage(kit, { repository: "a", tag: "1" }, { layers: ["layer"] });
  const [key = ""] = (await keys()).filter((one) => one.startsWith("manifests/"));
  const record = await kit.storage.metadata.get(key);
  const text = record?.toString() ?? "";
  const write = (value: string) => kit.storage.metadata.write([{ put: key, value }]);
  // What is remembered is sound still: a registry that has just started.
  const fresh = (): RegistryKit["registry"]["answer"] => {
    const { openRegistry } = require("./registry.ts") as typeof import("./registry.ts");
    return openRegistry({ storage: kit.storage, log: (line) => logged.push(line) }).answer;
  };
  const get = (target: string): Promise<Response> => fresh()(new Request(`http://r/v2/a/${target}`));
  for (const value of [
    text.slice(0, -5),
    text.replace(MediaType.layer, MediaType.config),
    "",
    "x",
    text.replaceAll("\n", " "),
  ]) {
    await write(value);
    for (const target of ["manifests/1", `manifests/${digest}`])
      expect(await code(await get(target))).toEqual([404, "MANIFEST_UNKNOWN"]);
  }
  await write(text.replace('{"', "{{"));
  const healed = await get("manifests/1");
  expect([healed.status, healed.headers.get("content-type")]).toEqual([200, MediaType.manifest]);
  expect((await get(`blobs/${layers[0]}`)).status).toBe(200);
});

test("data that has become shorter, or has gone, is not served as if it were whole", async () => {
  const address = kit.listen();
  const digest = await pushBlob(kit, "a", randomBytes(1000));
  const [file = ""] = files();
  truncateSync(file, 500);
  expect((await fetch(`http://${address}/v2/a/blobs/${digest}`)).status).toBe(500);
  expect(logged.splice(0).join()).toContain("damaged");
  writeFileSync(file, randomBytes(1000));
  const answer = await fetch(`http://${address}/v2/a/blobs/${digest}`);
  expect(digestOf(Buffer.from(await answer.arrayBuffer()))).not.toBe(digest);
});

test("while many push what is refused, others are served", async () => {
  await pushImage(kit, { repository: "a", tag: "1" }, { layers: [] });
  const layers = Array.from({ length: 5000 }, (_, i) => part({ digest: `sha256:${String(i).padStart(64, "0")}` }));
  let ended = false;
  const refused = Promise.all(
    Array.from({ length: 5 }, () => pushManifest(kit, { repository: "b", tag: "1" }, JSON.parse(image({ layers })))),
  ).then(() => {
    ended = true;
  });
  let served = 0;
  while (!ended) {
    await new Promise((next) => setImmediate(next));
    if (!ended && (await kit.ask("GET", "a/manifests/1")).status === 200) served++;
  }
  await refused;
  expect(served).toBeGreaterThan(3);
});
