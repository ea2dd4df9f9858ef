import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runOk } from "../../host/spawn.ts";
import { linesOf, putBlock, withBlock } from "./hosts-file.ts";

const root = mkdtempSync(join(tmpdir(), "hosts-"));
afterAll(() => rmSync(root, { recursive: true }));

const LINES = ["10.1.0.2\tweb.container web.front.container"];
const BLOCK = `# BEGIN t: names of containers, written by the daemon\n${LINES[0]}\n# END t\n`;
const block = (lines: string[]) => ({ tag: "t", lines });

describe("lines", () => {
  test("one for each address, names in their order", () => {
    const names = new Map([
      ["web.container", ["10.1.0.2", "fd00::2"]],
      ["www.front.container", ["10.1.0.2", "10.1.0.3", "10.1.0.2"]],
      ["front.container", []],
    ]);
    expect(linesOf(names)).toEqual([
      "10.1.0.2\tweb.container www.front.container",
      "fd00::2\tweb.container",
      "10.1.0.3\twww.front.container",
    ]);
  });

  test.each(["a\n192.0.2.1 bank.example", "a bank.example", "a\tb", "a#b", "a\u2028b", "", "-a", "ä", "a\r", "a\0"])(
    "an alias that is no name is left out: %j",
    (alias) => {
      expect(linesOf(new Map([[`${alias}${alias === "" ? "" : ".container"}`, ["10.1.0.2"]]]))).toEqual([]);
    },
  );
});

describe("text", () => {
  test.each([
    ["", BLOCK],
    ["127.0.0.1\tlocalhost\n", `127.0.0.1\tlocalhost\n${BLOCK}`],
    ["127.0.0.1\tlocalhost", `127.0.0.1\tlocalhost\n${BLOCK}`],
    [BLOCK, BLOCK],
    [`a\n${BLOCK}b\n`, `a\nb\n${BLOCK}`],
    // Two blocks, a mark that somebody took away, lines that somebody wrote between the marks.
    [`${BLOCK}a\n${BLOCK}`, `a\n${BLOCK}`],
    [`a\n${BLOCK.replace("# END t\n", "")}192.0.2.1 mine\n`, `a\n192.0.2.1 mine\n${BLOCK}`],
    [BLOCK.replace("# END", "192.0.2.1 mine\n# END"), `192.0.2.1 mine\n${BLOCK}`],
    ["# END t\na\n", `a\n${BLOCK}`],
    // Another daemon's.
    [BLOCK.replaceAll(" t", " u"), `${BLOCK.replaceAll(" t", " u")}${BLOCK}`],
  ])("%j", (before, after) => {
    expect(withBlock(before, block(LINES))).toBe(after);
    expect(withBlock(after, block(LINES))).toBe(after);
    expect(withBlock(after, block([]))).toBe(after.replace(BLOCK, ""));
  });
});

describe("the file", () => {
  let dir: string;
  let file: string;
  let n = 0;
  beforeEach(() => {
    dir = join(root, String(n++));
    file = join(dir, "hosts");
    mkdirSync(dir);
    writeFileSync(file, "127.0.0.1\tlocalhost\n# \xe9t\xe9\n", "latin1");
  });
  const bytes = (): string => readFileSync(file, "latin1");

  test("is replaced whole, with its mode and owner, and gets its old bytes back; nothing else is left", async () => {
    const before = bytes();
    chmodSync(file, 0o640);
    chownSync(file, 0, 7);
    const { ino } = statSync(file);
    await putBlock(file, block(LINES));
    expect(bytes()).toBe(before + BLOCK);
    const { mode, gid, ino: now } = statSync(file);
    expect([mode & 0o7777, gid, now === ino]).toEqual([0o640, 7, false]);
    await putBlock(file, block(LINES));
    expect(statSync(file).ino).toBe(now);
    await putBlock(file, block([]));
    expect(bytes()).toBe(before);
    expect(readdirSync(dir)).toEqual(["hosts"]);
  });

  test("is made where there is none, but not for nothing; a link to it stays one", async () => {
    rmSync(file);
    await putBlock(file, block([]));
    expect(readdirSync(dir)).toEqual([]);
    await putBlock(file, block(LINES));
    expect(bytes()).toBe(BLOCK);
    symlinkSync("hosts", join(dir, "link"));
    await putBlock(join(dir, "link"), block([]));
    expect([bytes(), lstatSync(join(dir, "link")).isSymbolicLink()]).toEqual(["", true]);
  });

  test("a draft that a killed daemon left, or a trap in its place, is in nobody's way", async () => {
    symlinkSync("/nosuch/elsewhere", join(dir, "hosts.t"));
    await putBlock(file, block(LINES));
    expect(bytes().endsWith(BLOCK)).toBe(true);
    expect(readdirSync(dir)).toEqual(["hosts"]);
  });

  test("one that is a mount is written in place", async () => {
    const before = bytes();
    const module = join(import.meta.dir, "hosts-file.ts");
    const code = `const { putBlock } = await import("${module}"); const at = "${file}";
      await putBlock(at, ${JSON.stringify(block(LINES))}); process.stdout.write(await Bun.file(at).text());
      await putBlock(at, ${JSON.stringify(block([]))});`;
    const script = 'mount --bind "$1" "$1" && exec "$2" -e "$3"';
    const text = await runOk(["unshare", "-m", "sh", "-c", script, "sh", file, process.execPath, code]);
    expect(text).toContain(BLOCK);
    expect(bytes()).toBe(before);
    expect(readdirSync(dir)).toEqual(["hosts"]);
  });

  test("a folder in its place is an error that leaves it", async () => {
    await expect(putBlock(dir, block(LINES))).rejects.toThrow("EISDIR");
  });
});
