import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { S3Client } from "../../src/registry/server/storage/s3-client.ts";
import { digestOf } from "../../src/spec/digest.ts";
import { MediaType } from "../../src/spec/oci.ts";
import { type S3Server, s3Server } from "../../src/testing/s3-server.ts";

const BERTH = join(import.meta.dir, "../../dist/berth");
const PUSHES = Number(process.env["BERTH_PUSHES"] ?? 8);
const LAYERS = Array.from({ length: 6 }, (_, i) => Buffer.alloc(20_000 + i, `layer ${i} `));

let bucket: S3Server;
let dir: string;
const running = new Set<ChildProcess>();

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "berth-replicas-"));
  bucket = await s3Server();
  // GC runs all the time and spares nothing: only the protocol keeps what is needed.
  const settings = { s3: { bucket: "registry", settleMs: 400, partBytes: 7000 }, gc: { every: "100ms", grace: "0s" } };
  writeFileSync(join(dir, "registry.json"), JSON.stringify(settings));
});
afterAll(async () => {
  for (const child of running) child.kill("SIGKILL");
  await bucket[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

interface Replica {
  url: string;
  child: ChildProcess;
}

async function replica(addr = "127.0.0.1:0"): Promise<Replica> {
  const args = ["registry", "serve", "--addr", addr, "--config", join(dir, "registry.json"), "--root", dir];
  const child = spawn(BERTH, args, { env: { ...process.env, ...bucket.env }, stdio: ["ignore", "ignore", "pipe"] });
  running.add(child);
  child.once("exit", () => running.delete(child));
  const lines = createInterface({ input: child.stderr });
  for await (const line of lines) {
    const [, url] = / registry at (\S+),/.exec(line) ?? [];
    if (!url) throw new Error(line);
    child.stderr.resume();
    return { url: `${url}v2/`, child };
  }
  throw new Error("the replica ended");
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const gone = once(child, "exit");
  child.kill(signal);
  await gone;
}

/** A request that is repeated where the replica is being killed or its storage was too slow. */
async function ask(urls: () => string, method: string, path: string, init: RequestInit = {}): Promise<Response> {
  for (let attempt = 0; ; attempt++) {
    try {
      const answer = await fetch(urls() + path, { method, ...init });
      if (answer.status < 500 || attempt > 50) return answer;
      await answer.text();
    } catch (error) {
      if (attempt > 200) throw error;
      await Bun.sleep(20); // Nobody listens while a replica starts again.
    }
  }
}

/** Pushes a blob, its upload spread over whatever replicas `urls` names. False: the session was lost, as when somebody else ended it. */
async function pushBlob(urls: () => string, repository: string, bytes: Buffer): Promise<boolean> {
  const digest = digestOf(bytes);
  if ((await ask(urls, "HEAD", `${repository}/blobs/${digest}`)).status === 200) return true;
  const begun = await ask(urls, "POST", `${repository}/blobs/uploads/`);
  const session = (begun.headers.get("location") ?? "").replace(/^\/v2\//, "");
  const half = bytes.byteLength >> 1;
  for (const [start, end] of [
    [0, half],
    [half, bytes.byteLength],
  ] as const) {
    const headers = { "Content-Range": `${start}-${end - 1}` };
    const answer = await ask(urls, "PATCH", session, { body: new Uint8Array(bytes.subarray(start, end)), headers });
    // A chunk that was taken although its answer was lost is refused the second time: that is where it is.
    if (answer.status !== 202 && answer.status !== 416) return false;
  }
  return (await ask(urls, "PUT", `${session}?digest=${digest}`)).status === 201;
}

/** Pushes until it is there. */
async function pushImage(urls: () => string, repository: string, tag: string): Promise<void> {
  const layers = LAYERS.filter(() => Math.random() < 0.4);
  const config = Buffer.from(JSON.stringify({ os: "linux", architecture: "amd64", seed: Math.random() }));
  const descriptor = (mediaType: string, bytes: Buffer): object => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.byteLength,
  });
  const body = JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: descriptor(MediaType.config, config),
    layers: layers.map((layer) => descriptor(MediaType.layer, layer)),
  });
  for (let again = 0; ; again++) {
    const taken = await Promise.all([config, ...layers].map((bytes) => pushBlob(urls, repository, bytes)));
    if (!taken.includes(false)) {
      const headers = { "Content-Type": MediaType.manifest };
      const answer = await ask(urls, "PUT", `${repository}/manifests/${tag}`, { body, headers });
      if (answer.status === 201) return;
      // Collected between the push of a blob and this: the client sends it again.
      expect(await answer.text()).toContain("MANIFEST_BLOB_UNKNOWN");
    }
    if (again > 30) throw new Error(`${repository}:${tag} cannot be pushed`);
  }
}

interface Json {
  config: { digest: string };
  layers: { digest: string }[];
}

/** Reads every tag with all its blobs; throws where a manifest is served whose blob is missing or wrong. Returns how many images were whole. */
async function check(urls: () => string, repositories: readonly string[]): Promise<number> {
  let whole = 0;
  for (const repository of repositories) {
    const listed = await ask(urls, "GET", `${repository}/tags/list`);
    const { tags = [] } = (listed.status === 200 ? await listed.json() : {}) as { tags?: string[] };
    for (const tag of tags) whole += (await checkTag(urls, repository, tag)) ? 1 : 0;
  }
  return whole;
}

async function checkTag(urls: () => string, repository: string, tag: string): Promise<boolean> {
  const manifest = await ask(urls, "GET", `${repository}/manifests/${tag}`);
  if (manifest.status === 404) return false;
  const digest = manifest.headers.get("docker-content-digest");
  const { config, layers } = (await manifest.json()) as Json;
  for (const blob of [config, ...layers]) {
    const { bytes, status } = await readBlob(urls, `${repository}/blobs/${blob.digest}`);
    if (bytes && digestOf(bytes) === blob.digest) continue;
    // Deleted and collected while it was read: then the manifest has gone too.
    const still = await ask(urls, "GET", `${repository}/manifests/${digest}`);
    if (still.status !== 404)
      throw new Error(`${repository}:${tag} names ${blob.digest}, which is ${bytes ? "wrong" : status}`);
    return false;
  }
  return true;
}

/** Again where the replica was killed in the middle of its answer. */
async function readBlob(urls: () => string, path: string): Promise<{ status: number; bytes?: Buffer }> {
  for (let attempt = 0; ; attempt++) {
    const answer = await ask(urls, "GET", path);
    if (answer.status !== 200) return { status: answer.status };
    try {
      return { status: 200, bytes: Buffer.from(await answer.arrayBuffer()) };
    } catch (error) {
      if (attempt > 20) throw error;
    }
  }
}

test("what one replica was told the other knows at once", async () => {
  const [a, b] = [await replica(), await replica()];
  try {
    await pushImage(() => a.url, "both", "1");
    const there = await fetch(`${b.url}both/manifests/1`);
    expect(there.status).toBe(200);
    const { layers, config } = (await there.json()) as Json;
    for (const { digest } of [config, ...layers])
      expect((await fetch(`${b.url}both/blobs/${digest}`)).status).toBe(200);
    expect((await fetch(`${b.url}both/manifests/1`, { method: "DELETE" })).status).toBe(202);
    expect((await fetch(`${a.url}both/manifests/1`)).status).toBe(404);
    expect((await fetch(`${a.url}both/manifests/${there.headers.get("docker-content-digest")}`)).status).toBe(200);
  } finally {
    await Promise.all([end(a.child, "SIGTERM"), end(b.child, "SIGTERM")]);
  }
});

test("two replicas under pushes, deletes, collections and kills serve nothing broken, and leave nothing", async () => {
  const replicas = [await replica(), await replica()];
  const repositories = ["one", "two/deep"];
  const any = (): string => replicas[Math.random() < 0.5 ? 0 : 1]?.url ?? "";
  let pushing = true;
  let seen = 0;
  const pushers = Array.from({ length: 4 }, async (_, i) => {
    for (let n = 0; n < PUSHES; n++)
      await pushImage(any, repositories[(i + n) % 2] ?? "", `t${Math.floor(Math.random() * 5)}`);
  });
  const checkers = [0, 1].map(async (i) => {
    while (pushing) seen += await check(() => replicas[i]?.url ?? "", repositories);
  });
  const deleter = (async () => {
    while (pushing) {
      const at = `${repositories[Math.random() < 0.5 ? 0 : 1]}/manifests/`;
      const found = await ask(any, "GET", `${at}t${Math.floor(Math.random() * 5)}`);
      const digest = found.headers.get("docker-content-digest");
      await found.text();
      if (digest) await ask(any, "DELETE", at + digest);
      await Bun.sleep(Math.random() * 100); // So that there is something to check between deletes.
    }
  })();
  const killer = (async () => {
    for (let n = 0; n < 4; n++) {
      await Bun.sleep(300 + Math.random() * 500); // A random moment.
      const victim = replicas[n % 2];
      if (!victim) continue;
      const addr = new URL(victim.url).host;
      await end(victim.child, "SIGKILL");
      replicas[n % 2] = await replica(addr);
    }
  })();
  await Promise.all([...pushers, killer]);
  pushing = false;
  await Promise.all([...checkers, deleter]);
  expect(seen).toBeGreaterThan(0);
  await check(any, repositories);
  await emptied(replicas, [...repositories, "both"]);
});

/** Deletes all, collects, and finds the bucket as it was. */
async function emptied(replicas: readonly Replica[], repositories: readonly string[]): Promise<void> {
  const [first] = replicas;
  const url = (): string => first?.url ?? "";
  const client = new S3Client(bucket.options);
  for (const repository of repositories) {
    const root = `records/manifests/${repository.replaceAll("/", "~")}/`;
    for (const { key } of await client.list(root)) {
      expect((await ask(url, "DELETE", `${repository}/manifests/${key.slice(root.length)}`)).status).toBe(202);
    }
  }
  await Promise.all(replicas.map(({ child }) => end(child, "SIGTERM")));
  const args = ["registry", "gc", "--config", join(dir, "registry.json"), "--root", dir, "--upload-timeout", "0s"];
  for (let round = 0; round < 2; round++) {
    const gc = spawn(BERTH, args, { env: { ...process.env, ...bucket.env }, stdio: ["ignore", "ignore", "inherit"] });
    const [code] = (await once(gc, "exit")) as [number];
    expect(code).toBe(0);
  }
  expect((await client.list("")).map(({ key }) => key)).toEqual([]);
}
