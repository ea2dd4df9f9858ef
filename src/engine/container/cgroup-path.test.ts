import { afterAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { cgroupDir } from "../../host/cgroup.ts";
import { cgroupOf } from "./cgroup-path.ts";

const PARENT = `/berth-path-test-${process.pid}`;
const ID = "f".repeat(64);
const own = `${PARENT}/${ID}`;
const child = spawn("sleep", ["1000000"], { stdio: "ignore" });
const pid = child.pid ?? 0;

afterAll(async () => {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  for (const path of [`${own}/init.scope`, own, PARENT]) rmdirSync(cgroupDir("memory", path));
});

test("a container's cgroup is found where its first process is, and where that has moved further down", () => {
  mkdirSync(cgroupDir("memory", `${own}/init.scope`), { recursive: true });
  const moved = (path: string): string => {
    writeFileSync(`${cgroupDir("memory", path)}/cgroup.procs`, String(pid));
    return cgroupOf({ id: ID, state: { pid } });
  };
  expect(moved(own)).toBe(own);
  expect(moved(`${own}/init.scope`)).toBe(own);
});

test("a process that has ended is a conflict", () => {
  expect(() => cgroupOf({ id: ID, state: { pid: 2 ** 22 + 1 } })).toThrow("just ended");
});
