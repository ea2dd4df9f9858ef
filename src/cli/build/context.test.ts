import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type PackedContext, packDockerfile, packFolder } from "./context.ts";
import { contextFromStdin } from "./stdin.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "context-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text = path): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

async function bytesOf(context: PackedContext): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of context.tar) parts.push(part);
  return Buffer.concat(parts);
}

function tar(args: string[], input: Buffer): string {
  const { stdout, stderr, status } = spawnSync("tar", args, { input, encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout;
}

const names = async (context: PackedContext): Promise<string[]> =>
  tar(["-tf", "-"], await bytesOf(context))
    .split("\n")
    .filter(Boolean);

test("everything is packed in order, as root's, with modes, links and long names", async () => {
  const long = `${"d".repeat(120)}/${"f".repeat(130)}`;
  put("Dockerfile");
  put("bin/run");
  put(long, "deep");
  chmodSync(join(root, "bin/run"), 0o4755);
  symlinkSync("bin/run", join(root, "link"));
  linkSync(join(root, "Dockerfile"), join(root, "twin"));
  const context = await packFolder(root, "");
  expect(context.dockerfile).toBe("Dockerfile");
  const data = await bytesOf(context);
  const listing = tar(["-tvf", "-", "--numeric-owner"], data);
  expect(listing).toMatch(/^-rwsr-xr-x 0\/0 +7 .* bin\/run$/m);
  expect(listing).toMatch(/^lrwxrwxrwx 0\/0 .* link -> bin\/run$/m);
  expect(listing).toMatch(/^h.* twin link to Dockerfile$/m);
  expect(tar(["-xOf", "-", long], data)).toBe("deep");
});

test(".dockerignore leaves out what it names, but not what its exceptions bring back, nor the Dockerfile", async () => {
  for (const file of ["Dockerfile", "a.log", "b.txt", "modules/x/y.js", "modules/keep.js", "sub/c.log"]) put(file);
  put(".dockerignore", "# comment\nmodules\n!modules/keep.js\n*.log\nDockerfile\n.dockerignore\n");
  expect(await names(await packFolder(root, ""))).toEqual([
    ".dockerignore",
    "Dockerfile",
    "b.txt",
    "modules/keep.js",
    "sub/",
    "sub/c.log",
  ]);
});

test("an ignored folder is not even read", async () => {
  put("Dockerfile");
  put(".dockerignore", "secret\n");
  put("secret/x");
  expect(await names(await packFolder(root, ""))).toEqual([".dockerignore", "Dockerfile"]);
});

test("a Dockerfile outside the folder, or from standard input, comes under a name of its own", async () => {
  put("ctx/app");
  put("Elsewhere", "FROM x\n");
  for (const file of [join(root, "Elsewhere"), Buffer.from("FROM x\n")]) {
    const context = await packFolder(join(root, "ctx"), file);
    expect(context.dockerfile).toMatch(/^\.dockerfile\./);
    expect(tar(["-xOf", "-", context.dockerfile], await bytesOf(context))).toBe("FROM x\n");
  }
  put("ctx/sub/Other");
  expect((await packFolder(join(root, "ctx"), join(root, "ctx/sub/Other"))).dockerfile).toBe("sub/Other");
});

test("Dockerfile.dockerignore counts before .dockerignore", async () => {
  for (const file of ["Dockerfile", "a", "b"]) put(file);
  put(".dockerignore", "a\n");
  put("Dockerfile.dockerignore", "b\n");
  expect(await names(await packFolder(root, ""))).toEqual([
    ".dockerignore",
    "Dockerfile",
    "Dockerfile.dockerignore",
    "a",
  ]);
});

test("sockets are left out", async () => {
  put("Dockerfile");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(root, "s.sock"), resolve));
  expect(await names(await packFolder(root, ""))).toEqual(["Dockerfile"]);
  server.close();
});

test("a missing folder or Dockerfile is told before anything is sent", async () => {
  expect(packFolder(join(root, "nope"), "")).rejects.toThrow("not found");
  expect(packFolder(root, "")).rejects.toThrow(/lstat .*Dockerfile: no such file or directory/);
  put("file");
  expect(packFolder(join(root, "file"), "")).rejects.toThrow("context must be a directory");
});

test("a file that shrinks while it is packed is an error, not a broken archive", async () => {
  put("Dockerfile");
  put("big", "x".repeat(10_000));
  const { tar: parts } = await packFolder(root, "");
  const read = async (): Promise<void> => {
    let headers = 0;
    for await (const part of parts) if (part.length === 512 && ++headers === 2) truncateSync(join(root, "big"), 10);
  };
  expect(read()).rejects.toThrow("changed while it was read");
});

async function* input(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === "string" ? Buffer.from(part) : part;
}

test("standard input is an archive or a Dockerfile, by its first bytes", async () => {
  put("Dockerfile", "FROM y\n");
  const archive = await bytesOf(await packFolder(root, ""));
  const passed = await contextFromStdin(input(archive.subarray(0, 300), archive.subarray(300)), "");
  expect("tar" in passed && (await bytesOf(passed)).equals(archive)).toBe(true);
  const text = await contextFromStdin(input("FROM ", "z\n"), "");
  if (!("text" in text)) throw new Error("a Dockerfile was taken for an archive");
  expect(tar(["-xOf", "-", "Dockerfile"], await bytesOf(packDockerfile(text.text)))).toBe("FROM z\n");
  expect("tar" in (await contextFromStdin(input(new Uint8Array([0x1f, 0x8b, 8, 0])), ""))).toBe(true);
});

test("empty folders, links to nowhere and out of the folder, FIFOs and special bits are packed as they are", async () => {
  put("Dockerfile");
  mkdirSync(join(root, "empty/inner"), { recursive: true });
  chmodSync(join(root, "empty"), 0o1777);
  chmodSync(join(root, "empty/inner"), 0o700);
  symlinkSync("/etc/passwd", join(root, "absolute"));
  symlinkSync("../../..", join(root, "climbing"));
  symlinkSync("nowhere", join(root, "dangling"));
  symlinkSync("loop", join(root, "loop"));
  symlinkSync("empty", join(root, "to-folder"));
  expect(spawnSync("mkfifo", ["-m", "600", join(root, "fifo")]).status).toBe(0);
  const listing = tar(["-tvf", "-", "--numeric-owner"], await bytesOf(await packFolder(root, "")));
  const short = listing
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/^(\S+) 0\/0 +\d+ \S+ \S+ /, "$1 "));
  expect(short).toEqual([
    expect.stringMatching(/^-r\S+ Dockerfile$/),
    "lrwxrwxrwx absolute -> /etc/passwd",
    "lrwxrwxrwx climbing -> ../../..",
    "lrwxrwxrwx dangling -> nowhere",
    "drwxrwxrwt empty/",
    "drwx------ empty/inner/",
    "prw------- fifo",
    "lrwxrwxrwx loop -> loop",
    "lrwxrwxrwx to-folder -> empty",
  ]);
});

test("names and link targets around tar's hundred bytes, in letters of one byte and of more, arrive whole", async () => {
  put("Dockerfile");
  const names99 = [98, 99, 100, 101, 155, 156, 255].map((n) => "n".repeat(n));
  const wide = [49, 50, 51, 85].map((n) => "é".repeat(n));
  for (const name of [...names99, ...wide]) put(name, name);
  for (const n of [99, 100, 101, 1000, 4000]) symlinkSync("t".repeat(n), join(root, `link${n}`));
  mkdirSync(join(root, "d".repeat(99)));
  mkdirSync(join(root, "d".repeat(100)));
  const data = await bytesOf(await packFolder(root, ""));
  const out = join(root, "..", `${root.split("/").at(-1)}-out`);
  mkdirSync(out);
  try {
    tar(["-xf", "-", "-C", out], data);
    expect(readdirSync(out).sort()).toEqual(readdirSync(root).sort());
    for (const name of [...names99, ...wide]) expect(readFileSync(join(out, name), "utf8")).toBe(name);
    for (const n of [99, 100, 101, 1000, 4000]) expect(readlinkSync(join(out, `link${n}`))).toBe("t".repeat(n));
  } finally {
    rmSync(out, { recursive: true });
  }
});

test("the same folder gives the same bytes, and their sizes come in whole blocks", async () => {
  for (const [name, size] of [
    ["Dockerfile", 3],
    ["a", 0],
    ["b", 511],
    ["c", 512],
    ["d", 513],
    ["e", 300_000],
  ] as const)
    put(name, "x".repeat(size));
  const [first, second] = [await bytesOf(await packFolder(root, "")), await bytesOf(await packFolder(root, ""))];
  expect(first.equals(second)).toBe(true);
  expect(first.length % 512).toBe(0);
  expect(tar(["-xOf", "-", "e"], first).length).toBe(300_000);
});

test.each([
  ["*", ["Dockerfile", ".dockerignore"]],
  ["*\n!b", ["Dockerfile", ".dockerignore", "b", "b/c", "b/c/d.txt", "b/e.md"]],
  ["**/*.txt", ["Dockerfile", ".dockerignore", "a.md", "b", "b/c", "b/e.md"]],
  ["*.txt", ["Dockerfile", ".dockerignore", "a.md", "b", "b/c", "b/c/d.txt", "b/e.md"]],
  ["b/c", ["Dockerfile", ".dockerignore", "a.md", "a.txt", "b", "b/e.md"]],
  ["/b/", ["Dockerfile", ".dockerignore", "a.md", "a.txt"]],
  ["b\n!b/c/d.txt", ["Dockerfile", ".dockerignore", "a.md", "a.txt", "b/c/d.txt"]],
  ["?.md", ["Dockerfile", ".dockerignore", "a.txt", "b", "b/c", "b/c/d.txt", "b/e.md"]],
  ["[a-b]*", ["Dockerfile", ".dockerignore"]],
  ["  b  \n\n#a.md\n", ["Dockerfile", ".dockerignore", "a.md", "a.txt"]],
  ["../x\n./a.md", ["Dockerfile", ".dockerignore", "a.txt", "b", "b/c", "b/c/d.txt", "b/e.md"]],
])(".dockerignore %j leaves these", async (rules, left) => {
  for (const file of ["Dockerfile", "a.txt", "a.md", "b/c/d.txt", "b/e.md"]) put(file);
  put(".dockerignore", rules);
  const packed = (await names(await packFolder(root, ""))).map((name) => name.replace(/\/$/, ""));
  expect(packed.sort()).toEqual([...left].sort());
});

test("a bad rule of .dockerignore is told before anything is sent", async () => {
  put("Dockerfile");
  put(".dockerignore", "[");
  const error = await packFolder(root, "")
    .then(names)
    .catch((e: unknown) => e);
  expect(error).toBeInstanceOf(Error);
});

test("names that are not UTF-8 come as they are, also beside rules of .dockerignore, as link targets, and when they are long", async () => {
  const raw = (name: string): Buffer => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, "latin1")]);
  const long = `${"\xe9".repeat(110)}`;
  put("Dockerfile");
  put(".dockerignore", "out*\n");
  for (const name of ["caf\xe9", "out\xff", long]) writeFileSync(raw(name), "x");
  mkdirSync(raw("dir\xfe"));
  writeFileSync(raw("dir\xfe/in"), "in");
  symlinkSync(Buffer.from("caf\xe9", "latin1"), raw("link"));
  const data = await bytesOf(await packFolder(root, ""));
  const listed = spawnSync("tar", ["--quoting-style=literal", "-tvf", "-"], { input: data }).stdout.toString("latin1");
  const shown = listed
    .split("\n")
    .filter(Boolean)
    .map((line) => line.replace(/^.* \d\d:\d\d /, ""));
  expect(shown).toEqual(
    [".dockerignore", "Dockerfile", "caf\xe9", "dir\xfe/", "dir\xfe/in", "link -> caf\xe9", long].sort(),
  );
});
