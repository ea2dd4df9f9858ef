import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/host/spawn.ts";
import { type BerthRegistry, berthRegistry } from "../../src/testing/berth-registry.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";
import { type DockerDaemon, dockerDaemon } from "../../src/testing/docker-daemon.ts";

// Berth's registry between others: skopeo, Debian's dockerd with the docker command line, and Berth's own daemon; every way, digests equal.

const HOST = "127.0.0.1:5000";
setDefaultTimeout(300_000);
let daemon: TestDaemon;
let docker: DockerDaemon;
let registry: BerthRegistry;
let folder = "";
let archive = "";

beforeAll(async () => {
  folder = mkdtempSync("/var/tmp/berth-interop.");
  daemon = await TestDaemon.start();
  registry = await berthRegistry(daemon, HOST, { folder: join(folder, "registry") });
  docker = await dockerDaemon(daemon, join(folder, "dockerd"));
  archive = join(folder, "busybox.tar");
  await daemon.ok("tag", "busybox", "source:1");
  await daemon.ok("save", "-o", archive, "source:1");
  await docker.ok("load", "-i", archive);
}, 300_000);
afterAll(async () => {
  // It says what goes wrong in it: nothing did.
  expect(registry.log.filter((line) => /error/i.test(line))).toEqual([]);
  await docker?.[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
  await daemon?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function skopeo(...args: string[]): Promise<string> {
  // With a cache of its own each time: else it remembers which blobs it has seen where.
  const own = 'mkdir -p /var/lib/containers && mount -t tmpfs none /var/lib/containers && exec skopeo "$@"';
  const argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", own, "skopeo", "--tmpdir", folder];
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder };
  const done = await run(daemon.inNet(...argv, "--insecure-policy", ...args), { env });
  if (done.code !== 0) throw new Error(`skopeo ${args.join(" ")}: ${done.stderr}`);
  return done.stdout.trim();
}
const copy = (from: string, to: string, ...more: string[]): Promise<string> =>
  skopeo("copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", ...more, from, to);
const digest = async (name: string): Promise<string> =>
  skopeo("inspect", "--tls-verify=false", "--format", "{{.Digest}}", `docker://${HOST}/${name}`);

test.each(["oci", "v2s2"])("skopeo: %s in, across, and out again: one digest", async (format) => {
  const name = `docker://${HOST}/skopeo/${format}`;
  await copy(`docker-archive:${archive}:source:1`, `${name}:1`, "--format", format);
  const first = await digest(`skopeo/${format}:1`);
  expect(first).toMatch(/^sha256:[0-9a-f]{64}$/);
  await copy(`${name}:1`, `${name}-other/deep/er:2`, "--preserve-digests");
  expect(await digest(`skopeo/${format}-other/deep/er:2`)).toBe(first);
  await copy(`${name}@${first}`, `dir:${folder}/${format}`, "--preserve-digests");
  await copy(`dir:${folder}/${format}`, `${name}:again`, "--preserve-digests");
  expect(await digest(`skopeo/${format}:again`)).toBe(first);
  expect(JSON.parse(await skopeo("list-tags", "--tls-verify=false", name))).toMatchObject({ Tags: ["1", "again"] });
  await skopeo("delete", "--tls-verify=false", `${name}:1`);
  await expect(digest(`skopeo/${format}:again`)).rejects.toThrow("manifest unknown");
  expect(await digest(`skopeo/${format}-other/deep/er:2`)).toBe(first);
});

test("skopeo: layers in zstd, and a whole index with all its platforms", async () => {
  const name = `docker://${HOST}/skopeo/packed`;
  await copy(`docker-archive:${archive}:source:1`, `${name}:zstd`, "--format", "oci", "--dest-compress-format", "zstd");
  const manifest = JSON.parse(await skopeo("inspect", "--raw", "--tls-verify=false", `${name}:zstd`));
  expect(manifest.layers[0].mediaType).toContain("zstd");
  await daemon.ok("pull", "-q", `${HOST}/skopeo/packed:zstd`);
  expect(await daemon.ok("run", "--rm", `${HOST}/skopeo/packed:zstd`, "echo", "ran")).toBe("ran");
  await copy(`docker-archive:${archive}:source:1`, `docker://${HOST}/multi:a`, "--format", "v2s2");
  await docker.ok("manifest", "create", "--insecure", `${HOST}/multi:all`, `${HOST}/multi:a`);
  const pushed = await docker.ok("manifest", "push", `${HOST}/multi:all`);
  expect(pushed).toMatch(/^sha256:[0-9a-f]{64}$/);
  await copy(`docker://${HOST}/multi:all`, `docker://${HOST}/multi2:all`, "--all", "--preserve-digests");
  const raw = (repository: string): Promise<string> =>
    skopeo("inspect", "--raw", "--tls-verify=false", `docker://${HOST}/${repository}:all`);
  expect(await raw("multi2")).toBe(await raw("multi"));
  const inspected = JSON.parse(await docker.ok("manifest", "inspect", "--insecure", `${HOST}/multi2:all`));
  expect(inspected.manifests[0].digest).toBe(await digest("multi:a"));
});

test("dockerd pushes, Berth pulls; Berth pushes, dockerd pulls: the same image and digest", async () => {
  const name = `${HOST}/team/app`;
  await docker.ok("tag", "source:1", `${name}:docker`);
  const pushed = await docker.ok("push", `${name}:docker`);
  const [, first] = /docker: digest: (sha256:[0-9a-f]{64}) size: \d+/.exec(pushed) ?? [];
  expect(await docker.ok("push", `${name}:docker`)).toContain("Layer already exists");
  const pulled = await daemon.ok("pull", `${name}:docker`);
  expect(pulled).toContain(`Digest: ${first}`);
  const id = await docker.ok("inspect", "-f", "{{.Id}}", `${name}:docker`);
  expect(await daemon.ok("inspect", "-f", "{{.Id}}", `${name}:docker`)).toBe(id);

  await daemon.ok("tag", "source:1", `${name}:berth`);
  const [, second] = /digest: (sha256:[0-9a-f]{64})/.exec(await daemon.ok("push", `${name}:berth`)) ?? [];
  expect(await daemon.ok("push", `${name}:berth`)).toContain(`digest: ${second}`);
  await docker.ok("rmi", "-f", id);
  expect(await docker.ok("pull", `${name}:berth`)).toContain(`Digest: ${second}`);
  expect(await docker.ok("inspect", "-f", "{{.Id}}", `${name}:berth`)).toBe(id);
  expect(await docker.ok("pull", `${name}@${second}`)).toContain(`Digest: ${second}`);
  expect(await docker.ok("pull", "-a", name)).toContain(`Digest: ${first}`);
  await docker.ok("tag", `${name}:berth`, `${HOST}/team/second:1`);
  expect(await docker.ok("push", `${HOST}/team/second:1`)).toContain("Mounted from team/app");
  expect(await digest("team/second:1")).toBe(first ?? "");
});

test("docker search and berth search find what the registry has", async () => {
  await copy(`docker-archive:${archive}:source:1`, `docker://${HOST}/find/web-server:1`);
  const search = ["search", "--format", "{{.Name}}"];
  for (const by of [docker, daemon])
    expect([by === docker, await by.ok(...search, `${HOST}/web`)]).toEqual([
      by === docker,
      expect.stringContaining("find/web-server"),
    ]);
  expect(await docker.ok(...search, `${HOST}/nothing-like-it`)).toBe("");
});

test("errors that people see, by each", async () => {
  const pull = await docker.docker("pull", `${HOST}/team/none:1`);
  expect([pull.code, pull.stderr]).toEqual([
    1,
    expect.stringContaining(`manifest for ${HOST}/team/none:1 not found: manifest unknown`),
  ]);
  await expect(digest("team/none:1")).rejects.toThrow("manifest unknown");
});
