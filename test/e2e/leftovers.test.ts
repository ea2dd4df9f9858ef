import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { TestDaemon } from "../../src/testing/daemon.ts";

const EMPTY = { mounts: [], cgroups: [], namespaces: [], links: [], tables: [], processes: [] };

test("100 runs in a row and 20 at once leave nothing behind", async () => {
  await using daemon = await TestDaemon.start();
  for (let i = 0; i < 100; i++) {
    const done = await daemon.berth("run", "--rm", ...(i % 4 === 0 ? ["-p", "80"] : []), "busybox", "true");
    if (done.code !== 0) throw new Error(`run ${i}: ${done.stderr}`);
  }
  const many = await Promise.all(
    Array.from({ length: 20 }, () => daemon.berth("run", "--rm", "-p", "80", "busybox", "echo", "x")),
  );
  expect(many.map((m) => m.stdout)).toEqual(Array.from({ length: 20 }, () => "x\n"));
  expect(await daemon.ok("ps", "-aq")).toBe("");
  expect(readdirSync(join(daemon.root, "run", "containers"))).toEqual([]);
  expect(readdirSync(join(daemon.root, "data", "containers"))).toEqual([]);
  const { mounts, processes } = await daemon.leftovers();
  expect(mounts.filter((m) => m.includes("overlay"))).toEqual([]);
  expect(processes).toEqual([]);
  await daemon.down();
  const after = await daemon.leftovers();
  expect({ ...after, cgroups: after.cgroups.filter((c) => !c.endsWith(`/${daemon.name}`)) }).toEqual(EMPTY);
}, 300_000);
