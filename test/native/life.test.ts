import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { readExit, readPid, reconnectMonitor } from "../../src/host/monitor.ts";
import { startTime } from "../../src/host/proc.ts";
import { mount, umount2 } from "../../src/host/sys.ts";
import { type Bench, collect, split, until, withHelpers } from "./harness.ts";

const ALL = { stdin: true, stdout: true, stderr: true };

/** A long-running container that prints what it reads. */
async function running(bench: Bench, command = ["cat"]) {
  const options = bench.prepare(command, { stdio: { stdin: true }, log: { maxSize: 0, maxFiles: 1 } });
  const handle = await bench.launch(options);
  const { pid } = await handle.start();
  return { options, handle, pid };
}

withHelpers("life", (bench) => {
  test("a daemon that comes back finds the container in its present state", async () => {
    const options = bench().prepare(["cat"], { stdio: { stdin: true } });
    const first = await bench().launch(options);
    first.disconnect();
    const second = await reconnectMonitor(options.dir);
    expect(second).toMatchObject({ monitorPid: first.monitorPid, pid: 0 });
    const told = await second?.start();
    expect(told?.pid).toBeGreaterThan(0);
    second?.disconnect();
    const third = await reconnectMonitor(options.dir);
    expect(third).toMatchObject({ monitorPid: first.monitorPid, pid: told?.pid });
    const stream = await third?.attach(ALL);
    if (!stream || !third) throw new Error("not connected");
    const echoed = until(stream, "hello");
    stream.write("hello");
    await echoed;
    expect(await third.signal(9)).toBe(true);
    expect(await third.exited).toMatchObject({ code: 137, startedAt: told?.startedAt });
    await third.gone;
  });

  test("every control connection is told", async () => {
    const { options, handle } = await running(bench());
    const others = await Promise.all([1, 2, 3].map(() => reconnectMonitor(options.dir)));
    await handle.signal(15);
    await handle.signal(9);
    const status = await handle.exited;
    for (const other of others) expect(await other?.exited).toEqual(status);
    await handle.gone;
  });

  test("a SIGKILLed monitor is noticed, and what it leaves can be found and ended", async () => {
    // A program that reads would end by itself, with the input that the monitor held.
    const { options, handle, pid } = await running(bench(), ["sleep", "1000"]);
    const stream = await handle.attach(ALL);
    process.kill(handle.monitorPid, "SIGKILL");
    expect(await handle.exited).toMatchObject({ code: 255, error: expect.stringContaining("monitor ended") });
    await handle.gone;
    await collect(stream);
    expect(await reconnectMonitor(options.dir)).toBeUndefined();
    expect(readExit(options.dir)).toBeUndefined();
    expect(readPid(options.dir)).toBe(pid);
    process.kill(pid, "SIGKILL");
    while (startTime(pid) !== undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(readPid(options.dir)).toBeUndefined();
    const again = await bench().run(["true"], { id: `${options.id}-next` });
    expect(again.status.code).toBe(0);
    bench().forget(options);
  });

  test("signals to the monitor do not end it", async () => {
    const { handle } = await running(bench());
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE", "SIGUSR1"] as const)
      process.kill(handle.monitorPid, signal);
    const stream = await handle.attach(ALL);
    const echoed = until(stream, "still here");
    stream.write("still here");
    await echoed;
    await handle.signal(9);
    await handle.gone;
  });

  test("quit while the OCI runtime is at work ends it with all that it started, and nothing is left", async () => {
    const runtime = join(bench().dir, "slow-runtime");
    const begun = join(bench().dir, "begun");
    writeFileSync(runtime, `#!/bin/sh\nsleep 9999 &\necho $! >${begun}.new\nmv ${begun}.new ${begun}\nwait\n`, {
      mode: 0o755,
    });
    const options = bench().prepare(["true"], { runtime });
    const handle = await bench().launch(options);
    const started = handle.start().catch((error: unknown) => String(error));
    while (!existsSync(begun)) await new Promise((resolve) => setTimeout(resolve, 5));
    const other = await reconnectMonitor(options.dir);
    expect(await other?.discard?.()).toBe(true);
    expect(await started).toContain("killed by signal 9");
    expect(readExit(options.dir)).toMatchObject({ startedAt: 0 });
    const child = Number(readFileSync(begun, "utf8"));
    while (existsSync(`/proc/${child}/exe`)) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test("a client killed in the middle of its line or stream disturbs nobody", async () => {
    const { options, handle } = await running(bench());
    for (const text of ["", "att", "control\nsig", "attach stdin=1 stdout=1 stderr=1\nhalf"]) {
      const socket = connect(join(options.dir, "sock"));
      await new Promise<void>((resolve) => socket.write(text, () => resolve()));
      socket.destroy();
    }
    const stream = await handle.attach(ALL);
    const echoed = until(stream, "fine");
    stream.write("fine");
    await echoed;
    await handle.signal(9);
    await handle.gone;
  });

  test("nothing of the container shows in the host's mounts, and later host mounts show in it", async () => {
    const shared = join(bench().dir, "shared");
    mkdirSync(shared);
    const { handle } = await running(bench());
    const table = (pid: number | "self"): string => readFileSync(`/proc/${pid}/mountinfo`, "utf8");
    expect(table(handle.monitorPid)).toContain("/rootfs ");
    expect(table("self")).not.toContain(`${bench().dir}/c/`);
    mount({ source: "tmpfs", target: shared, type: "tmpfs" });
    try {
      const isShared = / shared:/.test(/^.* \/ \/ .*$/m.exec(table("self"))?.[0] ?? "");
      expect(table(handle.monitorPid).includes(` ${shared} `)).toBe(isShared);
    } finally {
      umount2(shared);
    }
    if (existsSync("/sys/fs/cgroup/unified/cgroup.procs"))
      expect(table(handle.monitorPid)).not.toMatch(/ \/sys\/fs\/cgroup\/unified .* - cgroup2/);
    await handle.signal(9);
    await handle.gone;
  });

  test("130 layers fit, whatever their names cost, and are stacked in order", async () => {
    for (const length of [4, 40]) {
      const names = Array.from({ length: 129 }, (_, i) => `${`${i}`.padStart(length, "l")}/diff`);
      names.forEach((name, i) => {
        mkdirSync(join(bench().layers, name, "etc"), { recursive: true });
        writeFileSync(join(bench().layers, name, "etc/top"), `${i}`);
        writeFileSync(join(bench().layers, name, `etc/only-${i}`), "");
      });
      const { stdout } = await bench().run(["sh", "-c", "cat /etc/top; echo; ls /etc | wc -l"], {
        rootfs: { lower: [...names, "busybox"] },
      });
      expect(stdout).toBe("0\n130\n");
    }
  });

  test("folders with commas, colons and backslashes in their names can be mounted", async () => {
    const odd = "a:b,c\\d";
    symlinkSync("busybox", join(bench().layers, odd));
    const paths = ["upper", "work"].map((kind) => join(bench().dir, `${odd}-${kind}`));
    for (const path of paths) mkdirSync(path);
    const [upper = "", work = ""] = paths;
    const { status } = await bench().run(["sh", "-c", "echo x > /etc/made"], { rootfs: { lower: [odd], upper, work } });
    expect(status.code).toBe(0);
    expect(readdirSync(join(upper, "etc"))).toEqual(["made"]);
  });

  test("without an upper folder the root is read-only", async () => {
    const options = bench().prepare(["sh", "-c", "echo x > /etc/made"]);
    const handle = await bench().launch({ ...options, rootfs: { base: bench().layers, lower: ["busybox"] } });
    const output = collect(await handle.attach(ALL));
    await handle.start();
    expect(split(await output, false).stderr).toContain("Read-only file system");
    await handle.gone;
  });
});
