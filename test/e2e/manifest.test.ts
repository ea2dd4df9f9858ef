import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type RunOutcome, run } from "../../src/host/spawn.ts";
import { digestOf } from "../../src/spec/digest.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";
import { registryServer } from "../../src/testing/registry-server.ts";

// Lists of images, by docker's and by Berth's command line against Debian's registry: the same words, files and bytes.

const BERTH = join(import.meta.dir, "../../dist/berth");
const HOST = "127.0.0.1:5003";
const APP = `${HOST}/app`;
let daemon: TestDaemon;
let registry: AsyncDisposable;
let folder = "";

beforeAll(async () => {
  daemon = await TestDaemon.start();
  folder = mkdtempSync("/var/tmp/berth-manifest.");
  registry = await registryServer(daemon, HOST, { folder: join(folder, "registry") });
  await upload("app", "amd64", { architecture: "amd64" });
  await upload("app", "arm64", { architecture: "arm64", variant: "v8" });
  await upload("app", "oci", { architecture: "amd64" }, true);
  await upload("app", "ociarm", { architecture: "arm", variant: "v7", "os.version": "6" }, true);
  await upload("other", "1", { architecture: "s390x" });
  await upload("bare", "1", {});
}, 300_000);
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
  await daemon[Symbol.asyncDispose]();
});

/** A request to the registry, which only the daemon's network has. */
async function send(method: string, path: string, of: { type: string; body: string }): Promise<string> {
  const url = path.startsWith("http") ? path : `http://${HOST}${path}`;
  const argv = ["curl", "-sf", "-D", "-", "-X", method, "-H", `Content-Type: ${of.type}`, "--data-binary", "@-", url];
  const done = await run(daemon.inNet(...argv), { input: of.body });
  expect(done.code).toBe(0);
  return done.stdout;
}

async function upload(repository: string, tag: string, platform: object, oci = false): Promise<void> {
  const blob = async (body: string): Promise<{ size: number; digest: string }> => {
    const digest = digestOf(Buffer.from(body));
    const begun = await send("POST", `/v2/${repository}/blobs/uploads/`, { type: "text/plain", body: "" });
    const [, location = ""] = /^location: (\S+)/im.exec(begun) ?? [];
    await send("PUT", `${location}&digest=${digest}`, { type: "application/octet-stream", body });
    return { size: body.length, digest };
  };
  const kinds = oci
    ? ["oci.image.manifest.v1", "oci.image.config.v1", "oci.image.layer.v1.tar"]
    : ["docker.distribution.manifest.v2", "docker.container.image.v1", "docker.image.rootfs.diff.tar"];
  const [manifest = "", config = "", layer = ""] = kinds.map((kind) => `application/vnd.${kind}`);
  const os = Object.keys(platform).length > 0 ? { os: "linux" } : {};
  const content = JSON.stringify({ ...platform, ...os, rootfs: { type: "layers", diff_ids: [] } });
  const body = JSON.stringify({
    schemaVersion: 2,
    mediaType: `${manifest}+json`,
    config: { mediaType: `${config}+json`, ...(await blob(content)) },
    layers: [{ mediaType: `${layer}${oci ? "+" : "."}gzip`, ...(await blob(`${repository}-${tag}`)) }],
  });
  await send("PUT", `/v2/${repository}/manifests/${tag}`, { type: `${manifest}+json`, body });
}

/** `manifest …` by one of the two, with a configuration of its own. */
function manifest(by: "docker" | "berth", ...args: string[]): Promise<RunOutcome> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder, DOCKER_CONFIG: join(folder, by) };
  return run(daemon.inNet(by === "docker" ? DOCKER : BERTH, "manifest", ...args), { env });
}

/** By both: the same words and exit code. Returns them. */
async function both(...args: string[]): Promise<RunOutcome> {
  const docker = await manifest("docker", ...args);
  const berth = await manifest("berth", ...args);
  const shown = (o: RunOutcome): string =>
    `${args.join(" ")} [${o.code}]\n${o.stdout}${o.stderr.replaceAll("berth", "docker")}`;
  expect(shown(berth)).toBe(shown(docker));
  return docker;
}

const SECURE: string[][] = [
  ["inspect", `${APP}:amd64`],
  ["inspect", "-v", `${APP}:amd64`],
  ["inspect", "-v", `${APP}:ociarm`],
  ["inspect", `${APP}:nosuch`],
  ["create", `${APP}:list`, `${APP}:amd64`, `${APP}:arm64`],
  ["create", `${APP}:list`, `${APP}:amd64`, `${APP}:arm64`],
  ["create", "-a", `${APP}:list`, `${APP}:oci`, `${HOST}/other:1`],
  ["create", `${APP}:ocilist`, `${APP}:oci`, `${APP}:ociarm`],
  ["create", `${APP}:bad`, `${APP}:nosuch`],
  ["create", `${APP}:bare`, `${HOST}/bare:1`],
  ["create", `localhost:5003/x/y:1`, `${APP}:amd64`],
];
const LOCAL: string[][] = [
  ["inspect", `${APP}:list`],
  ["inspect", "-v", `${APP}:ocilist`],
  ["inspect", `${APP}:list`, `${APP}:amd64`],
  ["inspect", "-v", `${APP}:list`, `${APP}:arm64`],
  ["inspect", `${APP}:list`, `${APP}:nosuch`],
  ["inspect", `${APP}:nosuch`, `${APP}:amd64`],
  ["annotate", `${APP}:list`, `${APP}:amd64`, "--os-version", "1", "--os-features", "a,b", "--variant", "v1"],
  ["annotate", `${APP}:list`, `${APP}:amd64`, "--arch", "ppc"],
  ["annotate", `${APP}:list`, `${APP}:amd64`, "--arch", "ppc64le", "--os", "linux"],
  ["annotate", `${APP}:list`, `${APP}:amd64`, "--os", "foo"],
  ["annotate", `${APP}:nolist`, `${APP}:amd64`, "--os", "foo"],
  ["annotate", `${APP}:list`, `${APP}:nosuch`, "--os", "foo"],
  ["annotate", "UPPER", "x"],
  ["annotate", "x", "UPPER"],
  ["inspect", `${APP}:list`],
  ["push", `${APP}:nolist`],
  ["push", "UPPER"],
  ["create", "UPPER", "x"],
  ["create", "x", "UPPER"],
  ["create", "a"],
  ["inspect", "a", "b", "c"],
  ["rm", `${APP}:nolist`, `${APP}:none`],
  ["rm", "UPPER"],
];
const PUSHED: string[][] = [
  ["push", `${APP}:list`],
  ["push", "-p", `${APP}:ocilist`],
  ["push", "localhost:5003/x/y:1"],
  ["push", `${APP}:bare`],
  ["inspect", `${APP}:ocilist`],
  ["inspect", "-v", `${APP}:ocilist`],
  ["create", `${APP}:of-list`, `${APP}:ocilist`],
];

test("both say and do the same, without the engine", async () => {
  const insecure = (args: string[]): string[] => [args[0] ?? "", "--insecure", ...args.slice(1)];
  for (const args of SECURE) await both(...insecure(args));
  for (const args of LOCAL) await both(...args);
  for (const args of PUSHED) await both(...insecure(args));
  await both("rm", `${APP}:nolist`, `${APP}:list`);
  expect(readdirSync(join(folder, "berth/manifests")).sort()).toEqual(
    readdirSync(join(folder, "docker/manifests")).sort(),
  );
}, 300_000);

test("a list that one has begun is finished by the other", async () => {
  expect((await manifest("berth", "create", `${APP}:shared`, `${APP}:amd64`)).code).toBe(0);
  cpSync(join(folder, "berth/manifests"), join(folder, "docker/manifests"), { recursive: true });
  expect((await manifest("docker", "create", "--insecure", "-a", `${APP}:shared`, `${APP}:arm64`)).code).toBe(0);
  cpSync(join(folder, "docker/manifests"), join(folder, "berth/manifests"), { recursive: true });
  const pushed = await manifest("berth", "push", "-p", `${APP}:shared`);
  expect(pushed.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  expect(existsSync(join(folder, `berth/manifests/${HOST.replace(":", "-")}_app-shared`))).toBe(false);
  const seen = await manifest("docker", "inspect", "--insecure", `${APP}@${pushed.stdout.trim()}`);
  expect(seen.stdout.match(/"architecture": "\w+"/g)).toEqual(['"architecture": "amd64"', '"architecture": "arm64"']);
});

test("a registry that is away is named", async () => {
  const gone = await manifest("berth", "inspect", "127.0.0.1:1/app:1");
  expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining("127.0.0.1:1")]);
});
