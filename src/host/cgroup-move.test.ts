import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { prepareMove } from "./cgroup-move.ts";

test("the process stays in its cgroups, however often it is asked for", async () => {
  const before = readFileSync("/proc/self/cgroup", "utf8");
  for (let i = 0; i < 5; i++) {
    prepareMove();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(readFileSync("/proc/self/cgroup", "utf8")).toBe(before);
});
