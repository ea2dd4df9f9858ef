import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestDaemon } from "../../src/testing/daemon.ts";

// Kills of the daemon at random moments of pulls and pushes: nothing half done is ever seen, the next try succeeds, and nothing is left behind.

setDefaultTimeout(Number(process.env["BERTH_KILLS"] ?? 6) * 30_000);
const BERTH = join(import.meta.dir, "../../dist/berth");
const HOST = "127.0.0.1:5000";
const NAME = `${HOST}/some/app:1`;
/** Kills in each direction; the 200 take some minutes. */
const KILLS = Number(process.env["BERTH_KILLS"] ?? 6);
const LAYERS = 4;
const BIG = 6_000_000;

let daemon: TestDaemon;
let registry: Bun.Subprocess<"ignore", "pipe", "pipe">;
let folder = "";

beforeAll(async () => {
  daemon = await TestDaemon.start();
  folder = mkdtempSync("/var/tmp/berth-killed.");
  const root = join(folder, "registry");
  registry = Bun.spawn(daemon.inNet(BERTH, "registry", "serve", "--addr", HOST, "--root", root), {
    stdio: ["ignore", "pipe", "pipe"],
  });
  for await (const chunk of registry.stderr) if (Buffer.from(chunk).includes("registry at")) break;
});
afterAll(async () => {
  registry.kill();
  await registry.exited;
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** All that the store has, whoever needs it. */
const content = (): string[] =>
  ["content/blobs/sha256", "content/partial", "content/tmp", "layers", "layers/tmp"].flatMap((at) =>
    readdirSync(join(daemon.root, "data", at)).map((name) => `${at}/${name}`),
  );

/** How long the command takes when nobody ends it, in milliseconds. */
async function timed(...args: string[]): Promise<number> {
  const start = performance.now();
  await daemon.ok(...args);
  return performance.now() - start;
}

/** Kills the daemon in the middle of the command, somewhere before `within`, and starts it again. True: the command was not through. */
async function killedIn(within: number, ...args: string[]): Promise<boolean> {
  const work = daemon.berth(...args);
  await Bun.sleep(Math.random() * within);
  await daemon.crash();
  const { code } = await work;
  await daemon.up();
  return code !== 0;
}

/** A new image, so that no blob of it is anywhere else. */
async function build(): Promise<string> {
  for (let n = 0; n < LAYERS; n++) writeFileSync(join(folder, `big${n}`), randomBytes(BIG));
  const copies = Array.from({ length: LAYERS }, (_, n) => `COPY big${n} /big${n}\n`).join("");
  writeFileSync(join(folder, "Dockerfile"), `FROM busybox\n${copies}`);
  await daemon.ok("build", "-q", "-t", NAME, folder);
  return daemon.ok("inspect", "-f", "{{.Id}}", NAME);
}

async function forget(): Promise<void> {
  await daemon.ok("rmi", NAME);
  await daemon.ok("builder", "prune", "-af");
}

test("pulls and pushes that are killed at any moment succeed when repeated, and leave nothing", async () => {
  await build();
  const pushing = await timed("push", NAME);
  await forget();
  const before = content();
  const pulling = await timed("pull", NAME);
  await daemon.ok("rmi", NAME);
  expect(content()).toEqual(before);
  let cut = 0;
  for (let n = 0; n < KILLS; n++) {
    const through = !(await killedIn(pulling, "pull", NAME));
    cut += through ? 0 : 1;
    const there = (await daemon.ok("images", "-q", NAME)) !== "";
    if (through) expect(there).toBe(true);
    if (there) await daemon.ok("rmi", NAME);
  }
  await daemon.ok("pull", NAME);
  expect(await daemon.ok("run", "--rm", NAME, "sh", "-c", "cat /big? | wc -c")).toBe(String(LAYERS * BIG));
  await daemon.ok("rmi", NAME);
  await daemon.ok("image", "prune", "-f");
  expect(content()).toEqual(before);
  for (let n = 0; n < KILLS / 2; n++) {
    const id = await build();
    cut += (await killedIn(pushing, "push", NAME)) ? 1 : 0;
    expect(await daemon.ok("push", NAME)).toMatch(/1: digest: sha256:/);
    await forget();
    await daemon.ok("pull", NAME);
    expect(await daemon.ok("inspect", "-f", "{{.Id}}", NAME)).toBe(id);
    await daemon.ok("rmi", NAME);
  }
  await daemon.ok("image", "prune", "-f");
  expect(content()).toEqual(before);
  expect(cut).toBeGreaterThan(0);
});
