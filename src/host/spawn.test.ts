import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, runOk } from "./spawn.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-spawn-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

test.each([
  ["HUP", 129],
  ["INT", 130],
  ["KILL", 137],
  ["SEGV", 139],
  ["TERM", 143],
])("a program that SIG%s ended has the code %p", async (name, code) => {
  expect((await run(["sh", "-c", `kill -${name} $$`])).code).toBe(code);
});

test("exit codes are the program's own", async () => {
  for (const code of [0, 1, 126, 127, 128, 255]) expect((await run(["sh", "-c", `exit ${code}`])).code).toBe(code);
});

test("a great deal on both streams at once is all there, in order", async () => {
  const script = "i=0; while [ $i -lt 20000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done";
  const { stdout, stderr, code } = await run(["sh", "-c", script]);
  const lines = (word: string): string => Array.from({ length: 20_000 }, (_, i) => `${word} ${i}\n`).join("");
  expect([code, stdout === lines("out"), stderr === lines("err")]).toEqual([0, true, true]);
});

test("characters that lie across two reads stay whole", async () => {
  const text = "€ü😀".repeat(100_000);
  expect((await run(["cat"], { input: text })).stdout === text).toBe(true);
});

test("input that nobody reads, or only a part of it, is no failure", async () => {
  const input = Buffer.alloc(4 * 2 ** 20, "x");
  expect(await run(["true"], { input })).toEqual({ code: 0, stdout: "", stderr: "" });
  expect(await run(["head", "-c", "5"], { input })).toEqual({ code: 0, stdout: "xxxxx", stderr: "" });
  expect(await run(["sh", "-c", "exec <&-; echo closed"], { input })).toMatchObject({ code: 0, stdout: "closed\n" });
  expect((await run(["cat"], { input: "" })).stdout).toBe("");
});

test("without input there is nothing to read, and no wait for it", async () => {
  expect(await run(["cat"])).toEqual({ code: 0, stdout: "", stderr: "" });
});

test("what is missing is named: the program, or the folder", async () => {
  expect(await failure(run(["no-such-program-here"]))).toMatchObject({
    kind: "not-found",
    message: expect.stringContaining("no-such-program-here: not installed"),
  });
  expect(await failure(run([join(dir, "nope")]))).toMatchObject({ kind: "not-found" });
  expect(await failure(run(["true"], { cwd: join(dir, "gone") }))).toMatchObject({
    kind: "not-found",
    message: `${join(dir, "gone")}: no such folder`,
  });
});

test("a file that is no program, and arguments that the kernel refuses, are errors of the system", async () => {
  writeFileSync(join(dir, "plain"), "x", { mode: 0o644 });
  expect(await failure(run([join(dir, "plain")]))).toMatchObject({ code: "EACCES" });
  expect(await failure(run(["true", "x".repeat(200_000)]))).toMatchObject({ code: "E2BIG" });
  expect(await failure(run(["true", "a\0b"]))).toBeInstanceOf(Error);
});

test("the environment is the given one alone", async () => {
  const { stdout } = await run(["/usr/bin/env"], { env: { ONLY: "this" } });
  expect(stdout).toBe("ONLY=this\n");
});

test("an abort kills at once, also a program that ignores signals; one that comes late changes nothing", async () => {
  const abort = new AbortController();
  const stubborn = failure(run(["sh", "-c", "trap '' TERM INT HUP; exec sleep 1000"], { signal: abort.signal }));
  abort.abort();
  expect(await stubborn).toMatchObject({ name: "AbortError" });
  expect(await failure(run(["true"], { signal: AbortSignal.abort() }))).toMatchObject({ name: "AbortError" });
  const late = new AbortController();
  const { code } = await run(["true"], { signal: late.signal });
  late.abort();
  expect(code).toBe(0);
});

test("runOk: the last line of stderr is the reason", async () => {
  expect(await runOk(["printf", "a\\nb"])).toBe("a\nb");
  expect(await failure(runOk(["sh", "-c", "printf 'one\\ntwo\\n\\n' >&2; exit 2"]))).toMatchObject({
    kind: "internal",
    message: "sh: two",
  });
  expect(await failure(runOk(["sh", "-c", "kill -TERM $$"]))).toMatchObject({ message: "sh: exit code 143" });
});
