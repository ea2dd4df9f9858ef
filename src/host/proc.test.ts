import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { cgroupDir, cgroupMode, cgroupProcesses, readCgroup, removeCgroup } from "./cgroup.ts";
import { readExit, readPid } from "./monitor-files.ts";
import { killHard, signalMasks, startTime, waitsForSignals } from "./proc.ts";
import { selfCommand } from "./self.ts";
import { run } from "./spawn.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-proc-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Starts a program that says a line when it is ready, and then waits for its input's end. */
async function ready(argv: string[]): Promise<ChildProcess & { pid: number }> {
  const child = spawn(argv[0] ?? "", argv.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
  if (child.stdout) await once(child.stdout, "data");
  return Object.assign(child, { pid: child.pid ?? 0 });
}

async function end(child: ChildProcess): Promise<number> {
  const pid = child.pid ?? 0;
  const exit = once(child, "exit");
  child.stdin?.end();
  await exit;
  return pid;
}

const WAIT = "echo ready; read _";
const bit = (name: keyof typeof constants.signals): bigint => 1n << BigInt(constants.signals[name] - 1);

test("signal masks: what is caught, ignored and blocked", async () => {
  const child = await ready(["env", "--block-signal=TERM", "bash", "-c", `trap '' USR1; trap : USR2; ${WAIT}`]);
  const masks = signalMasks(child.pid);
  expect((masks?.ignored ?? 0n) & (bit("SIGUSR1") | bit("SIGUSR2"))).toBe(bit("SIGUSR1"));
  expect((masks?.caught ?? 0n) & (bit("SIGUSR1") | bit("SIGUSR2"))).toBe(bit("SIGUSR2"));
  expect((masks?.blocked ?? 0n) & bit("SIGTERM")).toBe(bit("SIGTERM"));
  const pid = await end(child);
  expect([signalMasks(pid), startTime(pid), killHard(pid)]).toEqual([undefined, undefined, false]);
});

test("a thread that waits for signals is seen, whichever it is; others are not", async () => {
  const waits = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])";
  const inMain = `${waits}; print("ready", flush=True); signal.sigwait([signal.SIGTERM])`;
  const inThread = `${waits}; import threading; threading.Thread(target=lambda: signal.sigwait([signal.SIGTERM])).start(); print("ready", flush=True); input()`;
  for (const script of [inMain, inThread]) {
    const child = await ready(["python3", "-c", script]);
    // It says so before it waits.
    while (!waitsForSignals(child.pid)) await new Promise((resolve) => setImmediate(resolve));
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
    expect(waitsForSignals(child.pid)).toBe(false);
  }
  const sleeps = await ready(["bash", "-c", WAIT]);
  expect(waitsForSignals(sleeps.pid)).toBe(false);
  await end(sleeps);
});

test("the start time is found behind any name of a program", async () => {
  const odd = join(dir, "a) R 1 (b");
  copyFileSync("/bin/bash", odd);
  const child = await ready([odd, "-c", WAIT]);
  const stat = readFileSync(`/proc/${child.pid}/stat`, "latin1");
  expect(stat).toContain("(a) R 1 (b)");
  const behind = stat.slice(stat.indexOf("(b) ") + 4).split(" ");
  expect(startTime(child.pid)).toBe(Number(behind[19]));
  expect(startTime(child.pid)).toBeGreaterThanOrEqual(startTime(process.pid) ?? Number.POSITIVE_INFINITY);
  expect(killHard(child.pid)).toBe(true);
  const [, signal] = await once(child, "exit");
  expect(signal).toBe("SIGKILL");
});

test("a pid file counts while that very process lives", async () => {
  const child = await ready(["sh", "-c", WAIT]);
  const ticks = startTime(child.pid) ?? 0;
  const folder = join(dir, "monitor");
  mkdirSync(folder);
  expect(readPid(folder)).toBeUndefined();
  for (const [text, pid] of [
    [`${child.pid} ${ticks}\n`, child.pid],
    [`${child.pid} ${ticks + 1}\n`, undefined],
    ["0 0\n", undefined],
    ["", undefined],
    ["nonsense", undefined],
  ] as const) {
    writeFileSync(join(folder, "pid"), text);
    expect([text, readPid(folder)]).toEqual([text, pid]);
  }
  writeFileSync(join(folder, "pid"), `${child.pid} ${ticks}\n`);
  await end(child);
  expect(readPid(folder)).toBeUndefined();
});

test.each([
  ["0 0 0 100 200\n", { code: 0, oomKilled: false, startedAt: 100, finishedAt: 200 }],
  ["137 9 1 100 200\n", { code: 137, signal: 9, oomKilled: true, startedAt: 100, finishedAt: 200 }],
  [
    '255 0 0 0 5\n{"msg":"executable file `x` not found in $PATH"}\n',
    { code: 127, oomKilled: false, startedAt: 0, finishedAt: 5, error: "executable file `x` not found in $PATH" },
  ],
  ["", undefined],
  ["137 9\n", undefined],
])("the exit file %j", (text, status) => {
  const folder = mkdtempSync(join(dir, "exit-"));
  expect(readExit(folder)).toBeUndefined();
  writeFileSync(join(folder, "exit"), text);
  expect(readExit(folder)).toEqual(status);
});

test("cgroups: processes of nested ones, a removal that waits for their end and may be repeated", async () => {
  const path = `/berth-test-${process.pid}`;
  const mounts = readFileSync("/proc/self/mounts", "utf8");
  expect(cgroupMode()).toBe(/ \/sys\/fs\/cgroup cgroup2 /.test(mounts) ? "v2" : "v1");
  expect([cgroupProcesses(path), await removeCgroup(path)]).toEqual([[], true]);
  const top = cgroupDir("pids", path);
  const inner = cgroupDir("pids", `${path}/a/b`);
  mkdirSync(inner, { recursive: true });
  const child = await ready(["sh", "-c", `echo $$ > ${inner}/cgroup.procs; ${WAIT}`]);
  expect(cgroupProcesses(path)).toEqual([child.pid]);
  expect(readCgroup("pids", `${path}/a/b`, "cgroup.procs")).toBe(`${child.pid}\n`);
  expect(readCgroup("pids", path, "no.such.file")).toBeUndefined();
  expect(readCgroup("pids", `${path}/nope`, "cgroup.procs")).toBeUndefined();
  expect(await removeCgroup(path)).toBe(false);
  expect(cgroupProcesses(path)).toEqual([child.pid]);
  const removed = removeCgroup(path);
  await end(child);
  // The first attempt may have given up before the process had ended.
  expect((await removed) || (await removeCgroup(path))).toBe(true);
  expect([existsSync(top), await removeCgroup(path)]).toEqual([false, true]);
});

test("the program's own command runs it again", async () => {
  const command = selfCommand("--version");
  expect(command.slice(-1)).toEqual(["--version"]);
  const { code, stdout } = await run(command);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/version \d/)]);
});
