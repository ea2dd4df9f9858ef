import { expect, test } from "bun:test";
import { hashBcrypt } from "../../../host/password.ts";
import { RegistryError } from "../errors.ts";
import { Passwords } from "./passwords.ts";

const alice = await hashBcrypt("wonderland", 4);
const other = await hashBcrypt("looking-glass", 4);

function setUp(): { passwords: Passwords; users: Map<string, string>; log: string[]; advance: (ms: number) => void } {
  let now = 0;
  const users = new Map([["alice", alice]]);
  const log: string[] = [];
  const passwords = new Passwords({ users: () => users, log: (line) => log.push(line), now: () => now });
  return { passwords, users, log, advance: (ms) => (now += ms) };
}

const from = (password: string, user = "alice", address = "192.0.2.1") => ({ user, password, address });

async function refusal(attempt: Promise<boolean>): Promise<RegistryError> {
  const error: unknown = await attempt.catch((e: unknown) => e);
  if (error instanceof RegistryError) return error;
  throw new Error(`not refused: ${String(error)}`);
}

test("right, wrong, unknown", async () => {
  const { passwords, log } = setUp();
  expect(await passwords.check(from("wonderland"))).toBe(true);
  expect(await passwords.check(from("Wonderland"))).toBe(false);
  expect(await passwords.check(from(""))).toBe(false);
  expect(await passwords.check(from("wonderland", "bob"))).toBe(false);
  expect(await passwords.check(from("wonderland", "__proto__"))).toBe(false);
  expect(log).toHaveLength(4);
  expect(log.join()).not.toMatch(/wonderland|alice|bob/i);
});

test("a changed line counts at once, remembered or not", async () => {
  const { passwords, users } = setUp();
  expect(await passwords.check(from("wonderland"))).toBe(true);
  users.set("alice", other);
  expect(await passwords.check(from("wonderland"))).toBe(false);
  expect(await passwords.check(from("looking-glass"))).toBe(true);
  users.delete("alice");
  expect(await passwords.check(from("looking-glass"))).toBe(false);
});

test("guesses are stopped; who knows the password and came before is not", async () => {
  const { passwords, advance } = setUp();
  expect(await passwords.check(from("wonderland"))).toBe(true);
  const guesses = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => passwords.check(from(`guess ${i}`))));
  expect(guesses.filter((g) => g.status === "fulfilled" && !g.value)).toHaveLength(10);
  const refused = await refusal(passwords.check(from("guess 99")));
  expect(refused.status).toBe(429);
  expect(refused.headers["Retry-After"]).toBe("6");
  expect(refused.message).not.toContain("guess");
  expect(await passwords.check(from("wonderland"))).toBe(true);
  expect(await passwords.check(from("guess 99", "alice", "192.0.2.2"))).toBe(false);
  advance(6000);
  expect(await passwords.check(from("guess 99"))).toBe(false);
});

test("the same wrong password again and again is one failure", async () => {
  const { passwords, log } = setUp();
  const tries = await Promise.all(Array.from({ length: 100 }, () => passwords.check(from("old"))));
  expect(tries.every((good) => !good)).toBe(true);
  for (let i = 0; i < 100; i++) expect(await passwords.check(from("old"))).toBe(false);
  expect(log).toHaveLength(1);
});

test("a burst of different logins is hashed two at a time, and past a limit told to come again", async () => {
  const { passwords } = setUp();
  const attempts = Array.from({ length: 200 }, (_, i) => passwords.check(from(`guess ${i}`, "alice", `192.0.2.${i}`)));
  const done = await Promise.allSettled(attempts);
  const busy = done.filter((d) => d.status === "rejected");
  expect(busy).toHaveLength(200 - 66);
  expect(busy.map((d) => (d.reason as RegistryError).status)).toEqual(busy.map(() => 429));
  // Nobody of those is held to have guessed, and the queue is empty again.
  expect(await passwords.check(from("wonderland", "alice", "192.0.2.199"))).toBe(true);
});
