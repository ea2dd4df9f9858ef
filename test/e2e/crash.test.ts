import { afterAll, beforeAll, expect, test } from "bun:test";
import { TestDaemon } from "../../src/testing/daemon.ts";
import { isRunning, monitorOf } from "../../src/testing/processes.ts";

// The promise of the field: SIGKILL anything, lose nothing.

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const lines = (n: number): string => Array.from({ length: n }, (_, i) => String(i + 1)).join("\n");

test("SIGKILL of the daemon: the container runs on, its log is whole, logs -f and wait work again", async () => {
  const count = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i; sleep 0.01; done; exit 9";
  await daemon.ok("run", "-d", "--name", "counter", "busybox", "sh", "-c", count);
  const pid = await daemon.ok("inspect", "-f", "{{.State.Pid}}", "counter");
  await daemon.crash();
  await daemon.up();
  expect(await daemon.ok("inspect", "-f", "{{.State.Running}} {{.State.Pid}}", "counter")).toBe(`true ${pid}`);
  const follow = daemon.ok("logs", "-f", "counter");
  expect(await daemon.ok("wait", "counter")).toBe("9");
  expect(await follow).toBe(lines(300));
  expect(await daemon.ok("logs", "counter")).toBe(lines(300));
  await daemon.ok("rm", "counter");
});

test("a container that ends while no daemon is there: its exit code and times are known afterwards", async () => {
  await daemon.ok("run", "-d", "--name", "away", "busybox", "sh", "-c", "echo last words; sleep 0.3; exit 11");
  const pid = Number(await daemon.ok("inspect", "-f", "{{.State.Pid}}", "away"));
  await daemon.crash();
  while (isRunning(pid)) await Bun.sleep(20);
  await daemon.up();
  expect(await daemon.ok("wait", "away")).toBe("11");
  expect(await daemon.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "away")).toBe("exited 11");
  expect(await daemon.ok("logs", "away")).toBe("last words");
  await daemon.ok("rm", "away");
});

test("--rm is done for a container that ended while no daemon was there", async () => {
  await daemon.ok("run", "-d", "--rm", "--name", "gone", "busybox", "sleep", "0.3");
  const pid = Number(await daemon.ok("inspect", "-f", "{{.State.Pid}}", "gone"));
  await daemon.crash();
  while (isRunning(pid)) await Bun.sleep(20);
  await daemon.up();
  while ((await daemon.ok("ps", "-aq", "--filter", "name=gone")) !== "") await Bun.sleep(20);
});

test("a restart policy holds across a crash of the daemon", async () => {
  await daemon.ok("run", "-d", "--restart", "always", "--name", "always", "busybox", "sh", "-c", "sleep 0.3; exit 1");
  const pid = Number(await daemon.ok("inspect", "-f", "{{.State.Pid}}", "always"));
  await daemon.crash();
  while (isRunning(pid)) await Bun.sleep(20);
  await daemon.up();
  while (Number(await daemon.ok("inspect", "-f", "{{.RestartCount}}", "always")) < 1) await Bun.sleep(50);
  await daemon.ok("rm", "-f", "always");
});

test("SIGKILL of a container's monitor: the container does not stay behind unseen", async () => {
  await daemon.ok("run", "-d", "--name", "orphan", "busybox", "sleep", "1000");
  const pid = Number(await daemon.ok("inspect", "-f", "{{.State.Pid}}", "orphan"));
  const monitor = await monitorOf(pid);
  process.kill(monitor, "SIGKILL");
  while ((await daemon.ok("inspect", "-f", "{{.State.Status}}", "orphan")) !== "exited") await Bun.sleep(20);
  expect(isRunning(pid)).toBe(false);
  await daemon.ok("start", "orphan");
  await daemon.ok("rm", "-f", "orphan");
});

test("SIGKILL in the middle of many starts: every container is whole or absent, and all can be removed", async () => {
  const starts = Array.from({ length: 12 }, (_, i) =>
    daemon.berth("run", "-d", "--name", `many-${i}`, "-p", `${21000 + i}:80`, "busybox", "sleep", "1000"),
  );
  await Promise.race(starts);
  await daemon.crash();
  await Promise.all(starts);
  await daemon.up();
  const states = (await daemon.ok("ps", "-a", "--format", "{{.Names}} {{.State}}"))
    .split("\n")
    .filter((l) => l.startsWith("many-"));
  for (const line of states) expect(line).toMatch(/ (running|created|exited)$/);
  for (let i = 0; i < 12; i++) await daemon.berth("rm", "-f", `many-${i}`);
  await daemon.ok("run", "--rm", "-p", "21000-21011:80-91", "busybox", "true");
});

test("a published port still answers after a crash of the daemon, and is free after rm", async () => {
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "web",
    "-p",
    "8080:80",
    "busybox",
    "sh",
    "-c",
    "mkdir /w; echo page >/w/index.html; exec httpd -f -p 80 -h /w",
  );
  await daemon.crash();
  const fetchPage = async (): Promise<string> => {
    const { run } = await import("../../src/host/spawn.ts");
    return (await run(daemon.inNet("timeout", "2", "busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/")))
      .stdout;
  };
  let page = "";
  for (let i = 0; i < 50 && page === ""; i++) {
    page = await fetchPage();
    if (page === "") await Bun.sleep(50);
  }
  expect(page).toBe("page\n");
  await daemon.up();
  expect(await fetchPage()).toBe("page\n");
  await daemon.ok("rm", "-f", "web");
  expect(await fetchPage()).toBe("");
});
