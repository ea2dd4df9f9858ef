import { BerthError } from "../../../spec/errors.ts";

/** 22 digits of salt and 31 of hash; the last of each carries bits that are always zero. */
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]$/;
const MOST_COST = 17;
const LEAST_COST = 4;
const MOST_USERS = 100_000;
/** Bytes. */
const MOST_NAME = 255;

/** Users and their bcrypt hashes, in the file's order. */
export type Users = ReadonlyMap<string, string>;

/** Reads a file of `NAME:HASH` lines (Apache's "htpasswd"). Throws `invalid-argument` with the line's number, never its hash. */
export function parseHtpasswd(text: string, path: string): Users {
  const users = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const at = trimmed.indexOf(":");
    const bad = (why: string, hint?: string): BerthError =>
      new BerthError("invalid-argument", `${path}:${index + 1}: ${why}`, hint ? { hint } : {});
    if (at < 1) throw bad("no NAME:HASH", `make lines with 'berth registry user add'`);
    const [name, hash] = [trimmed.slice(0, at), trimmed.slice(at + 1)];
    const wrong = whyNotName(name);
    if (wrong) throw bad(wrong);
    const cost = Number(BCRYPT.exec(hash)?.[1] ?? Number.NaN);
    if (!(cost >= LEAST_COST && cost <= MOST_COST)) throw bad(...whyNotBcrypt(hash));
    if (users.has(name)) throw bad(`user ${JSON.stringify(name)} is here twice`, "remove one of the lines");
    if (users.size >= MOST_USERS) throw bad(`more than ${MOST_USERS} users`);
    users.set(name, hash);
  }
  return users;
}

/** Why this is no user's name; undefined where it is one. Basic authentication has no way to say a colon (RFC 7617, section 2). */
export function whyNotName(name: string): string | undefined {
  if (name === "") return "the user's name is empty";
  if (name === "*") return 'the name "*" stands for all users';
  if (name.includes(":")) return "a user's name has no colon";
  if (Buffer.byteLength(name) > MOST_NAME) return `a user's name has at most ${MOST_NAME} bytes`;
  return /[\x00-\x1f\x7f]/.test(name) ? "a user's name has no control characters" : undefined;
}

/** A hash that no password has, as costly to try as the costliest of these. */
export function dummyHash(users: Users): string {
  const costs = [...users.values()].map((hash) => Number(BCRYPT.exec(hash)?.[1] ?? LEAST_COST));
  const cost = costs.length === 0 ? 10 : costs.reduce((a, b) => Math.max(a, b));
  return `$2y$${String(cost).padStart(2, "0")}$${".".repeat(53)}`;
}

function whyNotBcrypt(hash: string): [string, string] {
  const kinds: [RegExp, string][] = [
    [/^\$apr1\$/, "an MD5 hash"],
    [/^\{SHA\}/, "a SHA-1 hash"],
    [/^\$5\$/, "a SHA-256 hash"],
    [/^\$6\$/, "a SHA-512 hash"],
    [/^\$2x?\$/, "a hash of a faulty bcrypt"],
    [/^\$2[aby]\$/, "a damaged or too costly bcrypt hash"],
  ];
  const kind = kinds.find(([pattern]) => pattern.test(hash))?.[1] ?? "no bcrypt hash";
  return [`${kind}: only bcrypt is taken`, "make the line again with 'htpasswd -B' or 'berth registry user add'"];
}
