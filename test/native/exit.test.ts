import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { launchMonitor, readExit, reconnectMonitor } from "../../src/host/monitor.ts";
import { messageOf } from "../../src/spec/errors.ts";
import { type Bench, collect, type Wish, withHelpers } from "./harness.ts";

/** The message of a start that must fail, once the helper has gone. */
async function failure(bench: Bench, args: string[], wish: Wish = {}): Promise<{ message: string; code: number }> {
  const options = bench.prepare(args, wish);
  const handle = await bench.launch(options);
  const output = collect(await handle.attach({ stdin: false, stdout: true, stderr: true }));
  const message = await handle.start().then(() => "started", messageOf);
  await handle.gone;
  expect((await output).length).toBe(0);
  expect(await handle.exited).toEqual(readExit(options.dir) ?? expect.unreachable());
  return { message, code: (await handle.exited).code };
}

withHelpers("exit", (bench) => {
  test("the exit code, times and output reach the daemon and the exit file", async () => {
    const before = Date.now();
    const { status, stdout, stderr, options } = await bench().run(["sh", "-c", "echo out; echo err >&2; exit 42"]);
    expect({ stdout, stderr, code: status.code }).toEqual({ stdout: "out\n", stderr: "err\n", code: 42 });
    expect(status.signal).toBeUndefined();
    expect(status.oomKilled).toBe(false);
    expect(status.startedAt).toBeGreaterThanOrEqual(before);
    expect(status.finishedAt).toBeGreaterThanOrEqual(status.startedAt);
    expect(readExit(options.dir)).toEqual(status);
    expect(await reconnectMonitor(options.dir)).toBeUndefined();
    expect(readdirSync(options.dir).sort()).toEqual(["config.json", "exit", "monitor.conf", "rootfs"]);
  });

  test("a signal gives 128+n, and is told to have arrived", async () => {
    const options = bench().prepare(["sleep", "1000"]);
    const handle = await bench().launch(options);
    const { pid } = await handle.start();
    expect(readFileSync(join(options.dir, "pid"), "utf8")).toMatch(new RegExp(`^${pid} \\d+\n$`));
    expect(await handle.signal(9)).toBe(true);
    expect(await handle.exited).toMatchObject({ code: 137, signal: 9, oomKilled: false });
    await handle.gone;
    expect(await handle.signal(9)).toBe(false);
    expect(existsSync(join(options.dir, "pid"))).toBe(false);
  });

  test("an OOM kill is seen", async () => {
    const hog = "x=x; while :; do x=$x$x; done";
    const { status } = await bench().run(["sh", "-c", hog], { memory: 16 << 20 });
    expect(status).toMatchObject({ code: 137, signal: 9, oomKilled: true });
  });

  test("a start that fails gives the runtime's own words and Docker's exit code", async () => {
    expect(await failure(bench(), ["no-such-command"])).toEqual({
      message: expect.stringMatching(/no-such-command.*not found/),
      code: 127,
    });
    writeFileSync(join(bench().layers, "busybox/etc/plain"), "text", { mode: 0o644 });
    expect(await failure(bench(), ["/etc/plain"])).toMatchObject({
      message: expect.stringMatching(/denied/),
      code: 126,
    });
    expect((await failure(bench(), ["true"], { runtime: "/no/such/runtime" })).message).toContain("/no/such/runtime");
    expect((await failure(bench(), ["true"], { stdio: { tty: true }, runtime: "/no/such/runtime" })).message).toContain(
      "/no/such/runtime: No such file",
    );
    if (existsSync("/usr/sbin/runc"))
      expect(await failure(bench(), ["no-such-command"], { runtime: "/usr/sbin/runc" })).toEqual({
        message: expect.stringMatching(/no-such-command.*not found/),
        code: 127,
      });
  });

  test.if(existsSync("/usr/sbin/runc"))("runc works as well, with its state gone afterwards", async () => {
    const { status, stdout } = await bench().run(["sh", "-c", "echo hi; exit 3"], { runtime: "/usr/sbin/runc" });
    expect({ code: status.code, stdout }).toEqual({ code: 3, stdout: "hi\n" });
    const tty = await bench().run(["sh", "-c", "stty size"], {
      runtime: "/usr/sbin/runc",
      stdio: { tty: true },
      process: { consoleSize: { height: 11, width: 22 } },
    });
    expect(tty.stdout).toBe("11 22\r\n");
  });

  test("groups made inside the container's go with it", async () => {
    const options = bench().prepare(["sleep", "1000"]);
    const handle = await bench().launch(options);
    await handle.start();
    const groups = bench().cgroups();
    expect(groups.length).toBeGreaterThan(0);
    for (const folder of groups) mkdirSync(join(folder, options.id, "a/b"), { recursive: true });
    await handle.signal(9);
    await handle.gone;
    for (const folder of groups) expect(existsSync(join(folder, options.id))).toBe(false);
  });

  test("a helper that cannot start says why in one line, and leaves nothing", async () => {
    const options = bench().prepare(["true"]);
    const launch = (more: object): Promise<string> =>
      launchMonitor({ ...options, ...more }, bench().helper).then(() => "launched", messageOf);
    expect(await launch({ rootfs: { base: "/no/such/base", lower: ["a"] } })).toContain("/no/such/base: No such file");
    expect(await launch({ rootfs: { ...options.rootfs, lower: ["missing"] } })).toMatch(
      /overlay mount on .*No such file/,
    );
    expect(await launch({ log: { path: "/no/such/log", maxSize: 0, maxFiles: 1 } })).toContain("/no/such/log: No such");
    expect(await launch({ log: { path: "/tmp/x", maxSize: 0, maxFiles: 0 } })).toContain(
      "log-files must be at least 1",
    );
    for (const cgroup of ["/", "", "/a/../..", "/a/", "relative"])
      expect(await launch({ cgroup })).toContain(`bad cgroup: ${cgroup}`.trim());
    expect(await launch({ id: "a\0b" })).toContain("NUL");
  });

  test("a container that was never started can be given up", async () => {
    const options = bench().prepare(["true"]);
    const handle = await bench().launch(options);
    const stream = await handle.attach({ stdin: false, stdout: true, stderr: true });
    expect(await handle.discard?.()).toBe(true);
    expect((await collect(stream)).length).toBe(0);
    expect(existsSync(join(options.dir, "sock"))).toBe(false);
    const running = await bench().launch(bench().prepare(["sleep", "1000"]));
    await running.start();
    expect(await running.discard?.()).toBe(false);
    expect(await running.start().then(() => "", messageOf)).toContain("started already");
    await running.signal(9);
    await running.gone;
  });

  test("a state folder with a path longer than sun_path works, terminal included", async () => {
    const dir = join(bench().dir, "long-".repeat(30), "c");
    mkdirSync(dir, { recursive: true });
    const { stdout } = await bench().run(["echo", "far"], {
      id: `${bench().cgroup.slice(1)}-long`,
      dir,
      stdio: { tty: true },
    });
    expect(stdout).toBe("far\r\n");
  });
});
