import { afterAll, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { helperPath } from "./embedded.ts";

const dir = mkdtempSync(join(tmpdir(), "berth-embedded-"));
afterAll(() => rmSync(dir, { recursive: true }));

const PROGRAM = `
import { helperPath } from "${join(import.meta.dir, "embedded.ts")}";
import { fstatat } from "${join(import.meta.dir, "sys.ts")}";
const path = helperPath(process.argv[2]);
console.log(JSON.stringify({ path, mode: fstatat(-100, path).mode & 0o777 }));
`;

test("in development the helper is the built one", () => {
  expect(helperPath(dir)).toEndWith("/.build/berth-helper");
  expect(readdirSync(dir)).toEqual([]);
});

test("the compiled executable carries addon and helper, and unpacks the helper once", () => {
  const [source, program, place] = [join(dir, "p.ts"), join(dir, "p"), join(dir, "deep/place")];
  writeFileSync(source, PROGRAM);
  execFileSync(process.execPath, ["build", "--compile", "--bytecode", "--minify", source, "--outfile", program]); // prettier-ignore
  const run = () => JSON.parse(execFileSync(program, [place], { cwd: "/", encoding: "utf8" }));
  const first = run();
  expect(first.mode).toBe(0o755);
  expect(basename(first.path)).toMatch(/^berth-helper-[0-9a-f]{16}$/);
  const made = statSync(first.path).ino;
  expect(run()).toEqual(first);
  expect(statSync(first.path).ino).toBe(made);
  expect(readdirSync(place)).toEqual([basename(first.path)]);
  expect(spawnSync(first.path, { encoding: "utf8" }).stderr).toContain("usage: berth-helper");
}, 300_000);
