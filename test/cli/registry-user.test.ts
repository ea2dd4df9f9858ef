import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunOutcome, run } from "../../src/host/spawn.ts";
import { onTerminal } from "./pty.ts";

setDefaultTimeout(300_000);
const BERTH = [process.execPath, join(import.meta.dir, "../../src/main.ts")];
let folder = "";
let file = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-users-"));
  file = join(folder, "users");
});
afterEach(() => rmSync(folder, { recursive: true }));

const users = (verb: string, args: string[], input = ""): Promise<RunOutcome> =>
  run([...BERTH, "registry", "user", verb, ...args], { input });
const add = (user: string, password: string): Promise<RunOutcome> =>
  users("add", ["--password-stdin", file, user], password);
const knows = async (user: string, password: string): Promise<boolean> =>
  (await run(["htpasswd", "-vb", file, user, password])).code === 0;

test("add, change, list and remove, as htpasswd would", async () => {
  expect(await add("alice", "wonderland\n")).toMatchObject({ code: 0, stdout: "Added alice\n", stderr: "" });
  expect((await add("bob", " builder \r\n")).code).toBe(0);
  expect(await knows("alice", "wonderland")).toBe(true);
  expect(await knows("bob", " builder ")).toBe(true);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, "utf8")).toMatch(/^alice:\$2y\$10\$\S{53}\nbob:\$2y\$10\$\S{53}\n$/);
  expect((await add("alice", "looking-glass")).stdout).toBe("Changed the password of alice\n");
  expect([await knows("alice", "wonderland"), await knows("alice", "looking-glass")]).toEqual([false, true]);
  expect((await users("ls", [file])).stdout).toBe("alice\nbob\n");
  expect((await users("rm", [file, "alice"])).stdout).toBe("alice\n");
  expect((await users("ls", [file])).stdout).toBe("bob\n");
  expect(await users("rm", [file, "alice"])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/no user "alice"/),
  });
});

test("htpasswd's own file: comments, order, owner, mode and a link to it stay", async () => {
  await run(["htpasswd", "-bBc", "-C", "4", file, "carol", "carols"]);
  const carol = readFileSync(file, "utf8");
  writeFileSync(file, `# people\n${carol}\n# machines\n`);
  chmodSync(file, 0o640);
  chownSync(file, 65534, 65534);
  const link = join(folder, "link");
  symlinkSync("users", link);
  expect((await users("add", ["--password-stdin", link, "dave"], "daves")).code).toBe(0);
  expect(readlinkSync(link)).toBe("users");
  expect(readFileSync(file, "utf8")).toMatch(
    new RegExp(`^# people\\n${carol.replace(/[$.]/g, "\\$&")}\\n# machines\\ndave:`),
  );
  const { mode, uid, gid } = statSync(file);
  expect([mode & 0o7777, uid, gid]).toEqual([0o640, 65534, 65534]);
  expect(readdirSync(folder).sort()).toEqual(["link", "users"]);
});

test("many at once lose nobody", async () => {
  const names = Array.from({ length: 6 }, (_, i) => `user${i}`);
  const outcomes = await Promise.all(names.map((name) => add(name, `password of ${name}`)));
  expect(outcomes.map(({ code, stderr }) => `${code}${stderr}`)).toEqual(names.map(() => "0"));
  expect((await users("ls", [file])).stdout.trim().split("\n").sort()).toEqual(names);
});

describe("refused, and the file stays as it was", () => {
  test.each<[string, string, RegExp]>([
    ["a:b", "p", /a user's name has no colon/],
    ["", "p", /the user's name is empty/],
    ["*", "p", /stands for all users/],
    ["a\nb", "p", /no control characters/],
    ["alice", "", /the password is empty/],
    ["alice", "x".repeat(73), /the password has 73 bytes \(bcrypt takes 72\)/],
    ["alice", "x".repeat(5000), /more than 4096 bytes/],
  ])("case %#: user %j", async (user, password, why) => {
    const told = await add(user, password);
    expect(told.code).not.toBe(0);
    expect(told.stderr).toMatch(why);
    expect(told.stderr.trim().split("\n")).toHaveLength(1);
    expect(existsSync(file)).toBe(false);
  });

  test("a file of other hashes, and one that is not there", async () => {
    writeFileSync(file, "old:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=\n");
    expect((await add("alice", "p")).stderr).toMatch(/users:1: a SHA-1 hash: only bcrypt is taken/);
    expect(readFileSync(file, "utf8")).toBe("old:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=\n");
    expect((await users("ls", [join(folder, "nowhere")])).stderr).toMatch(/nowhere: no such file/);
    const nowhere = join(folder, "no/such/folder");
    expect((await users("add", ["--password-stdin", nowhere, "alice"], "p")).stderr).toMatch(/no\/such\/folder/);
  });

  test("no terminal and no --password-stdin", async () => {
    expect((await users("add", [file, "alice"], "secret")).stderr).toMatch(/use --password-stdin/);
    expect(existsSync(file)).toBe(false);
  });
});

describe("on a terminal", () => {
  test("asked for twice, never shown", async () => {
    const terminal = onTerminal([...BERTH, "registry", "user", "add", file, "alice"]);
    await terminal.until("Password: ");
    terminal.type("wonderland\r");
    await terminal.until("Password again: ");
    terminal.type("wonderlanf\x7fd\r");
    await terminal.until("Added alice");
    expect(await terminal.ended()).toBe(0);
    expect(terminal.output()).not.toContain("wonder");
    expect(await knows("alice", "wonderland")).toBe(true);
  });

  test("two that differ are none", async () => {
    const terminal = onTerminal([...BERTH, "registry", "user", "add", file, "alice"]);
    await terminal.until("Password: ");
    terminal.type("wonderland\r");
    await terminal.until("Password again: ");
    terminal.type("looking-glass\r");
    await terminal.until("the two passwords differ");
    expect(await terminal.ended()).toBe(1);
    expect(existsSync(file)).toBe(false);
  });
});
