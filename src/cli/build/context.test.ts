import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
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
  expect(packFolder(join(root, "file"), "")).rejects.toThrow("is not a folder");
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
