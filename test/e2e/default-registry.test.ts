import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RunOutcome, run } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";
import { registryServer } from "../../src/testing/registry-server.ts";

// Names without a registry: a registry with a password stands in for Docker Hub, and short names stand for another registry's repositories.

const BERTH = join(import.meta.dir, "../../dist/berth");
const [STANDARD, OTHER] = ["127.0.0.1:5000", "127.0.0.1:5001"];
setDefaultTimeout(300_000);
let daemon: TestDaemon;
let folder = "";
const registries: AsyncDisposable[] = [];

function configure(settings: object): string {
  const file = join(folder, "daemon.json");
  writeFileSync(file, JSON.stringify(settings));
  return file;
}

function client(by: string, ...args: string[]): Promise<RunOutcome> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder, DOCKER_CONFIG: join(folder, by), DOCKER_BUILDKIT: "0" };
  return run([by === "docker" ? DOCKER : BERTH, "-H", `unix://${daemon.socket}`, ...args], { env });
}

async function ok(by: string, ...args: string[]): Promise<string> {
  const done = await client(by, ...args);
  expect(`${args.join(" ")}: ${done.code} ${done.code === 0 ? "" : done.stderr}`).toBe(`${args.join(" ")}: 0 `);
  return done.stdout.trim();
}

beforeAll(async () => {
  folder = mkdtempSync("/var/tmp/berth-default.");
  const shortNames = { pg: `${OTHER}/db/postgres` };
  const file = configure({ "default-registry": `${STANDARD}/hub`, "short-names": shortNames });
  daemon = await TestDaemon.start({ flags: ["--config-file", file] });
  const users = { me: "secret" };
  registries.push(await registryServer(daemon, STANDARD, { folder: join(folder, "standard"), users }));
  registries.push(await registryServer(daemon, OTHER, { folder: join(folder, "other") }));
  await daemon.ok("tag", "busybox", `${OTHER}/db/postgres:16`);
  await daemon.ok("push", "-q", `${OTHER}/db/postgres:16`);
  await daemon.ok("rmi", `${OTHER}/db/postgres:16`);
}, 300_000);
afterAll(async () => {
  try {
    for (const one of registries) await one[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
  } finally {
    // Also where the start failed, and there is nothing else to end.
    rmSync(folder, { recursive: true, force: true });
  }
});

test("login, push, pull and run by names without a registry; local names stay as they are", async () => {
  await ok("berth", "tag", "busybox", "app:1");
  expect((await client("berth", "push", "app:1")).stderr).toContain("no basic auth credentials");
  expect(await ok("berth", "login", "-u", "me", "-p", "secret")).toContain("Login Succeeded");
  const { auths } = JSON.parse(readFileSync(join(folder, "berth", "config.json"), "utf8"));
  expect(Object.keys(auths)).toEqual([STANDARD]);
  await ok("berth", "push", "app:1");
  await ok("berth", "rmi", "app:1");
  expect(await ok("berth", "run", "--rm", "app:1", "echo", "ran")).toBe("ran");
  expect(await ok("berth", "images", "--format", "{{.Repository}}:{{.Tag}}", "app")).toBe("app:1");
  await ok("berth", "pull", `${STANDARD}/hub/library/app:1`);
  writeFileSync(join(folder, "Dockerfile"), "FROM app:1\nLABEL a=b\n");
  await ok("berth", "rmi", "app:1");
  await ok("berth", "build", "-q", folder);
  expect(await ok("berth", "info")).toContain(`\n Default Registry: ${STANDARD}/hub\n`);
  expect(await ok("berth", "logout")).toBe(`Removing login credentials for ${STANDARD}`);
  await ok("berth", "tag", "busybox", "app:1");
  expect((await client("berth", "push", "app:1")).stderr).toContain("no basic auth credentials");
  await ok("berth", "login", "-u", "me", "-p", "secret");
  await ok("berth", "rmi", "app:1");
});

test("who is logged in at Docker Hub does not tell the default registry", async () => {
  const auth = Buffer.from("me:secret").toString("base64");
  await ok("docker", "version");
  for (const by of ["docker", "hubonly"]) {
    const config = { auths: { "https://index.docker.io/v1/": { auth } } };
    await run(["mkdir", "-p", join(folder, by)]);
    writeFileSync(join(folder, by, "config.json"), JSON.stringify(config));
    expect((await client(by, "pull", "app:1")).stderr).toContain("no basic auth credentials");
  }
  // The same password, for the place that it is for.
  const config = { auths: { [STANDARD]: { auth } } };
  writeFileSync(join(folder, "docker", "config.json"), JSON.stringify(config));
  await ok("docker", "pull", `${STANDARD}/hub/library/app:1`);
});

test.each(["docker", "berth"])("%s: a short name is pulled, run, built from and removed", async (by) => {
  const pulled = await ok(by, "pull", "pg:16");
  expect(pulled).toContain(`Resolved short name pg to ${OTHER}/db/postgres\n`);
  expect(pulled).toContain(`Status: Downloaded newer image for ${OTHER}/db/postgres:16`);
  expect(await ok(by, "images", "--format", "{{.Repository}}:{{.Tag}}", `${OTHER}/db/postgres`)).toBe(
    `${OTHER}/db/postgres:16`,
  );
  expect(await ok(by, "run", "--rm", "pg:16", "echo", "ran")).toBe("ran");
  await ok(by, "push", "pg:16");
  await ok(by, "rmi", "pg:16");
  // Brought by run and by build as well.
  const ran = await client(by, "run", "--rm", "pg:16", "echo", "again");
  expect([ran.stdout, ran.stderr]).toEqual([
    "again\n",
    expect.stringContaining("Unable to find image 'pg:16' locally"),
  ]);
  await ok(by, "rmi", "pg:16");
  writeFileSync(join(folder, "Dockerfile"), `FROM pg:16\nLABEL by=${by}\n`);
  expect(await ok(by, "build", folder)).toContain(`Resolved short name pg to ${OTHER}/db/postgres`);
  await ok(by, "rmi", "pg:16");
});

test("SIGHUP: what is configured then counts for names that are given then", async () => {
  expect(await ok("berth", "info")).toContain(`\n Short Names:\n  pg: ${OTHER}/db/postgres\n`);
  configure({ "short-names": { db: `${OTHER}/db/postgres` }, "default-registry": `${OTHER}/nothing` });
  process.kill(daemon.pid, "SIGHUP");
  while (!daemon.log.includes("are read again")) await Bun.sleep(10);
  await ok("berth", "pull", "-q", "db:16");
  expect(await ok("berth", "run", "--rm", "db:16", "echo", "ran")).toBe("ran");
  expect((await client("berth", "pull", "pg:16")).stderr).toContain(
    `manifest for ${OTHER}/nothing/library/pg:16 not found`,
  );
});
