import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { limitTrees, releaseTree } from "./quota.ts";
import { runOk } from "./spawn.ts";

// Real limits, on ext4 and XFS, are tried by test/vm/smoke.sh: they need a kernel with quota formats.
const root = mkdtempSync(join(tmpdir(), "berth-quota-"));
afterAll(() => rmSync(root, { recursive: true }));

test("a file system without project quotas says no, and its folders stay as they were", async () => {
  await runOk(["mount", "-t", "tmpfs", "tmpfs", root]);
  try {
    expect(limitTrees([root], 1 << 20, "seed")).toBe(false);
    releaseTree(root);
    expect(readdirSync(root)).toEqual([]);
  } finally {
    await runOk(["umount", root]);
  }
});

test("a folder that is gone has nothing to give back; one that cannot be limited throws", () => {
  releaseTree(join(root, "gone"));
  expect(() => limitTrees([join(root, "gone")], 1 << 20, "seed")).toThrow("ENOENT");
});
