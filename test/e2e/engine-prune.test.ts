import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestDaemon } from "../../src/testing/daemon.ts";

// The prunes, df and the start with the daemon, as a person at the unmodified docker command line sees them.

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  mkdirSync(join(daemon.root, "context"));
});
afterAll(() => daemon[Symbol.asyncDispose]());

const docker = async (...args: string[]): Promise<string> => {
  const done = await daemon.docker(...args);
  if (done.code !== 0) throw new Error(`docker ${args.join(" ")}: ${done.code}: ${done.stderr}`);
  return done.stdout.trim();
};
async function build(steps: string, tag: string): Promise<string> {
  writeFileSync(join(daemon.root, "context", "Dockerfile"), `FROM busybox\n${steps}`);
  return docker("build", "-t", tag, join(daemon.root, "context"));
}
const post = (path: string): Promise<Response> => fetch(`http://d${path}`, { method: "POST", unix: daemon.socket });

test("docker system prune takes what is at rest, and leaves the rest; twice is fine", async () => {
  await docker("run", "-d", "--name", "stays", "busybox", "sleep", "1000");
  await docker("run", "--name", "goes", "busybox", "true");
  await build("RUN echo a >/a\n", "kept:1");
  const text = await docker("system", "prune", "-f");
  expect(text).toMatch(/Deleted Containers:\n[0-9a-f]{64}\n/);
  expect(text).toMatch(/Total reclaimed space: /);
  expect(text).not.toContain("Deleted Networks");
  expect(await docker("ps", "-a", "--format", "{{.Names}}")).toBe("stays");
  expect(await docker("run", "--rm", "kept:1", "cat", "/a")).toBe("a");
  expect(await docker("system", "prune", "-f")).toBe("Total reclaimed space: 0B");
});

test("docker system prune -a --volumes leaves what the running container needs", async () => {
  await docker("volume", "create", "named");
  await docker("run", "--rm", "-v", "named:/v", "busybox", "touch", "/v/file");
  const text = await docker("system", "prune", "-a", "-f", "--volumes");
  expect(text).toContain("untagged: kept:1");
  expect(text).toContain("Deleted build cache objects:");
  expect(await docker("image", "ls", "--format", "{{.Repository}}")).toBe("busybox");
  expect(await docker("volume", "ls", "-q")).toBe("named");
  await docker("volume", "prune", "-af");
  expect(await docker("volume", "ls", "-q")).toBe("");
  expect(await docker("exec", "stays", "echo", "alive")).toBe("alive");
});

test("docker network prune: nothing, and a bad filter is refused", async () => {
  expect(await docker("network", "prune", "-f")).toBe("");
  expect(await (await post("/v1.51/networks/prune")).json()).toEqual({ NetworksDeleted: null });
  const refused = await post(`/v1.51/networks/prune?filters=${encodeURIComponent('{"foo":["a"]}')}`);
  expect([refused.status, await refused.json()]).toEqual([400, { message: "invalid filter 'foo'" }]);
  expect((await docker("network", "ls", "--format", "{{.Name}}")).split("\n").sort()).toEqual([
    "bridge",
    "host",
    "none",
  ]);
});

test("a build's cache: in df, used after rmi, gone after builder prune", async () => {
  const steps = "RUN dd if=/dev/zero of=/big bs=1000 count=3000 2>/dev/null\n";
  await build(steps, "cached:1");
  await docker("rmi", "cached:1");
  expect(await docker("system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}}")).toContain(
    "Build Cache 1 3MB",
  );
  expect(await build(steps, "cached:2")).toContain("Using cache");
  await docker("rmi", "cached:2");
  const answer = await post("/v1.51/build/prune?all=1&keep-storage=10000000");
  expect(await answer.json()).toEqual({ CachesDeleted: [], SpaceReclaimed: 0 });
  const all = (await (await post("/v1.51/build/prune?all=1")).json()) as {
    CachesDeleted: string[];
    SpaceReclaimed: number;
  };
  expect(all.CachesDeleted).toHaveLength(1);
  expect(all.SpaceReclaimed).toBeGreaterThanOrEqual(3_000_000);
  expect(await docker("system", "df", "--format", "{{.Type}} {{.TotalCount}}")).toContain("Build Cache 0");
  expect(await build(steps, "cached:3")).not.toContain("Using cache");
});

test("docker images and df count the containers of an image", async () => {
  const images = (await (await fetch("http://d/v1.51/images/json", { unix: daemon.socket })).json()) as {
    RepoTags: string[];
    Containers: number;
  }[];
  expect(images.find((i) => i.RepoTags.includes("busybox:latest"))?.Containers).toBe(1);
  expect(await docker("system", "df", "--format", "{{.Type}} {{.Active}}")).toContain("Images 1");
});

test("policies at the daemon's start: it answers first, then starts many at once, the others stay as they are", async () => {
  const run = (name: string, ...flags: string[]): Promise<string> =>
    docker("run", "-d", "--name", name, ...flags, "busybox", "sleep", "1000");
  const wanted = Array.from({ length: 10 }, (_, i) => `boot-${i}`);
  for (const name of wanted) await run(name, "--restart", "always");
  await run("by-hand", "--restart", "unless-stopped");
  await run("never");
  await docker("stop", "-t", "0", "by-hand");
  await docker("kill", ...wanted, "never");
  await daemon.down();
  await daemon.up();
  // The first answer may come before the last start.
  expect(await docker("version", "--format", "{{.Server.Version}}")).not.toBe("");
  const running = async (): Promise<string[]> =>
    (await docker("ps", "--format", "{{.Names}}", "--filter", "name=boot-")).split("\n").filter(Boolean).sort();
  while ((await running()).length < wanted.length) await Bun.sleep(20);
  expect(await running()).toEqual(wanted);
  expect(await docker("inspect", "-f", "{{.State.Status}}", "by-hand", "never")).toBe("exited\nexited");
  await docker("rm", "-f", ...wanted, "by-hand", "never");
});

test("a person's stop or removal in the middle of those starts is kept", async () => {
  const names = Array.from({ length: 12 }, (_, i) => `early-${i}`);
  for (const name of names)
    await docker("run", "-d", "--restart", "always", "--name", name, "busybox", "sleep", "1000");
  await docker("kill", ...names);
  await daemon.crash();
  await daemon.up();
  const [removed = [], stopped = []] = [names.slice(0, 6), names.slice(6)];
  await docker("rm", "-f", ...removed);
  for (const name of stopped) await daemon.docker("stop", "-t", "0", name);
  expect(await docker("ps", "-aq", "--filter", "name=early-")).not.toBe("");
  const left = (await docker("ps", "-a", "--format", "{{.Names}}", "--filter", "name=early-")).split("\n").sort();
  expect(left).toEqual([...stopped].sort());
  await docker("rm", "-f", ...stopped);
});

test("health is what it was, under the next daemon", async () => {
  await docker(
    ...[
      "run",
      "-d",
      "--name",
      "checked",
      "--health-cmd",
      "test -e /well",
      "--health-interval",
      "100ms",
      "--health-retries",
      "1",
    ],
    ...["busybox", "sleep", "1000"],
  );
  const status = (): Promise<string> => docker("inspect", "-f", "{{.State.Health.Status}}", "checked");
  while ((await status()) !== "unhealthy") await Bun.sleep(20);
  await daemon.crash();
  await daemon.up();
  expect(await status()).toBe("unhealthy");
  expect(await docker("ps", "--filter", "health=unhealthy", "--format", "{{.Names}} {{.Status}}")).toMatch(
    /^checked .*\(unhealthy\)$/,
  );
  await docker("exec", "checked", "touch", "/well");
  while ((await status()) !== "healthy") await Bun.sleep(20);
  await docker("rm", "-f", "checked");
});
