import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { run, runOk } from "../../src/host/spawn.ts";
import { dockerArchive, tar } from "../../src/image/fixture.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";
import { GatedRegistry } from "../../src/testing/gated-registry.ts";
import { type OnTerminal, onTerminal } from "../cli/pty.ts";

// Transfers of images that are cut off in their middle, by ctrl-C on a terminal or by a kill of the daemon: the registry is hung up on, nothing is seen of the image, and the next time works.

const CLIENTS = { docker: DOCKER, berth: join(import.meta.dir, "../../dist/berth") };
const BOTH = ["docker", "berth"] as const;
const HOST = "127.0.0.1:5000";
const CTRL_C = "\x03";
/** Docker's own says something else than 130 now and then. */
const left = (by: Client, code: number): void => expect(by === "docker" ? 130 : code).toBe(130);
const LIMIT = 300_000;
const BIG = 1_500_000;

type Client = keyof typeof CLIENTS;
let daemon: TestDaemon;
let registry: GatedRegistry;
let folder = "";

beforeAll(async () => {
  daemon = await TestDaemon.start();
  folder = mkdtempSync("/var/tmp/berth-interrupted.");
  registry = new GatedRegistry();
  await registry.serve(daemon, 5000);
}, LIMIT);
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, LIMIT);

const environment = (): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "",
  DOCKER_HOST: `unix://${daemon.socket}`,
  DOCKER_BUILDKIT: "0",
  TERM: "xterm",
  HOME: folder,
});
const terminal = (by: Client, ...argv: string[]): OnTerminal => onTerminal([CLIENTS[by], ...argv], environment());
const piped = (by: Client, ...argv: string[]): ReturnType<typeof run> =>
  run([CLIENTS[by], ...argv], { env: environment() });

const layer = (name: string): Buffer => tar({ name, data: randomBytes(BIG) });
const short = (digest: string | undefined): string => digest?.slice(7, 19) ?? "";
/** All that the store has, whoever needs it. */
const content = (): string[] =>
  ["content/blobs/sha256", "content/partial", "content/tmp", "layers", "layers/tmp"].flatMap((at) =>
    readdirSync(join(daemon.root, "data", at)).map((name) => `${at}/${name}`),
  );

/** An image of two layers in the registry alone. */
function remote(name: string): { full: string; first: string; second: `sha256:${string}` } {
  const { layers } = registry.put(name, layer("one"), layer("two"));
  const [first, second = "sha256:"] = layers;
  return { full: `${HOST}/${name}`, first: short(first), second };
}

/** Types ctrl-C when the first layer is unpacked and the second has come half; the registry is hung up on. */
async function leave(by: Client, t: OnTerminal, second: `sha256:${string}`): Promise<void> {
  const held = registry.hold(second);
  await t.until("Pull complete");
  await held.begun;
  t.type(CTRL_C);
  left(by, await t.ended());
  await held.ended;
  held.release();
}

test.each(BOTH)(
  "%s: a pull left by ctrl-C, also that of run, create and build; the next one brings what is missing",
  async (by) => {
    const { full, first, second } = remote(`${by}:1`);
    const before = content();
    await leave(by, terminal(by, "pull", full), second);
    expect(await daemon.ok("images", "-aq", full)).toBe("");
    writeFileSync(join(folder, "Dockerfile"), `FROM ${full}\nLABEL a=b\n`);
    for (const argv of [
      ["run", "--rm", full],
      ["create", full],
      ["build", folder],
    ]) {
      const held = registry.hold(second);
      const t = terminal(by, ...argv);
      await t.until(`${first}: Already exists`);
      await held.begun;
      t.type(CTRL_C);
      left(by, await t.ended());
      await held.ended;
      held.release();
    }
    expect(await daemon.ok("images", "-aq", full)).toBe("");
    expect(await daemon.ok("ps", "-aq")).toBe("");
    registry.whole.length = 0;
    const done = await piped(by, "pull", full);
    expect(done.stdout).toContain(`${first}: Already exists\n`);
    expect(done.stdout).toContain(`${short(second)}: Pull complete\n`);
    expect(done.stdout).toEndWith(`Status: Downloaded newer image for ${full}\n${full}\n`);
    expect(registry.whole.filter((line) => line.includes(first))).toEqual([]);
    expect((await piped(by, "pull", "-q", full)).stdout).toBe(`${full}\n`);
    await daemon.ok("rmi", full);
    expect(content()).toEqual(before);
  },
  LIMIT,
);

test.each(BOTH)(
  "%s: a push left by ctrl-C: the registry is hung up on; the next one has all",
  async (by) => {
    const name = `${HOST}/${by}/pushed:1`;
    writeFileSync(join(folder, "big"), randomBytes(BIG));
    writeFileSync(join(folder, "Dockerfile"), "FROM busybox\nCOPY big /big\n");
    await daemon.ok("build", "-q", "-t", name, folder);
    const held = registry.hold("upload");
    const t = terminal(by, "push", name);
    await t.until("Pushing");
    await held.begun;
    t.type(CTRL_C);
    left(by, await t.ended());
    await held.ended;
    held.release();
    expect((await piped(by, "push", name)).stdout).toMatch(/\n1: digest: sha256:[0-9a-f]{64} size: \d+\n$/);
    expect((await piped(by, "push", "-q", name)).stdout).toBe(`${name}\n`);
    await daemon.ok("rmi", name);
  },
  LIMIT,
);

test(
  "a kill of the daemon in a pull: what had come outlives it for the next pull, and goes with a prune",
  async () => {
    const { full, first, second } = remote("killed:1");
    const before = content();
    const killed = async (): Promise<void> => {
      const held = registry.hold(second);
      const t = terminal("berth", "pull", full);
      await t.until(`${first}: Pull complete`);
      await held.begun;
      await daemon.crash();
      await t.ended();
      await held.ended;
      held.release();
      await daemon.up();
    };
    await killed();
    expect(await daemon.ok("images", "-aq", full)).toBe("");
    expect(await daemon.ok("pull", full)).toContain(`${first}: Already exists`);
    await daemon.ok("rmi", full);
    expect(content()).toEqual(before);
    await killed();
    expect(content()).not.toEqual(before);
    await daemon.ok("image", "prune", "-f");
    expect(content()).toEqual(before);
  },
  LIMIT,
);

/** Until so many bytes of a blob are in the store. */
async function come(digest: string, bytes: number): Promise<void> {
  const file = join(daemon.root, "data/content/partial", digest.slice(7));
  while ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) < bytes) await Bun.sleep(2);
}

test(
  "a daemon that is killed again and again in a download: each next pull goes on at the byte where the last one stopped",
  async () => {
    const { layers } = registry.put("again:1", layer("one"));
    const [digest = "sha256:"] = layers;
    const full = `${HOST}/again:1`;
    const before = content();
    registry.given.length = 0;
    const stops = [200_000, 600_000, 600_001, 1_400_000];
    for (const at of stops) {
      const held = registry.hold(digest, at);
      const t = terminal("berth", "pull", full);
      await come(digest, at);
      await daemon.crash();
      await t.ended();
      await held.ended;
      held.release();
      await daemon.up();
    }
    await daemon.ok("pull", full);
    const own = registry.given.filter((given) => given.digest === digest);
    expect(own.map(({ from }) => from)).toEqual([0, ...stops]);
    expect(own.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(
      own[0] ? (own.at(-1)?.from ?? 0) + (own.at(-1)?.bytes ?? 0) : 0,
    );
    await daemon.ok("rmi", full);
    expect(content()).toEqual(before);
  },
  LIMIT,
);

test(
  "a network that goes away and comes back: the pull waits, says so, and goes on",
  async () => {
    const { layers } = registry.put("network:1", layer("one"));
    const [digest = "sha256:"] = layers;
    const full = `${HOST}/network:1`;
    const held = registry.hold(digest, 700_000);
    const t = terminal("berth", "pull", full);
    await come(digest, 700_000);
    await runOk(daemon.inNet("ip", "link", "set", "lo", "down"));
    await runOk(daemon.inNet("ss", "-K", "dport", "=", "5000"));
    await t.until("Retrying in 1 second");
    held.release();
    await runOk(daemon.inNet("ip", "link", "set", "lo", "up"));
    expect(await t.ended()).toBe(0);
    expect(registry.given.filter((given) => given.digest === digest).map(({ from }) => from)).toEqual([0, 700_000]);
    await daemon.ok("rmi", full);
  },
  LIMIT,
);

test(
  "two clients at once: each layer comes once, and one that leaves does not take the other's download along",
  async () => {
    const { full, second } = remote("shared:1");
    registry.given.length = 0;
    const held = registry.hold(second, 700_000);
    const leaves = terminal("berth", "pull", full);
    await come(second, 700_000);
    const stays = terminal("berth", "pull", full);
    await stays.until(`${short(second)}: Downloading`);
    leaves.type(CTRL_C);
    expect(await leaves.ended()).toBe(130);
    held.release();
    expect(await stays.ended()).toBe(0);
    expect(registry.given.filter(({ digest }) => digest === second).length).toBe(1);
    await daemon.ok("rmi", full);
  },
  LIMIT,
);

test.each(BOTH)(
  "%s: ctrl-C leaves a wait, whose container goes on",
  async (by) => {
    const id = await daemon.ok("run", "-d", "busybox", "sleep", "1000");
    const t = terminal(by, "wait", id);
    await connected(t);
    t.type(CTRL_C);
    left(by, await t.ended());
    expect(await daemon.ok("inspect", "-f", "{{.State.Running}}", id)).toBe("true");
    await daemon.ok("rm", "-f", id);
  },
  LIMIT,
);

/** Until the program has a socket: it has spoken, or is about to speak, to the engine. */
async function connected({ child }: OnTerminal): Promise<void> {
  const fds = `/proc/${child.pid}/fd`;
  const isSocket = (fd: string): boolean => {
    try {
      return readlinkSync(join(fds, fd)).startsWith("socket:");
    } catch {
      return false; // Closed meanwhile.
    }
  };
  while (!readdirSync(fds).some(isSocket)) await Bun.sleep(1);
}

test.each(BOTH)(
  "%s: a load draws its layers on a terminal, says the name elsewhere, and by ctrl-C leaves nothing",
  async (by) => {
    const name = `${by}-loaded:1`;
    const archive = join(folder, "load.tar");
    writeFileSync(archive, dockerArchive({ layers: [layer("l")], tags: [name] }));
    const t = terminal(by, "load", "-i", archive);
    expect(await t.ended()).toBe(0);
    expect(t.output()).toMatch(/[0-9a-f]{12}: Loading layer .*Loaded image: \w+-loaded:1\r\n/s);
    await daemon.ok("rmi", name);
    const before = content();
    expect((await piped(by, "load", "-i", archive)).stdout).toBe(`Loaded image: ${name}\n`);
    await daemon.ok("rmi", name);
    const fifo = join(folder, `${by}.fifo`);
    await runOk(["mkfifo", fifo]);
    const loading = onTerminal(["bash", "-c", `exec "$0" load <"$1"`, CLIENTS[by], fifo], environment());
    await using feed = await open(fifo, "w");
    await feed.write(readFileSync(archive).subarray(0, BIG >> 1));
    const tmp = join(daemon.root, "data/content/tmp");
    const come = (): number => readdirSync(tmp).reduce((sum, file) => sum + statSync(join(tmp, file)).size, 0);
    while (come() === 0) await Bun.sleep(5);
    loading.type(CTRL_C);
    left(by, await loading.ended());
    while (content().length > before.length) await Bun.sleep(5);
    expect(content()).toEqual(before);
    expect(await daemon.ok("images", "-aq", name)).toBe("");
  },
  LIMIT,
);
