import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { BerthError } from "../spec/errors.ts";
import { ensureDir, ensurePrivateDir, listIfThere, readIfThere, removeTree, writeAtomic } from "./files.ts";
import { run, runOk } from "./spawn.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync("/tmp/berth-files.");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const modeOf = (path: string): number => statSync(path).mode & 0o7777;

test("a private folder is shut, also one that was open before, and its content stays", () => {
  const path = join(dir, "a", "b");
  ensurePrivateDir(path);
  expect(modeOf(path)).toBe(0o700);
  chmodSync(path, 0o755);
  writeFileSync(join(path, "f"), "x");
  ensurePrivateDir(path);
  expect([modeOf(path), readFileSync(join(path, "f"), "utf8")]).toEqual([0o700, "x"]);
});

test("ensureDir leaves the mode of a folder that is there", () => {
  mkdirSync(join(dir, "d"), { mode: 0o711 });
  ensureDir(join(dir, "d"), 0o700);
  expect(modeOf(join(dir, "d"))).toBe(0o711);
});

test("writeAtomic replaces whole, with its mode, and leaves no other file", () => {
  const path = join(dir, "f");
  writeAtomic(path, "first, and longer", { mode: 0o600, durable: true });
  writeAtomic(path, new Uint8Array([50]), { mode: 0o600 });
  expect([readFileSync(path, "utf8"), modeOf(path)]).toEqual(["2", 0o600]);
  expect(readdirSync(dir)).toEqual(["f"]);
  expect(() => writeAtomic(join(dir, "no", "f"), "x")).toThrow("ENOENT");
});

test("removeTree takes a missing tree and follows no link", () => {
  mkdirSync(join(dir, "kept"));
  writeFileSync(join(dir, "kept", "f"), "");
  mkdirSync(join(dir, "gone"));
  symlinkSync(join(dir, "kept"), join(dir, "gone", "link"));
  removeTree(join(dir, "gone"));
  removeTree(join(dir, "gone"));
  expect([existsSync(join(dir, "gone")), existsSync(join(dir, "kept", "f"))]).toEqual([false, true]);
});

test("run: streams, exit code, signal, input that is not read, environment and folder", async () => {
  expect(await run(["sh", "-c", "echo o; echo e >&2; exit 3"])).toEqual({ code: 3, stdout: "o\n", stderr: "e\n" });
  expect((await run(["sh", "-c", "kill -9 $$"])).code).toBe(137);
  expect((await run(["true"], { input: "x".repeat(1_000_000) })).code).toBe(0);
  expect((await run(["sh", "-c", "cat; echo $A; pwd"], { input: "in ", env: { A: "b" }, cwd: dir })).stdout).toBe(
    `in b\n${dir}\n`,
  );
});

test("run: a program that is missing is named; an abort kills", async () => {
  const missing = await run(["nosuchprogram"]).catch((error: unknown) => error);
  expect(missing).toBeInstanceOf(BerthError);
  expect(missing).toMatchObject({ kind: "not-found", message: expect.stringContaining("nosuchprogram") });
  const abort = new AbortController();
  const sleeping = run(["sleep", "1000"], { signal: abort.signal }).catch(() => "ended");
  abort.abort();
  expect(await sleeping).toBe("ended");
});

test("runOk throws the last line of stderr, or the exit code", async () => {
  expect(await runOk(["echo", "x"])).toBe("x\n");
  expect(runOk(["sh", "-c", "echo first >&2; echo last >&2; exit 1"])).rejects.toThrow("sh: last");
  expect(runOk(["false"])).rejects.toThrow("false: exit code 1");
});

test("what is not there reads as nothing, what cannot be read is an error", () => {
  writeFileSync(join(dir, "file"), "é\n");
  expect(readIfThere(join(dir, "file"))).toBe("é\n");
  expect(readIfThere(join(dir, "none"))).toBeUndefined();
  expect(() => readIfThere(dir)).toThrow("EISDIR");
  expect(listIfThere(dir)).toEqual(["file"]);
  expect(listIfThere(join(dir, "none"))).toEqual([]);
  expect(() => listIfThere(join(dir, "file"))).toThrow("ENOTDIR");
});
