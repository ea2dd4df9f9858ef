import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openRegistryClient } from "../registry/client.ts";
import type { RegistryClient } from "../registry/types.ts";
import type { Digest } from "../spec/digest.ts";
import { MediaType } from "../spec/oci.ts";
import { parseReference } from "../spec/reference.ts";
import { type MirrorServer, mirrorServer } from "../testing/mirror-server.ts";
import { configFor, digestOf, openTestStore, type TestStore, tar } from "./fixture.ts";

// Pulls of an image whose mirrors give wrong bytes of its blobs, from real servers.

const LAYER = tar({ name: "file", data: "the right one. ".repeat(10_000) });
const CONFIG = Buffer.from(configFor([LAYER]));
const layer = digestOf(LAYER);
const config = digestOf(CONFIG);
const WRONG = Buffer.alloc(LAYER.length, "wrong");

type Intercept = MirrorServer["intercept"];
let folder = "";
let store: TestStore;
let registry: MirrorServer;
let client: RegistryClient;
let servers: MirrorServer[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-pull-mirrors-"));
  store = openTestStore();
  const put = (name: string, bytes: Buffer): Digest => {
    const path = join(folder, "v2/team/app", name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    return digestOf(bytes);
  };
  const described = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: put(`blobs/${digestOf(bytes)}`, bytes),
    size: bytes.length,
  });
  const parts = { config: described(MediaType.config, CONFIG), layers: [described(MediaType.layer, LAYER)] };
  const manifest = { schemaVersion: 2, mediaType: MediaType.manifest, ...parts };
  put("manifests/1", Buffer.from(JSON.stringify(manifest)));
  registry = server();
});
afterEach(async () => {
  for (const one of servers) await one[Symbol.asyncDispose]();
  servers = [];
  store.close();
  rmSync(folder, { recursive: true });
});

/** Has the image; `intercept` answers in its place where it does. */
function server(intercept: Intercept = () => undefined): MirrorServer {
  const made = mirrorServer(folder);
  made.intercept = intercept;
  servers.push(made);
  return made;
}
/** Gives this in place of a blob. */
const instead =
  (digest: Digest, answer: () => Response): Intercept =>
  (path) =>
    path.endsWith(`/blobs/${digest}`) ? answer() : undefined;
/** Without a Content-Length: what comes is seen at its end only. */
const streamed = (bytes: Uint8Array): Response =>
  new Response(
    new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes);
        controller.close();
      },
    }),
  );
const hostOf = ({ url }: MirrorServer): string => new URL(url).host;
const timesAsked = ({ asked }: MirrorServer, digest: Digest): number =>
  asked.filter((path) => path.endsWith(digest)).length;

/** Pulls by way of these mirrors; gives the lines that do not tell of one layer. */
async function pull(...mirrors: MirrorServer[]): Promise<string[]> {
  client = openRegistryClient({
    mirrors: mirrors.map(({ url }) => ({ registry: hostOf(registry), url })),
    ...{ insecure: [], certsDirs: [], userAgent: "test" },
    ...{ retry: { waitMs: 1, attempts: 1 }, health: { answerMs: 5000, pauseMs: 60_000 } },
  });
  return again();
}
async function again(): Promise<string[]> {
  const lines: string[] = [];
  for await (const { id, status = "" } of store.images.pull(
    client,
    parseReference(`${hostOf(registry)}/team/app:1`),
    {},
  ))
    if (id === undefined) lines.push(status);
  return lines;
}
const states = () => client.mirrors()[0]?.mirrors.map(({ state, error }) => [state, error]);
const warnings = (lines: string[]): string[] => lines.filter((line) => line.startsWith("WARNING"));
/** The image is here, whole. */
async function expectImage(): Promise<void> {
  const image = store.images.resolve(`${hostOf(registry)}/team/app:1`);
  expect(image.id).toBe(config);
  expect(image.top).toBeString();
  expect((await store.blobs.read(layer, LAYER.length)).equals(LAYER)).toBe(true);
  expect(store.blobs.partials()).toEqual([]);
}

describe("a mirror that gives", () => {
  const digest = expect.stringContaining(`digest mismatch: want ${layer}`) as unknown as string;
  const size = expect.stringContaining("size mismatch") as unknown as string;
  const told = expect.stringContaining(`than the ${LAYER.length} bytes`) as unknown as string;
  const cases: [string, () => Response, string][] = [
    ["other bytes", () => new Response(WRONG), digest],
    ["other bytes without their length", () => streamed(WRONG), digest],
    ["one bit of it wrong", () => new Response(LAYER.map((byte, i) => (i === 99_999 ? byte ^ 1 : byte))), digest],
    ["more than the blob", () => new Response(Buffer.concat([LAYER, LAYER])), told],
    ["more than the blob, without a length", () => streamed(Buffer.concat([LAYER, LAYER])), size],
    ["less than the blob", () => new Response(LAYER.subarray(0, 50_000)), told],
    ["a page in its place", () => new Response("<html>Sign in</html>"), told],
  ];
  test.each(cases)("%s is passed over for it, fails, and is named once", async (_, answer, error) => {
    const mirror = server(instead(layer, answer));
    const lines = await pull(mirror);
    await expectImage();
    expect([timesAsked(mirror, layer), timesAsked(registry, layer)]).toEqual([1, 1]);
    expect(states()).toEqual([["failing", error]]);
    expect(warnings(lines)).toEqual([expect.stringContaining(`mirror ${mirror.url} is passed over`)]);
    expect(client.mirrors()[0]?.last?.by).toBe(hostOf(registry));
  });

  test("less than the blob, without a length: the rest comes from the registry", async () => {
    const mirror = server(instead(layer, () => streamed(LAYER.subarray(0, 50_000))));
    await pull(mirror);
    await expectImage();
    expect(timesAsked(registry, layer)).toBe(1);
  });

  test.each([500, 502, 503])("status %d is passed over, also in the middle of the blob", async (status) => {
    const mirror = server(instead(layer, () => new Response("", { status })));
    await pull(mirror);
    await expectImage();
    await store.images.remove(`${hostOf(registry)}/team/app:1`, { force: false, prune: true, users: [] });
    let parts = 0;
    const later = server(
      instead(layer, () => (parts++ ? new Response("", { status }) : streamed(LAYER.subarray(0, 50_000)))),
    );
    await pull(later);
    await expectImage();
    expect(parts).toBeGreaterThan(1);
  });

  test("another config is passed over for it", async () => {
    const mirror = server(instead(config, () => new Response(Buffer.alloc(CONFIG.length, " "))));
    const lines = await pull(mirror);
    await expectImage();
    expect(states()).toEqual([["failing", expect.stringContaining(`digest mismatch: want ${config}`)]]);
    expect(warnings(lines)).toHaveLength(1);
  });
});

const wrong = (): MirrorServer => server(instead(layer, () => new Response(WRONG)));

test("the next mirror is asked, and the registry itself is not", async () => {
  const [one, two, three] = [wrong(), wrong(), server()];
  const lines = await pull(one, two, three);
  await expectImage();
  expect([timesAsked(one, layer), timesAsked(two, layer), timesAsked(three, layer)]).toEqual([1, 1, 1]);
  expect(registry.asked).toEqual([]);
  expect(states()?.map(([state]) => state)).toEqual(["failing", "failing", "serving"]);
  expect(warnings(lines)).toEqual([expect.stringContaining(one.url), expect.stringContaining(two.url)]);
});

test("a mirror that was wrong is not asked by the next pull either while it is passed over", async () => {
  const mirror = wrong();
  await pull(mirror);
  await store.images.remove(`${hostOf(registry)}/team/app:1`, { force: false, prune: true, users: [] });
  mirror.asked.length = 0;
  expect(warnings(await again())).toEqual([]);
  await expectImage();
  expect(mirror.asked).toEqual([]);
});

test("a part of one mirror, and a wrong rest of the next: both are passed over", async () => {
  let parts = 0;
  const cut = server(
    instead(layer, () => (parts++ ? new Response("", { status: 404 }) : streamed(LAYER.subarray(0, 50_000)))),
  );
  const rest = server(
    instead(layer, () => {
      const headers = { "Content-Range": `bytes 50000-${LAYER.length - 1}/${LAYER.length}` };
      return new Response(WRONG.subarray(50_000), { status: 206, headers });
    }),
  );
  await pull(cut, rest);
  await expectImage();
  expect(timesAsked(registry, layer)).toBe(1);
});

test("a part that a wrong mirror left behind does not spoil the next pull", async () => {
  const answers = [() => streamed(WRONG.subarray(0, 50_000))];
  const mirror = server(instead(layer, () => answers.shift()?.() ?? new Response("", { status: 404 })));
  registry.intercept = instead(layer, () => new Response("", { status: 404 }));
  await expect(pull(mirror)).rejects.toThrow();
  expect(store.blobs.partial(layer)).toBeGreaterThan(0);
  registry.intercept = () => undefined;
  mirror.intercept = instead(layer, () => new Response(WRONG));
  await pull(mirror);
  await expectImage();
});

test("wrong bytes of the registry itself are an error, and nothing stays", async () => {
  registry.intercept = instead(layer, () => new Response(WRONG));
  await expect(pull()).rejects.toThrow(`digest mismatch: want ${layer}`);
  await expect(pull(wrong())).rejects.toThrow(`digest mismatch: want ${layer}`);
  expect(timesAsked(registry, layer)).toBe(2);
  expect([store.blobs.list(), store.blobs.partials(), store.layers.list()]).toEqual([[], [], []]);
});

test("where the registry cannot be asked, the error tells of the wrong mirror too", async () => {
  const mirror = wrong();
  registry.intercept = () => new Response("", { status: 502 });
  await expect(pull(mirror)).rejects.toThrow(
    new RegExp(`status 502 .*mirrors passed over: .*${hostOf(mirror)}: digest mismatch`),
  );
  expect(timesAsked(mirror, layer)).toBe(1);
});
