import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type RunOutcome, run } from "../../src/host/spawn.ts";
import { OciLayout, tar } from "../../src/image/fixture.ts";
import { type Digest, digestOf } from "../../src/spec/digest.ts";
import { MediaType } from "../../src/spec/oci.ts";
import { hostPlatform } from "../../src/spec/platform.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";
import { LocalRegistry } from "../../src/testing/local-registry.ts";
import { hostRegistryServer } from "../../src/testing/registry-server.ts";

// `berth copy` and `berth tags` beside skopeo, between Debian's registry and our own: the same digests, archives that the other reads.

const BERTH = join(import.meta.dir, "../../dist/berth");
const PASSWORD = "open-sesame-7";
const host = hostPlatform();
const base = tar({ name: "bin" }, { name: "bin/busybox", data: readFileSync("/bin/busybox") });
const top = tar({ name: "etc" }, { name: "etc/hello", data: "hello\n" });
let debian: Awaited<ReturnType<typeof hostRegistryServer>>;
let locked: Awaited<ReturnType<typeof hostRegistryServer>>;
let ours: LocalRegistry;
let root = "";
let folder = "";

beforeAll(async () => {
  root = mkdtempSync("/var/tmp/berth-copy-test.");
  ours = await LocalRegistry.start();
  debian = await hostRegistryServer({ folder: join(root, "debian") });
  locked = await hostRegistryServer({ folder: join(root, "locked"), users: { me: PASSWORD } });
  const layout = new OciLayout();
  const gz = { stored: [gzipSync(base), gzipSync(top)], mediaType: MediaType.layerGzip };
  const zstd = { stored: [zstdCompressSync(base), zstdCompressSync(top)], mediaType: MediaType.layerZstd };
  const config = { ...host, config: { Cmd: ["/bin/busybox", "cat", "/etc/hello"] } };
  const other = { os: "linux", architecture: "s390x" };
  const index = layout.index([
    { ...layout.image([base, top], { ...gz, config }), platform: host },
    { ...layout.image([base, top], { ...zstd, config: other }), platform: other },
  ]);
  const names = (name: string) => ({ annotations: { "org.opencontainers.image.ref.name": name } });
  const plain = layout.image([base], { config: { ...config, author: "plain" } });
  writeFileSync(
    join(root, "seed.tar"),
    layout.archive([
      { ...index, ...names("index") },
      { ...plain, ...names("plain") },
    ]),
  );
  await skopeo("copy", "--all", `oci-archive:${root}/seed.tar:index`, `docker://${debian.host}/app:index`);
  await skopeo("copy", `oci-archive:${root}/seed.tar:plain`, `docker://${debian.host}/app:plain`);
  const v2s2 = ["copy", "--format", "v2s2", `oci-archive:${root}/seed.tar:index`, `docker://${debian.host}/app:v2s2`];
  await skopeo(...v2s2);
}, 300_000);
afterAll(async () => {
  await debian?.[Symbol.asyncDispose]();
  await locked?.[Symbol.asyncDispose]();
  await ours?.[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => {
  ours.intercept = () => undefined;
  if (folder !== "") rmSync(folder, { recursive: true, force: true });
  folder = mkdtempSync(join(root, "case."));
});

const file = (name: string): string => join(folder, name);
const env = (): Record<string, string> => ({ PATH: process.env["PATH"] ?? "", HOME: folder, TMPDIR: folder });

async function skopeo(...args: string[]): Promise<string> {
  const [verb = "", ...rest] = args;
  const tls = verb === "copy" ? ["--src-tls-verify=false", "--dest-tls-verify=false"] : ["--tls-verify=false"];
  const reads = rest.some((arg) => arg.startsWith("docker://")) ? tls : [];
  const done = await run(["skopeo", "--insecure-policy", verb, ...reads, ...rest]);
  if (done.code !== 0) throw new Error(`skopeo ${args.join(" ")}: ${done.stderr}`);
  return done.stdout;
}

const rawDigest = async (place: string): Promise<Digest> =>
  digestOf(Buffer.from(await skopeo("inspect", "--raw", place)));
const berth = (...args: string[]): Promise<RunOutcome> => run([BERTH, ...args], { env: env() });

async function copied(...args: string[]): Promise<string> {
  const done = await berth("copy", "-q", ...args);
  expect(done).toMatchObject({ code: 0, stderr: "" });
  return done.stdout.trim();
}

describe("between registries", () => {
  test.each(["index", "plain", "v2s2"])("%s: there and back, by us and by skopeo, one digest", async (tag) => {
    const from = `docker://${debian.host}/app:${tag}`;
    const digest = await rawDigest(from);
    expect(await copied(from, `${ours.host}/x/${tag}:1`)).toBe(digest);
    expect(await rawDigest(`docker://${ours.host}/x/${tag}:1`)).toBe(digest);
    await skopeo("copy", "--all", `docker://${ours.host}/x/${tag}:1`, `docker://${debian.host}/back/${tag}:s`);
    expect(await copied(`${ours.host}/x/${tag}:1`, `${debian.host}/back/${tag}:b`)).toBe(digest);
    for (const by of ["s", "b"]) expect(await rawDigest(`docker://${debian.host}/back/${tag}:${by}`)).toBe(digest);
  });

  test("signatures by subject: to Debian's registry, which has no list of them, and back to ours, which has", async () => {
    await copied(`${debian.host}/app:plain`, `${ours.host}/signed:1`);
    const subject = await ours.manifest("signed", "1");
    if (!subject) throw new Error("no image");
    const empty = await ours.putBlob("signed", Buffer.from("{}"), "application/vnd.oci.empty.v1+json");
    const about = { mediaType: MediaType.manifest, digest: subject.digest, size: subject.bytes.length };
    const content = {
      mediaType: MediaType.manifest,
      artifactType: "a/sig",
      config: empty,
      layers: [empty],
      subject: about,
    };
    const signature = await ours.putManifest("signed", "", content as { mediaType: string });
    await copied("--referrers", `${ours.host}/signed:1`, `${debian.host}/signed:1`);
    expect(await rawDigest(`docker://${debian.host}/signed@${signature.digest}`)).toBe(signature.digest);
    const list = await skopeo("inspect", "--raw", `docker://${debian.host}/signed:${subject.digest.replace(":", "-")}`);
    expect(JSON.parse(list).manifests).toMatchObject([{ digest: signature.digest, artifactType: "a/sig" }]);
    await copied("--referrers", `${debian.host}/signed:1`, `${ours.host}/back-signed:1`);
    const answer = await ours.send("GET", `/v2/back-signed/referrers/${subject.digest}`);
    expect(await answer.json()).toMatchObject({ manifests: [{ digest: signature.digest }] });
  });

  test("inside Debian's registry blobs are mounted", async () => {
    const done = await berth("copy", `${debian.host}/app:index`, `${debian.host}/mounted:1`);
    expect(done).toMatchObject({ code: 0, stdout: `${await rawDigest(`docker://${debian.host}/app:index`)}\n` });
    expect(done.stderr.match(/: Mounted from app$/gm)?.length).toBe(6);
    expect(done.stderr).not.toContain("Copied");
  });

  test("a registry with passwords: those of config.json; without, or with wrong ones, a clear error that tells no secret", async () => {
    const to = `${locked.host}/mine:1`;
    const anonymous = await berth("copy", "-q", `${debian.host}/app:plain`, to);
    expect([anonymous.code, anonymous.stderr]).toEqual([1, "no basic auth credentials\n"]);
    const keep = (secret: string): void => {
      const auths = { [locked.host]: { auth: Buffer.from(`me:${secret}`).toString("base64") } };
      writeFileSync(file(".docker-config.json"), "{}");
      Bun.spawnSync(["mkdir", "-p", file(".docker")]);
      writeFileSync(file(".docker/config.json"), JSON.stringify({ auths }));
    };
    keep("wrong-one");
    const wrong = await berth("copy", "-q", `${debian.host}/app:plain`, to);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).not.toContain("wrong-one");
    keep(PASSWORD);
    expect(await copied(`${debian.host}/app:plain`, to)).toStartWith("sha256:");
    expect((await berth("tags", `${locked.host}/mine`)).stdout).toBe("TAG\n1\n");
  });

  test("tags and inspect of Debian's registry", async () => {
    const { stdout } = await berth("tags", "-q", "--sort", "name", `${debian.host}/app`);
    expect(stdout).toBe("index\nplain\nv2s2\n");
    const digest = await rawDigest(`docker://${debian.host}/app:v2s2`);
    const line = await berth("tags", "--filter", "v2s2", "--format", "{{.Digest}} {{.Size}}", `${debian.host}/app`);
    expect(line.stdout).toStartWith(`${digest} `);
    const [mine] = JSON.parse((await berth("image", "inspect", "--remote", `${debian.host}/app:v2s2`)).stdout);
    const theirs = JSON.parse(await skopeo("inspect", "--config", `docker://${debian.host}/app:v2s2`));
    expect(mine).toMatchObject({
      Id: digestOf(Buffer.from(await skopeo("inspect", "--raw", "--config", `docker://${debian.host}/app:v2s2`))),
      RootFS: { Layers: theirs.rootfs.diff_ids },
      Architecture: theirs.architecture,
      Config: { Cmd: theirs.config.Cmd },
    });
  });
});

describe("archives", () => {
  test.each(["oci-archive", "oci"])("%s: what one writes the other reads, with the same digest", async (kind) => {
    const from = `docker://${debian.host}/app:index`;
    const digest = await rawDigest(from);
    expect(await copied(from, `${kind}:${file("ours")}:v1`)).toBe(digest);
    expect(await rawDigest(`${kind}:${file("ours")}:v1`)).toBe(digest);
    await skopeo("copy", "--all", `${kind}:${file("ours")}:v1`, `docker://${ours.host}/s-${kind}:1`);
    await skopeo("copy", "--all", from, `${kind}:${file("theirs")}:v1`);
    expect(await copied(`${kind}:${file("theirs")}:v1`, `${ours.host}/b-${kind}:1`)).toBe(digest);
    for (const by of ["s", "b"]) expect(await rawDigest(`docker://${ours.host}/${by}-${kind}:1`)).toBe(digest);
  });

  test("docker-archive: skopeo reads ours, we read skopeo's; the image's id stays", async () => {
    const from = `docker://${debian.host}/app:v2s2`;
    const id = digestOf(Buffer.from(await skopeo("inspect", "--raw", "--config", from)));
    const digest = await copied(from, `docker-archive:${file("ours.tar")}:app:1`);
    expect(digest).toBe(await rawDigest(from));
    expect(
      digestOf(Buffer.from(await skopeo("inspect", "--raw", "--config", `docker-archive:${file("ours.tar")}`))),
    ).toBe(id);
    await skopeo("copy", `docker-archive:${file("ours.tar")}:app:1`, `docker://${ours.host}/s-docker:1`);
    await skopeo("copy", from, `docker-archive:${file("theirs.tar")}:app:1`);
    await copied(`docker-archive:${file("theirs.tar")}:app:1`, `${ours.host}/b-docker:1`);
    for (const by of ["s", "b"]) {
      const config = await skopeo("inspect", "--raw", "--config", `docker://${ours.host}/${by}-docker:1`);
      expect(digestOf(Buffer.from(config))).toBe(id);
    }
  });

  test("from a pipe, compressed: the same digest, and nothing is left of what was read", async () => {
    await copied(`${debian.host}/app:index`, `oci-archive:${file("a.tar")}`);
    const argv = [BERTH, "copy", "-q", "-", `${ours.host}/piped:1`];
    const done = await run(argv, { env: env(), input: gzipSync(readFileSync(file("a.tar"))) });
    expect(done).toEqual({ code: 0, stdout: `${await rawDigest(`docker://${debian.host}/app:index`)}\n`, stderr: "" });
    expect(readdirSync(folder)).toEqual(["a.tar"]);
  });

  test("to standard output the same bytes as to a file; a copy that fails leaves no end", async () => {
    await copied(`${debian.host}/app:index`, `oci-archive:${file("a.tar")}`);
    const { exited, stdout } = Bun.spawn([BERTH, "copy", "-q", `${debian.host}/app:index`, "-"], {
      env: env(),
      stderr: "ignore",
    });
    const bytes = Buffer.from(await new Response(stdout).arrayBuffer());
    expect([await exited, bytes.equals(readFileSync(file("a.tar")))]).toEqual([0, true]);
    await copied(`${debian.host}/app:plain`, `${ours.host}/cut:1`);
    ours.intercept = (request, path) =>
      path.includes("/blobs/") && request.method === "GET" ? new Response("short") : undefined;
    const cut = await berth("copy", "-q", `${ours.host}/cut:1`, "-");
    expect([cut.code, cut.stderr.trim().split("\n").length]).toEqual([1, 1]);
    expect((await run(["tar", "t"], { input: cut.stdout })).code).not.toBe(0);
  });

  test("load takes them, by name, and runs them; a pulled image is saved with the very bytes of a copy", async () => {
    await using daemon = await TestDaemon.start({ busybox: false });
    await copied(`${debian.host}/app:index`, `oci-archive:${file("index.tar")}:team/app:v1`);
    await copied(
      "--platform",
      `${host.os}/${host.architecture}`,
      `${debian.host}/app:index`,
      `docker-archive:${file("d.tar")}:team/d:v1`,
    );
    await copied(`${debian.host}/app:plain`, `${debian.host}/app:index`, `oci-archive:${file("two.tar")}`);
    expect(await daemon.ok("load", "-q", "-i", file("index.tar"))).toBe("Loaded image: team/app:v1");
    expect(await daemon.ok("load", "-q", "-i", file("d.tar"))).toBe("Loaded image: team/d:v1");
    const two = (await daemon.ok("load", "-q", "-i", file("two.tar"))).split("\n").sort();
    expect(two).toEqual(["index", "plain"].map((tag) => `Loaded image: ${debian.host}/app:${tag}`));
    expect(await daemon.ok("run", "--rm", "--network", "none", "team/app:v1")).toBe("hello");
    expect(await daemon.ok("run", "--rm", "--network", "none", "team/d:v1")).toBe("hello");
    await daemon.ok("save", "-o", file("saved.tar"), "team/d:v1");
    expect(readFileSync(file("saved.tar")).equals(readFileSync(file("d.tar")))).toBe(true);
    const [image] = JSON.parse(await daemon.ok("image", "inspect", "team/d:v1"));
    expect(await copied(`docker-archive:${file("saved.tar")}`, `${ours.host}/saved:1`)).toBe(image.Descriptor.digest);
  }, 300_000);
});

describe("a copy that is ended in the middle", () => {
  /** A source whose layer stands still in its middle. */
  async function held(): Promise<{ name: string; begun: Promise<void> }> {
    const layer = tar({ name: "big", data: Buffer.alloc(4 << 20, "held") });
    await ours.putImage("held", "1", { layers: [layer] });
    const { promise, resolve } = Promise.withResolvers<void>();
    ours.intercept = (request, path) => {
      if (request.method !== "GET" || !path.endsWith(`/held/blobs/${digestOf(layer)}`)) return undefined;
      const body = new ReadableStream({
        start: (to) => to.enqueue(new Uint8Array(layer.subarray(0, 1 << 20))),
        pull: () => {
          resolve();
          return new Promise(() => undefined);
        },
      });
      return new Response(body, { headers: { "Content-Length": String(layer.length) } });
    };
    return { name: `${ours.host}/held:1`, begun: promise };
  }

  const places = (): string[] => [
    `oci:${file("lay")}`,
    `oci-archive:${file("a.tar")}`,
    `docker-archive:${file("d.tar")}`,
    `${debian.host}/cut:1`,
  ];
  const seen = async (place: string): Promise<boolean> => {
    if (!place.startsWith(debian.host)) return existsSync(place.split(":")[1] ?? "");
    return (await run(["skopeo", "inspect", "--raw", "--tls-verify=false", `docker://${place}`])).code === 0;
  };

  test("by ctrl-C: nothing is seen anywhere, nothing is left, the exit code is the signal's", async () => {
    for (const place of places()) {
      const { name, begun } = await held();
      const child = Bun.spawn([BERTH, "copy", "-q", name, place], { env: env(), stdout: "pipe", stderr: "pipe" });
      await begun;
      child.kill("SIGINT");
      expect([place, await child.exited, await new Response(child.stderr).text()]).toEqual([place, 130, ""]);
      expect([place, await seen(place)]).toEqual([place, false]);
      expect(readdirSync(folder)).toEqual([]);
    }
  }, 300_000);

  test("by ctrl-C while it waits for standard input", async () => {
    const child = spawn(BERTH, ["copy", "-q", "-", `oci:${file("lay")}`], {
      env: env(),
      stdio: ["pipe", "ignore", "pipe"],
    });
    const said: Buffer[] = [];
    child.stderr.on("data", (bytes: Buffer) => said.push(bytes));
    const ended = once(child, "close");
    // More than a pipe holds: once it has gone it is being read.
    await new Promise((done) => child.stdin.write(Buffer.alloc(1 << 20), done));
    child.kill("SIGINT");
    expect(await ended).toEqual([130, null]);
    expect(Buffer.concat(said).toString()).toBe("");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("by kill -9: nothing is seen, and the next copy works", async () => {
    for (const place of places()) {
      const { name, begun } = await held();
      const child = Bun.spawn([BERTH, "copy", "-q", name, place], { env: env(), stdout: "ignore", stderr: "ignore" });
      await begun;
      child.kill("SIGKILL");
      await child.exited;
      if (!place.startsWith("oci:")) expect([place, await seen(place)]).toEqual([place, false]);
      else expect(existsSync(file("lay/index.json"))).toBe(false);
      ours.intercept = () => undefined;
      await copied(name, place);
      expect([place, await seen(place)]).toEqual([place, true]);
    }
    expect(readdirSync(file("lay")).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
    expect(readdirSync(folder).filter((name) => name.startsWith("berth-copy."))).toEqual([]);
  }, 300_000);
});

test("memory does not grow with a blob", async () => {
  const layer = await ours.putBlob("big", Buffer.alloc(400 << 20), MediaType.layer);
  const config = await ours.putBlob("big", Buffer.from("{}"), "x/y");
  const content = { mediaType: MediaType.manifest, config, layers: [layer] };
  await ours.putManifest("big", "1", content as { mediaType: string });
  await using other = await LocalRegistry.start();
  let peak = 0;
  const child = Bun.spawn([BERTH, "copy", "-q", `${ours.host}/big:1`, `${other.host}/big:1`], {
    env: env(),
    stdout: "ignore",
  });
  // The manifest comes when all else is over.
  other.intercept = (request, path) => {
    const kib = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1];
    if (request.method === "PUT" && path.includes("/manifests/")) peak = Number(kib) / 1024;
    return undefined;
  };
  expect(await child.exited).toBe(0);
  console.log(`400 MiB between registries: ${Math.round(peak)} MiB at most`);
  expect(peak).toBeGreaterThan(0);
  expect(peak).toBeLessThan(200);
}, 300_000);
