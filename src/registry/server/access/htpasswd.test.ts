import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashBcrypt, verifyBcrypt } from "../../../host/password.ts";
import { run } from "../../../host/spawn.ts";
import { dummyHash, parseHtpasswd, type Users } from "./htpasswd.ts";
import { Watched } from "./watched.ts";

async function line(password: string, user = "alice"): Promise<string> {
  return (await run(["htpasswd", "-nbB", "-C", "4", user, password])).stdout.trim();
}

function failure(text: string): string {
  try {
    parseHtpasswd(text, "users");
    return "none";
  } catch (error) {
    return (error as Error).message;
  }
}

describe("hashes", () => {
  test.each([
    ["short", "s"],
    ["of several words and scripts", "zwölf Boxkämpfer 狐"],
    ["of 72 bytes", "x".repeat(72)],
    ["longer than bcrypt reads", "x".repeat(100)],
  ])("htpasswd's are ours: %s", async (_, password) => {
    const hash = (await line(password)).slice("alice:".length);
    expect(await verifyBcrypt(password, hash)).toBe(true);
    expect(await verifyBcrypt(`y${password}`, hash)).toBe(false);
  });

  test("ours are htpasswd's", async () => {
    const folder = mkdtempSync(join(tmpdir(), "berth-htpasswd-"));
    const file = join(folder, "users");
    writeFileSync(file, `alice:${await hashBcrypt("geheim ü", 4)}\n`);
    expect((await run(["htpasswd", "-vb", file, "alice", "geheim ü"])).code).toBe(0);
    expect((await run(["htpasswd", "-vb", file, "alice", "geheim"])).code).not.toBe(0);
    rmSync(folder, { recursive: true });
  });

  test("all three names of bcrypt are one", async () => {
    const hash = await hashBcrypt("p", 4);
    for (const name of ["$2a$", "$2b$", "$2y$"]) {
      expect(await verifyBcrypt("p", hash.replace("$2y$", name))).toBe(true);
      expect(parseHtpasswd(`a:${hash.replace("$2y$", name)}`, "users").size).toBe(1);
    }
  });

  test.each([
    ["", /empty/],
    ["a\0b", /NUL/],
    ["x".repeat(73), /73 bytes/],
  ])("what bcrypt would not take whole is not hashed: %j", (password, why) => {
    expect(hashBcrypt(password, 4)).rejects.toThrow(why);
  });

  test("no password and half a password are wrong ones", async () => {
    const hash = await hashBcrypt("p", 4);
    expect(await verifyBcrypt("", hash)).toBe(false);
    expect(await verifyBcrypt("p\0q", hash)).toBe(false);
    expect(await verifyBcrypt("p", "$2y$04$short")).toBe(false);
  });

  test("the dummy costs what the costliest line costs, and no password is its", async () => {
    const users = new Map([
      ["a", await hashBcrypt("p", 4)],
      ["b", await hashBcrypt("p", 6)],
    ]);
    expect(dummyHash(users)).toStartWith("$2y$06$");
    expect(dummyHash(new Map())).toStartWith("$2y$10$");
    expect(parseHtpasswd(`a:${dummyHash(users)}`, "users").size).toBe(1);
    expect(await verifyBcrypt("p", dummyHash(users))).toBe(false);
  });
});

describe("files", () => {
  test("comments, empty lines, CRLF and names of any script", async () => {
    const text = `# people\r\n\r\n${await line("a", "alice")}\r\n${await line("b", "Bübchen")}\r\n`;
    expect([...parseHtpasswd(text, "users").keys()]).toEqual(["alice", "Bübchen"]);
    expect(parseHtpasswd("", "users").size).toBe(0);
  });

  test.each([
    ["-m", /users:2: an MD5 hash: only bcrypt is taken \(make the line again with 'htpasswd -B'/],
    ["-s", /users:2: a SHA-1 hash/],
    ["-2", /users:2: a SHA-256 hash/],
    ["-5", /users:2: a SHA-512 hash/],
    ["-p", /users:2: no bcrypt hash/],
  ])("other hashes of htpasswd are refused by their line: %s", async (flag, why) => {
    const other = (await run(["htpasswd", "-nb", flag, "bob", "hunter2"])).stdout.trim();
    const told = failure(`${await line("a")}\n${other}\n`);
    expect(told).toMatch(why);
    expect(told).not.toContain(other.slice(4, 20));
    expect(told).not.toContain("hunter2");
  });

  test("damaged lines are refused by their line, and the hash stays unsaid", async () => {
    const good = await line("a");
    expect(failure("alice")).toMatch(/users:1: no NAME:HASH/);
    expect(failure(`:${good.slice(6)}`)).toMatch(/users:1: no NAME:HASH/);
    expect(failure(good.slice(0, -1))).toMatch(/damaged/);
    expect(failure(good.replace("$04$", "$31$"))).toMatch(/too costly/);
    expect(failure(good.replace("$2y$", "$2$"))).toMatch(/faulty/);
    expect(failure(`${good}\n${good}`)).toMatch(/users:2: user "alice" is here twice/);
    expect(failure(good.replace("alice", "*"))).toMatch(/stands for all/);
    expect(failure(good.replace("alice", "a".repeat(256)))).toMatch(/255/);
    expect(failure(`${good}:more`)).toMatch(/damaged/);
  });
});

describe("a file that changes", () => {
  const open = (file: string, log: string[]): Watched<Users> =>
    new Watched(
      file,
      (text) => parseHtpasswd(text, file),
      (said) => log.push(said),
    );

  test("is read again, written in place or replaced; what is unsound does not count", async () => {
    const folder = mkdtempSync(join(tmpdir(), "berth-htpasswd-"));
    const file = join(folder, "users");
    const log: string[] = [];
    writeFileSync(file, `${await line("a")}\n`);
    const watched = open(file, log);
    expect([...watched.value.keys()]).toEqual(["alice"]);
    writeFileSync(file, `${readFileSync(file, "utf8")}${await line("b", "bob")}\n`);
    expect([...watched.value.keys()]).toEqual(["alice", "bob"]);
    writeFileSync(`${file}.new`, `${await line("c", "carol")}\n`);
    renameSync(`${file}.new`, file);
    expect([...watched.value.keys()]).toEqual(["carol"]);
    log.length = 0;
    writeFileSync(file, "carol:plain\n");
    expect([...watched.value.keys()]).toEqual(["carol"]);
    expect([...watched.value.keys()]).toEqual(["carol"]);
    expect(log).toEqual([expect.stringMatching(/users:1: no bcrypt hash.*still counts/)]);
    rmSync(file);
    expect([...watched.value.keys()]).toEqual(["carol"]);
    expect(log).toHaveLength(2);
    rmSync(folder, { recursive: true });
  });

  test("has to be there and sound at first", () => {
    expect(() => open("/nowhere/users", [])).toThrow(/\/nowhere\/users/);
  });
});
