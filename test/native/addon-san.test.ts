import { expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const BUILD = join(ROOT, "tools/build-native");

test("every call of the addon holds under the sanitizers, with good and with hostile arguments", () => {
  execFileSync(BUILD, ["--sanitize"]);
  const library = execFileSync("cc", ["-print-file-name=libasan.so"], { encoding: "utf8" }).trim();
  expect([library, isAbsolute(library) && existsSync(library)]).toEqual([library, true]);
  const folder = mkdtempSync(join(tmpdir(), "berth-addon-"));
  const script = join(import.meta.dir, "addon-san.mjs");
  const { status, signal, stdout, stderr } = spawnSync(
    "node",
    ["--expose-gc", script, join(ROOT, ".build/sys-san.node"), folder],
    {
      encoding: "utf8",
      env: {
        ...process.env,
        LD_PRELOAD: library,
        ASAN_OPTIONS: "detect_leaks=0:verify_asan_link_order=0:detect_stack_use_after_return=1",
        UBSAN_OPTIONS: "print_stacktrace=1",
      },
    },
  );
  // A report goes to standard error, and the first one ends the process.
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: "" });
  expect(Number(/^(\d+) calls$/m.exec(stdout)?.[1])).toBeGreaterThan(1000);
  expect(readdirSync(folder)).toEqual([]);
  rmdirSync(folder);
}, 300_000);
