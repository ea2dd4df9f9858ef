import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestDaemon } from "../../src/testing/daemon.ts";
import { registryServer } from "../../src/testing/registry-server.ts";

// Push and pull of images whose layers are larger than what any connection lives for, between Berth and Debian's registry.

setDefaultTimeout(300_000);
const BERTH = join(import.meta.dir, "../../dist/berth");
const DEBIANS = "127.0.0.1:5000";
const OURS = "127.0.0.1:5001";
const LIVES = 1_500_000;
const BIG = 5_000_000;
let daemon: TestDaemon;
let folder = "";
const processes: Bun.Subprocess[] = [];
let registry: AsyncDisposable;

beforeAll(async () => {
  daemon = await TestDaemon.start();
  folder = mkdtempSync("/var/tmp/berth-network.");
  registry = await registryServer(daemon, DEBIANS, { folder: join(folder, "debians") });
  await started(BERTH, "registry", "serve", "--addr", OURS, "--root", join(folder, "ours"));
});
afterAll(async () => {
  for (const one of processes) {
    one.kill();
    await one.exited;
  }
  await registry[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a program in the daemon's network; resolves when it has said its first line. `went` follows what a proxy says. */
async function started(...argv: string[]): Promise<{ went: { up: number; down: number } }> {
  const state = { went: { up: 0, down: 0 } };
  const child = Bun.spawn(daemon.inNet("bash", "-c", `exec "$@" 2>&1`, "-", ...argv), {
    stdio: ["ignore", "pipe", "inherit"],
  });
  processes.push(child);
  const ready = Promise.withResolvers<void>();
  void (async () => {
    for await (const chunk of child.stdout) {
      ready.resolve();
      for (const line of Buffer.from(chunk).toString().split("\n"))
        if (line.startsWith("{")) state.went = JSON.parse(line) as typeof state.went;
    }
  })();
  await ready.promise;
  return state;
}

// Debian's registry forgets an upload whose connection was cut: it gets the blob anew. Berth's own goes on where it was.
test.each([
  ["Debian's registry, one cut", DEBIANS, "127.0.0.1:5003", 1, 1.5],
  ["Berth's registry, every connection cut", OURS, "127.0.0.1:5004", 1000, 1.3],
])("%s: what is pushed and pulled arrives, and little goes twice", async (_, upstream, proxy, cuts, factor) => {
  const program = join(import.meta.dir, "testdata/cutting-proxy.ts");
  const network = await started(process.execPath, program, proxy, upstream, String(LIVES), String(cuts));
  const name = `${proxy}/some/big:1`;
  writeFileSync(join(folder, "big"), randomBytes(BIG));
  writeFileSync(join(folder, "Dockerfile"), "FROM busybox\nCOPY big /big\n");
  await daemon.ok("build", "-q", "-t", name, folder);
  const id = await daemon.ok("inspect", "-f", "{{.Id}}", name);
  expect(await daemon.ok("push", name)).toMatch(/Retrying in 1 second\n(.*\n)*1: digest: sha256:/);
  expect(network.went.up).toBeGreaterThan(LIVES - 1);
  expect(network.went.up).toBeLessThan(BIG * factor);
  await daemon.ok("rmi", name);
  await daemon.ok("builder", "prune", "-af");
  expect(await daemon.ok("pull", name)).toMatch(/Retrying in 1 second\n(.*\n)*.*Pull complete/);
  expect(network.went.down).toBeGreaterThan(LIVES - 1);
  expect(network.went.down).toBeLessThan(BIG * 1.3);
  expect(await daemon.ok("inspect", "-f", "{{.Id}}", name)).toBe(id);
  expect(await daemon.ok("run", "--rm", name, "stat", "-c", "%s", "/big")).toBe(String(BIG));
  await daemon.ok("rmi", name);
});
