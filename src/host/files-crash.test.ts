import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fsyncPath, writeAtomic } from "./files.ts";
import { run } from "./spawn.ts";

const FILES = join(import.meta.dir, "files.ts");
const SIZE = 200_000;

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-crash-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** A program of its own that has `writeAtomic`, and the folder as `dir`. */
function program(body: string): string[] {
  const script = join(dir, "script.ts");
  const head = `import { writeAtomic } from ${JSON.stringify(FILES)};\nimport * as fs from "node:fs";\n`;
  writeFileSync(script, `${head}const dir = ${JSON.stringify(dir)};\n${body}`);
  return [process.execPath, script];
}

test("on a full disk the old bytes stay, and no other file", async () => {
  const argv = program(`
    const path = dir + "/disk/f";
    writeAtomic(path, "old");
    let code = "none";
    try { writeAtomic(path, "x".repeat(1_000_000), { durable: true }); } catch (error) { code = error.code; }
    writeAtomic(dir + "/disk/g", "y".repeat(1000));
    console.log(JSON.stringify([code, fs.readFileSync(path, "utf8"), fs.readdirSync(dir + "/disk").sort()]));
  `);
  mkdirSync(join(dir, "disk"));
  const mount = 'mount -t tmpfs -o size=64k berth-test "$1/disk"; shift; exec "$@"';
  const { code, stdout, stderr } = await run(["unshare", "--mount", "sh", "-ec", mount, "sh", dir, ...argv]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(JSON.parse(stdout)).toEqual(["ENOSPC", "old", ["f", "g"]]);
});

test("a kill at any moment leaves one whole file or the other", async () => {
  const path = join(dir, "f");
  const argv = program(`
    for (let i = 0; ; i++) {
      writeAtomic(dir + "/f", (i % 2 ? "a" : "b").repeat(${SIZE}));
      if (i % 3 === 0) fs.writeSync(1, ".");
    }
  `);
  for (let round = 1; round <= 6; round++) {
    const child = spawn(argv[0] ?? "", argv.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
    const exit = once(child, "exit");
    if (child.stdout) for (let n = 0; n < round; n++) await once(child.stdout, "data");
    child.kill("SIGKILL");
    await exit;
    const text = readFileSync(path, "utf8");
    expect([text.length, new Set(text).size]).toEqual([SIZE, 1]);
  }
});

test("a target that cannot be replaced is an error, and the new bytes are gone", () => {
  mkdirSync(join(dir, "folder"));
  writeFileSync(join(dir, "folder", "x"), "");
  expect(() => writeAtomic(join(dir, "folder"), "bytes")).toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
  expect(readdirSync(dir)).toEqual(["folder"]);
  expect(() => fsyncPath(join(dir, "none"))).toThrow("ENOENT");
});

test("nothing, and what is large, are written whole; a mode that is there already is not kept", () => {
  const path = join(dir, "f");
  writeAtomic(path, "");
  expect(readFileSync(path, "utf8")).toBe("");
  chmodSync(path, 0o777);
  const large = Buffer.alloc(5 * 2 ** 20, "z");
  writeAtomic(path, large, { mode: 0o640 });
  expect(readFileSync(path).equals(large)).toBe(true);
  expect(readdirSync(dir)).toEqual(["f"]);
});
