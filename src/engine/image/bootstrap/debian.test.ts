import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { aptRepo, editRelease } from "../../../testing/apt-repo.ts";
import { drain, EngineHarness, never } from "../../../testing/engine-harness.ts";
import { mirrorServer } from "../../../testing/mirror-server.ts";
import { PgpKey } from "../../../testing/pgp-key.ts";

// A real apt repository of our own, signed by a key of our own, for what the distribution's own mirror cannot show.

let h: EngineHarness;
let key: PgpKey;
let folder = "";
let repo = "";
beforeAll(async () => {
  h = await EngineHarness.open({ busybox: false });
  key = await PgpKey.make("Mirror <mirror@example.org>");
  folder = mkdtempSync("/var/tmp/berth-apt.");
  repo = join(folder, "good");
  await aptRepo(repo, { key, suite: "noble" });
  // This host may have told its own apt not to look at dates.
  writeFileSync(
    join(folder, "apt.conf"),
    'Dir::Etc::parts "/dev/null";\nAcquire::Check-Valid-Until "true";\nAcquire::Check-Date "true";\nAcquire::http::Pipeline-Depth "0";\n',
  );
  process.env["APT_CONFIG"] = join(folder, "apt.conf");
}, 300_000);
afterAll(async () => {
  delete process.env["APT_CONFIG"];
  await h[Symbol.asyncDispose]();
  await key[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
}, 300_000);
afterEach(() => {
  expect(readdirSync(`${h.root}/data/tmp`).filter((name) => name.startsWith("bootstrap"))).toEqual([]);
});

const trusting = (...keys: PgpKey[]) => ({
  include: [],
  signal: never(),
  keys: keys.map((k) => ({ name: "key.asc", data: Buffer.from(k.publicKey).toString("base64") })),
});
const bootstrap = async (mirror: string, keys = [key]): Promise<string[]> =>
  (await drain(h.backend.image.bootstrap("ubuntu:24.04", { ...trusting(...keys), mirror }))).map((m) =>
    String(m["stream"]),
  );
const none = async (): Promise<void> => expect(await h.backend.image.list({ all: true, filters: {} })).toEqual([]);

test("a release that is changed, signed by another key, or expired is refused in apt's words; nothing is left", async () => {
  const changed = join(folder, "changed");
  await aptRepo(changed, { key, suite: "noble" });
  editRelease(changed, "noble", (text) => text.replace("Components: main", "Components:  main"));
  await expect(bootstrap(changed)).rejects.toThrow(/mmdebstrap: GPG error: .*BADSIG/);
  const expired = join(folder, "expired");
  await aptRepo(expired, { key, suite: "noble", release: ["Valid-Until: Thu, 01 Jan 2026 00:00:00 UTC"] });
  await expect(bootstrap(expired)).rejects.toThrow(/Release file for .* is expired/);
  await using other = await PgpKey.make("Other <other@example.org>");
  await expect(bootstrap(repo, [other])).rejects.toThrow(/GPG error: .*NO_PUBKEY/);
  await none();
}, 300_000);

test("a package that is not the one that the release speaks of is refused", async () => {
  const bad = join(folder, "bad");
  await aptRepo(bad, { key, suite: "noble" });
  await using server = mirrorServer(bad);
  server.intercept = (path) => {
    if (!path.includes("/bash_")) return undefined;
    const bytes = readFileSync(join(bad, path));
    bytes[5000] = (bytes[5000] ?? 0) ^ 1;
    return new Response(bytes);
  };
  await expect(bootstrap(server.url)).rejects.toThrow(/bash_.*Hash Sum mismatch/);
  await none();
}, 300_000);

test("a mirror that is not there is named", async () => {
  await expect(bootstrap("http://127.0.0.1:1/ubuntu")).rejects.toThrow(
    /Failed to fetch http:\/\/127\.0\.0\.1:1\/ubuntu\/dists\/noble\/InRelease .*Connection refused/,
  );
  await expect(bootstrap(join(folder, "nosuch"))).rejects.toThrow(/nosuch noble Release' does not have a Release file/);
}, 300_000);

test("from a folder: the image runs, its apt knows the key and the mirror", async () => {
  const lines = await bootstrap(`${repo}/`);
  expect(lines.at(-1)).toContain("Successfully tagged ubuntu:24.04");
  const image = await h.backend.image.inspect("ubuntu:24.04");
  expect(image.Config).toMatchObject({ Cmd: ["bash"], Labels: { "org.opencontainers.image.title": "ubuntu" } });
  const script = "cat /etc/apt/sources.list; apt-config dump >/dev/null && cat /etc/apt/trusted.gpg.d/key-1.asc";
  const { Id: id } = await h.backend.container.create(
    undefined,
    { Image: "ubuntu:24.04", Cmd: ["bash", "-c", script] },
    {},
  );
  await h.backend.container.start(id, {});
  const code = await h.wait(id);
  expect(await h.logs(id)).toBe(`deb file://${repo} noble main universe\n${key.publicKey}`);
  expect(code).toBe(0);
  await h.backend.container.remove(id, { force: true, volumes: true, link: false });
}, 300_000);

test("a cancelled bootstrap kills all of it", async () => {
  await using server = mirrorServer(repo);
  const stop = new AbortController();
  server.intercept = async (path) => {
    if (!path.endsWith(".deb")) return undefined;
    stop.abort();
    return new Promise<Response>(() => undefined);
  };
  const options = { ...trusting(key), mirror: server.url, signal: stop.signal };
  await expect(drain(h.backend.image.bootstrap("cut:1", { ...options, from: "ubuntu:noble" }))).rejects.toThrow(
    "the bootstrap was cancelled",
  );
  const running = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(h.root));
  expect(running).toEqual([]);
}, 300_000);

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    return ""; // It ended meanwhile.
  }
}
