import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";
import { registryServer } from "../../src/testing/registry-server.ts";
import { type OnTerminal, onTerminal } from "../cli/pty.ts";

// Long work seen on a terminal, and left by ctrl-C, by docker's and by Berth's command line. The second registry stops in the middle of a blob.

const CLIENTS = { docker: DOCKER, berth: join(import.meta.dir, "../../dist/berth") };
const BOTH = ["docker", "berth"] as const;
const REGISTRY = "127.0.0.1:5000";
const STALLS = "127.0.0.1:5002";
const CTRL_C = "\x03";
const LIMIT = 300_000;
const BIG = 3_000_000;

let daemon: TestDaemon;
let folder = "";
let registry: AsyncDisposable;
let stalling: Bun.Subprocess<"ignore", "pipe", "inherit">;

beforeAll(async () => {
  daemon = await TestDaemon.start();
  folder = mkdtempSync("/var/tmp/berth-progress.");
  registry = await registryServer(daemon, REGISTRY, { folder: join(folder, "registry") });
  const server = join(import.meta.dir, "testdata/stalling-registry.ts");
  stalling = Bun.spawn(daemon.inNet(process.execPath, server, STALLS, REGISTRY, join(folder, "go")), {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const chunk of stalling.stdout) if (Buffer.from(chunk).includes("ready")) break;
}, LIMIT);
afterAll(async () => {
  stalling.kill();
  await stalling.exited;
  await registry[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, LIMIT);

type Client = keyof typeof CLIENTS;
const environment = (): Record<string, string> => ({
  DOCKER_HOST: `unix://${daemon.socket}`,
  DOCKER_BUILDKIT: "0",
  TERM: "xterm",
  HOME: folder,
});

/** A command line below a shell on a terminal, which shows its exit code. */
function terminal(by: Client, ...argv: string[]): OnTerminal {
  const script = `trap : INT; "$@"; echo "[code $?]"; echo "[over]"`;
  return onTerminal(["bash", "-c", script, "-", CLIENTS[by], ...argv], environment());
}

/** An image with a layer that only the registry has in the end. */
async function pushed(by: Client): Promise<string> {
  const name = `${REGISTRY}/${by}:1`;
  writeFileSync(join(folder, "big"), randomBytes(BIG));
  writeFileSync(join(folder, "Dockerfile"), "FROM busybox\nCOPY big /big\n");
  await daemon.ok("build", "-q", "-t", name, folder);
  const t = terminal(by, "push", name);
  await t.until("[code 0]");
  expect(t.output()).toContain("Preparing");
  expect(t.output()).toMatch(/\r[0-9a-f]{12}: Pushing .*\r[0-9a-f]{12}: Pushed/s);
  expect(t.output()).toMatch(/1: digest: sha256:[0-9a-f]{64} size: \d+/);
  await daemon.ok("rmi", name);
  await daemon.ok("builder", "prune", "-af");
  return name;
}

test.each(BOTH)(
  "%s: push and pull draw each layer's line in place on a terminal, and only whole lines elsewhere",
  async (by) => {
    const name = await pushed(by);
    const t = terminal(by, "pull", name);
    await t.until("[code 0]");
    const text = t.output();
    expect(text).toMatch(/\x1b\[1A\x1b\[2K\r([0-9a-f]{12}): Downloading .*\r\1: Extracting .*\r\1: Pull complete/s);
    expect(text).toContain("Already exists");
    expect(text).toMatch(/Digest: sha256:[0-9a-f]{64}\r\nStatus: Downloaded newer image for /);
    await daemon.ok("rmi", name);
    const argv = [CLIENTS[by], "pull", name];
    const piped = await run(argv, { env: { PATH: process.env["PATH"] ?? "", ...environment() } });
    expect(piped.stdout).toMatch(/^1: Pulling from (docker|berth)\n/);
    expect(piped.stdout).toMatch(/\n[0-9a-f]{12}: Pull complete\nDigest: /);
    expect(piped.stdout).not.toMatch(/\x1b|\r|Downloading/);
    await daemon.ok("rmi", name);
  },
  LIMIT,
);

test.each(BOTH)(
  "%s: ctrl-C ends a pull, nothing of the image is there, and the next pull has it whole",
  async (by) => {
    const name = (await pushed(by)).replace(REGISTRY, STALLS);
    for (const argv of [
      ["pull", name],
      ["run", "--rm", name, "true"],
    ]) {
      const t = terminal(by, ...argv);
      await t.until("Downloading");
      t.type(CTRL_C);
      await t.until("[code 130]");
    }
    expect(await daemon.ok("images", "-q", name)).toBe("");
    expect((await daemon.berth("image", "inspect", name)).code).toBe(1);
    writeFileSync(join(folder, "go"), "");
    try {
      await daemon.ok("pull", "-q", name);
      expect(await daemon.ok("run", "--rm", name, "stat", "-c", "%s", "/big")).toBe(String(BIG));
    } finally {
      rmSync(join(folder, "go"));
      await daemon.berth("rmi", name);
    }
  },
  LIMIT,
);

test.each(BOTH)(
  "%s: ctrl-C leaves what would go on for ever with 130: followed logs, events, statistics, wait, a build",
  async (by) => {
    const id = await daemon.ok("run", "-d", "busybox", "sh", "-c", "echo first; exec sleep 1000");
    writeFileSync(join(folder, "Dockerfile"), "FROM busybox\nRUN echo begun; sleep 1000\n");
    const all: [argv: string[], sign: string][] = [
      [["logs", "-f", id], "first"],
      [["events", "--since", "0"], `container start ${id}`],
      // With a name docker's own goes on until the third time.
      [["stats"], id.slice(0, 12)],
      [["build", "--no-cache", folder], "begun"],
    ];
    for (const [argv, sign] of all) {
      const t = terminal(by, ...argv);
      await t.until(sign);
      t.type(CTRL_C);
      // Docker's own says 0 now and then.
      await t.until(by === "docker" ? "[code " : "[code 130]");
    }
    await daemon.ok("rm", "-f", id);
    // The build's container goes with its client.
    while ((await daemon.leftovers()).processes.length > 0);
  },
  LIMIT,
);
