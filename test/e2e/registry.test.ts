import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RunOutcome, run } from "../../src/host/spawn.ts";
import type { ImageSummary } from "../../src/spec/engine-api.ts";
import { berthRegistry } from "../../src/testing/berth-registry.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";
import { registryServer } from "../../src/testing/registry-server.ts";
import { HAVE_SPEC, loadSpecValidator } from "../../src/testing/spec-validator.ts";

// Pull, push, login and search against Debian's registry and against Berth's, open and with a password, by both command lines.

const ROOT = join(import.meta.dir, "../..");
const BERTH = join(ROOT, "dist/berth");
const OPEN = "127.0.0.1:5000";
const LOCKED = "127.0.0.1:5001";
setDefaultTimeout(300_000);
const validator = HAVE_SPEC ? loadSpecValidator({ goNulls: true }) : undefined;
const REGISTRIES: [string, typeof registryServer][] = [
  ["Debian's", registryServer],
  ["Berth's", berthRegistry],
];

describe.each(REGISTRIES)("%s registry:", (_whose, serve) => {
  let daemon: TestDaemon;
  let folder = "";
  const registries: AsyncDisposable[] = [];

  beforeAll(async () => {
    daemon = await TestDaemon.start({ flags: ["--registry-mirror", `http://${OPEN}`] });
    folder = mkdtempSync("/var/tmp/berth-registry.");
    registries.push(await serve(daemon, OPEN, { folder: join(folder, "open") }));
    const users = { me: "secret" };
    registries.push(await serve(daemon, LOCKED, { folder: join(folder, "locked"), users }));
    writeFileSync(join(folder, "Dockerfile"), "FROM busybox\nRUN echo a >/a && ln /a /b\nENV A=b\n");
    await daemon.ok("build", "-q", "-t", "built:1", folder);
  }, 300_000);
  afterAll(async () => {
    for (const one of registries) await one[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
    await daemon[Symbol.asyncDispose]();
  });

  /** Either command line, with a home of its own. */
  function client(by: string, ...args: string[]): Promise<RunOutcome> {
    const program = by === "docker" ? DOCKER : BERTH;
    const env = {
      PATH: process.env["PATH"] ?? "",
      HOME: folder,
      DOCKER_CONFIG: join(folder, by),
      DOCKER_BUILDKIT: "0",
    };
    return run([program, "-H", `unix://${daemon.socket}`, ...args], { env });
  }

  async function ok(by: string, ...args: string[]): Promise<string> {
    const done = await client(by, ...args);
    expect(`${args.join(" ")}: ${done.code} ${done.code === 0 ? "" : done.stderr}`).toBe(`${args.join(" ")}: 0 `);
    return done.stdout.trim();
  }

  test.each(["docker", "berth"])("%s: push, remove, pull: the same image, digest and content", async (by) => {
    const name = `${OPEN}/${by}/app:1`;
    await ok(by, "tag", "built:1", name);
    const pushed = await ok(by, "push", name);
    expect(pushed).toContain(`The push refers to repository [${OPEN}/${by}/app]`);
    const [, digest] = /1: digest: (sha256:[0-9a-f]{64}) size: \d+/.exec(pushed) ?? [];
    expect(digest).toBeString();
    expect(await ok(by, "push", name)).toContain("Layer already exists");
    const id = await ok(by, "inspect", "-f", "{{.Id}}", name);
    expect(await ok(by, "inspect", "-f", "{{.RepoDigests}}", name)).toContain(`${OPEN}/${by}/app@${digest}`);
    await ok(by, "rmi", name);
    const pulled = await ok(by, "pull", name);
    expect(pulled).toContain(`Digest: ${digest}`);
    expect(pulled).toContain(`Status: Downloaded newer image for ${name}`);
    expect(await ok(by, "pull", name)).toContain(`Status: Image is up to date for ${name}`);
    expect(await ok(by, "inspect", "-f", "{{.Id}}", name)).toBe(id);
    expect(await ok(by, "run", "--rm", name, "sh", "-c", "cmp /a /b && cat /b && echo $A")).toBe("a\nb");
    expect(await ok(by, "pull", `${OPEN}/${by}/app@${digest}`)).toContain(digest ?? "");
  });

  test("what was removed whole comes back from the registry, and runs", async () => {
    await ok("berth", "tag", "busybox", `${OPEN}/whole:1`);
    await ok("berth", "tag", "built:1", `${OPEN}/whole:2`);
    await ok("berth", "push", "-q", "-a", `${OPEN}/whole`);
    await using other = await TestDaemon.start({ busybox: false, isolated: true });
    await using _ = await shared(other);
    const pulled = await other.ok("pull", "-a", `${OPEN}/whole`);
    expect(pulled).toContain("Pull complete");
    expect(await other.ok("run", "--rm", `${OPEN}/whole:2`, "cat", "/a")).toBe("a");
    expect((await other.ok("images", "--format", "{{.Tag}}", `${OPEN}/whole`)).split("\n").sort()).toEqual(["1", "2"]);
  });

  /** The open registry moves to another daemon's network, and back. */
  async function shared(other: TestDaemon): Promise<AsyncDisposable> {
    const options = { folder: join(folder, "open") };
    await registries.shift()?.[Symbol.asyncDispose]();
    const there = await serve(other, OPEN, options);
    return {
      async [Symbol.asyncDispose]() {
        await there[Symbol.asyncDispose]();
        registries.unshift(await serve(daemon, OPEN, options));
      },
    };
  }

  test.each(["docker", "berth"])(
    "%s: run and build bring what is not there, from the mirror of the hub",
    async (by) => {
      await ok(by, "tag", "busybox", `${OPEN}/library/${by}base`);
      await ok(by, "push", "-q", `${OPEN}/library/${by}base`);
      const ran = await client(by, "run", "--rm", `${by}base`, "echo", "ran");
      expect(ran.stderr).toContain(`Unable to find image '${by}base:latest' locally`);
      expect(ran.stdout).toEndWith("ran\n");
      await ok(by, "rmi", `${by}base`);
      writeFileSync(join(folder, "Dockerfile.from"), `FROM ${by}base\nLABEL a=b\n`);
      expect(await ok(by, "build", "-f", join(folder, "Dockerfile.from"), folder)).toContain(
        `Pulling from library/${by}base`,
      );
      expect(await ok(by, "build", "--pull", "-q", "-f", join(folder, "Dockerfile.from"), folder)).toStartWith(
        "sha256:",
      );
    },
  );

  test.each(["docker", "berth"])(
    "%s: a registry with a password: refused without, login, push, pull, logout",
    async (by) => {
      const name = `${LOCKED}/${by}:1`;
      await ok(by, "tag", "busybox", name);
      expect((await client(by, "push", name)).stderr).toContain("no basic auth credentials");
      const wrong = await client(by, "login", "-u", "me", "-p", "wrong", LOCKED);
      expect(`${wrong.code} ${wrong.stderr}`).toMatch(/^1 [\s\S]*401 Unauthorized/);
      expect(await ok(by, "login", "-u", "me", "-p", "secret", LOCKED)).toContain("Login Succeeded");
      const file = join(folder, by, "config.json");
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(JSON.parse(readFileSync(file, "utf8")).auths[LOCKED].auth).toBe(
        Buffer.from("me:secret").toString("base64"),
      );
      await ok(by, "push", name);
      await ok(by, "rmi", name);
      await ok(by, "pull", name);
      await ok(by, "logout", LOCKED);
      expect((await client(by, "pull", name)).stderr).toContain("no basic auth credentials");
      expect(daemon.log).not.toContain("secret");
    },
  );

  test.each([
    [`${OPEN}/nosuch`, `manifest for ${OPEN}/nosuch:latest not found: manifest unknown: `],
    [`${OPEN}/docker/app:none`, `manifest for ${OPEN}/docker/app:none not found: manifest unknown: `],
    ["127.0.0.1:9/x", 'Get "http://127.0.0.1:9/v2/": dial tcp 127.0.0.1:9: connect: connection refused'],
  ])("pull %s: %s", async (name, words) => {
    for (const by of ["docker", "berth"]) {
      const done = await client(by, "pull", name);
      expect(done.code).toBe(1);
      expect(done.stderr).toContain(`Error response from daemon: ${words}`);
    }
  });

  test("a push of what is not there, and of what cannot be a name", async () => {
    expect((await client("docker", "push", `${OPEN}/none:1`)).stderr).toContain(
      `An image does not exist locally with the tag: ${OPEN}/none`,
    );
    expect((await client("berth", "push", `${OPEN}/none:1`)).stderr).toContain(
      `An image does not exist locally with the tag: ${OPEN}/none`,
    );
  });

  /** The named image's row of the list, and what inspect says with its manifests; each as the specification has it. */
  async function described(name: string): Promise<ImageSummary[]> {
    const filters = encodeURIComponent(JSON.stringify({ reference: [name] }));
    const paths = [`/images/json?manifests=1&shared-size=1&filters=${filters}`, `/images/${name}/json?manifests=1`];
    const answers = paths.map(async (path) => {
      const answer = await fetch(`http://berth/v1.51${path}`, { unix: daemon.socket });
      const text = await answer.text();
      // The specification demands UnpackedSize, which it does not define and Docker does not send.
      const demanded = JSON.parse(text.replaceAll('"Size":{"Unpacked"', '"UnpackedSize":0,"Size":{"Unpacked"'));
      expect(validator?.validateResponse("GET", path, answer.status, demanded) ?? []).toEqual([]);
      return JSON.parse(text) as ImageSummary | ImageSummary[];
    });
    return (await Promise.all(answers)).flat();
  }

  test("what was pulled has its manifest described, and its tree drawn, by both; what was made here has none", async () => {
    const name = `${OPEN}/described:1`;
    await ok("berth", "tag", "built:1", name);
    const digest = /digest: (sha256:\w+)/.exec(await ok("berth", "push", name))?.[1] ?? "";
    writeFileSync(join(folder, "Dockerfile.fresh"), "FROM busybox\nRUN echo fresh >/fresh\n");
    await ok("berth", "build", "-q", "-t", "fresh:1", "-f", join(folder, "Dockerfile.fresh"), folder);
    await ok("berth", "run", "--name", "describer", name, "true");
    const [row, inspected] = await described(name);
    const id = await ok("berth", "inspect", "-f", "{{.Id}}", "describer");
    expect(row?.Manifests).toEqual(inspected?.Manifests);
    expect(row?.Descriptor).toMatchObject({
      digest,
      mediaType: "application/vnd.docker.distribution.manifest.v2+json",
    });
    expect(row?.Manifests).toMatchObject([
      { ID: digest, Available: true, Kind: "image", ImageData: { Containers: [id], Size: { Unpacked: row?.Size } } },
    ]);
    for (const by of ["docker", "berth"]) {
      const tree = await ok(by, "images", "--tree");
      expect(tree.slice(tree.indexOf(name))).toMatch(
        new RegExp(`└─ linux/${row?.Manifests?.[0]?.ImageData?.Platform?.architecture}`),
      );
    }
    expect((await described("fresh:1")).map((one) => [one.Descriptor, one.Manifests])).toEqual([
      [undefined, undefined],
      [undefined, undefined],
    ]);
    await ok("berth", "rm", "describer");
  });

  test.each(["docker", "berth"])(
    "%s: another platform than the image's is refused by every command, and does nothing",
    async (by) => {
      const name = `${OPEN}/${by}/platform:1`;
      await ok(by, "tag", "built:1", name);
      const platform = `linux/${await ok(by, "inspect", "-f", "{{.Architecture}}", name)}`;
      const words = `image with reference ${name} was found but its platform (${platform}) does not match the specified platform (linux/s390x)`;
      for (const command of [["push"], ["history"], ["image", "inspect"], ["rmi"]]) {
        const refused = await client(by, ...command, "--platform", "linux/s390x", name);
        expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(words)]);
      }
      expect((await client(by, "pull", name)).stderr).toContain("not found");
      expect((await client(by, "rmi", "--platform", "linux/s390x,linux/386", name)).stderr).toContain(
        "multiple platforms are not supported",
      );
      for (const command of [["push"], ["history"], ["image", "inspect"]])
        await ok(by, ...command, "--platform", platform, name);
      const tar = join(folder, "platform.tar");
      expect((await client(by, "save", "--platform", "linux/s390x", "-o", tar, name)).stderr).toContain(
        "no suitable export target found for platform linux/s390x",
      );
      await ok(by, "save", "--platform", platform, "-o", tar, name);
      await ok(by, "rmi", "--platform", platform, name);
      expect(await ok(by, "pull", "--platform", "linux/s390x", name)).toContain(`\nWARNING: ${words}\n`);
      expect(await ok(by, "pull", "--platform", platform, name)).not.toContain("WARNING");
      const several = await client(by, "pull", "--platform", `${platform},linux/s390x`, name);
      expect([several.code, several.stderr]).toEqual([1, expect.stringContaining("is an invalid component of")]);
      await ok(by, "rmi", name);
      await ok(by, "load", "--platform", platform, "-i", tar);
      await ok(by, "rmi", name);
      expect((await client(by, "load", "--platform", "linux/s390x", "-i", tar)).code).toBe(1);
      expect((await client(by, "inspect", name)).code).toBe(1);
      expect((await client(by, "push", "--platform", "b!", name)).stderr).toContain(
        '"b!" is an invalid OS component of "b!"',
      );
    },
  );

  test.each(["docker", "berth"])(
    "%s: one image under several names: what is said of it, and its end with the last name",
    async (by) => {
      const [one, two, other] = [`${OPEN}/${by}/several:1`, `${OPEN}/${by}/several:2`, `${OPEN}/${by}/other:1`];
      writeFileSync(join(folder, "Dockerfile.several"), `FROM busybox\nRUN echo ${by} several >/several\n`);
      await ok(by, "build", "-q", "-t", one, "-f", join(folder, "Dockerfile.several"), folder);
      await ok(by, "tag", one, two);
      await ok(by, "tag", one, other);
      expect(await ok(by, "push", one)).toMatch(/: Pushed\n/);
      expect(await ok(by, "push", other)).toMatch(
        new RegExp(`: Mounted from ${by}/several\n(.*: Mounted.*\n)*1: digest`),
      );
      const all = (await ok(by, "push", "-a", `${OPEN}/${by}/several`))
        .split("\n")
        .map((line) => line.split(" digest")[0]);
      expect([all.includes("1:"), all.includes("2:")]).toEqual([true, true]);
      expect(await ok(by, "rmi", one)).toBe(`Untagged: ${one}`);
      const digest = /@(sha256:\w+)/.exec(await ok(by, "inspect", "-f", "{{.RepoDigests}}", two))?.[1];
      expect(await ok(by, "rmi", two)).toBe(`Untagged: ${two}\nUntagged: ${OPEN}/${by}/several@${digest}`);
      expect(await ok(by, "rmi", other)).toMatch(
        new RegExp(`^Untagged: ${other}\nUntagged: ${OPEN}/${by}/other@${digest}\nDeleted: sha256:`),
      );
      const pulled = await ok(by, "pull", "-a", `${OPEN}/${by}/several`);
      expect(pulled.match(/Status: .*/g)).toEqual([`Status: Downloaded newer image for ${OPEN}/${by}/several`]);
      expect(await ok(by, "pull", two)).toBe(
        `2: Pulling from ${by}/several\nDigest: ${digest}\nStatus: Image is up to date for ${two}\n${two}`,
      );
      const exact = `${OPEN}/${by}/several@${digest}`;
      expect(await ok(by, "pull", exact)).toBe(
        `${exact}: Pulling from ${by}/several\nDigest: ${digest}\nStatus: Image is up to date for ${exact}\n${exact}`,
      );
      await ok(by, "rmi", one, two);
      expect((await client(by, "inspect", exact)).code).toBe(1);
    },
  );

  test("distribution tells descriptor and platforms", async () => {
    const answer = await fetch(`http://berth/v1.51/distribution/${OPEN}/docker/app:1/json`, { unix: daemon.socket });
    expect(answer.status).toBe(200);
    const body = (await answer.json()) as { Descriptor: { digest: string }; Platforms: { os: string }[] };
    expect(body.Descriptor.digest).toMatch(/^sha256:/);
    expect(body.Platforms[0]?.os).toBe("linux");
  });

  test("a push that was cut off by a kill of the daemon succeeds when repeated; events tell of both", async () => {
    const name = `${OPEN}/killed:1`;
    await ok("berth", "tag", "built:1", name);
    const pushing = client("berth", "push", name);
    await daemon.crash();
    await pushing;
    await daemon.up();
    const since = (Date.now() / 1000).toFixed(3);
    expect(await ok("berth", "push", name)).toContain("1: digest: sha256:");
    await ok("berth", "pull", name);
    const events = await ok(
      "berth",
      "events",
      "--since",
      since,
      "--until",
      (Date.now() / 1000 + 0.01).toFixed(3),
      "--format",
      "{{.Action}} {{.Actor.ID}}",
    );
    expect(events).toBe(`push ${name}\npull ${name}`);
  });
});
