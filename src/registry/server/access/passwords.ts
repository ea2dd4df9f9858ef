import { createHmac, randomBytes } from "node:crypto";
import { verifyBcrypt } from "../../../host/password.ts";
import { RegistryError } from "../errors.ts";
import { dummyHash, type Users } from "./htpasswd.ts";
import { Throttle } from "./throttle.ts";

const GOOD_MS = 60_000;
const BAD_MS = 10_000;
const MOST_REMEMBERED = 10_000;
/** Threads that hash at once: the other cores serve blobs. */
const MOST_HASHING = 2;
const MOST_WAITING = 64;

/** A name and password, and the address that they come from. */
export interface Attempt {
  user: string;
  password: string;
  address: string;
}

/** Where the users are, and who is told of what. `now` is a clock in milliseconds. */
export interface PasswordOptions {
  users: () => Users;
  log: (line: string) => void;
  now?: () => number;
}

/**
 * Says whether passwords are right. An answer is remembered for a minute (a wrong one for ten seconds) under a keyed hash of name, password and the file's line, so that a
 * changed line is asked anew. A name that is unknown takes as long as a wrong password. Of each address only so many wrong ones are tried; the same again is not tried, and
 * does not count. Memory is bounded.
 */
export class Passwords {
  readonly #secret = randomBytes(32);
  readonly #known = new Map<string, { good: boolean; until: number }>();
  readonly #flights = new Map<string, Promise<boolean>>();
  readonly #dummies = new WeakMap<Users, string>();
  readonly #waiting: (() => void)[] = [];
  readonly #throttle: Throttle;
  readonly #now: () => number;
  #hashing = 0;

  constructor(private readonly options: PasswordOptions) {
    this.#now = options.now ?? (() => performance.now());
    this.#throttle = new Throttle(this.#now);
  }

  /** Throws TOOMANYREQUESTS, with `Retry-After`, for one who guesses, and where too much is under way. */
  async check(attempt: Attempt): Promise<boolean> {
    const users = this.options.users();
    const line = users.get(attempt.user);
    const hash = line ?? this.#dummy(users);
    const key = this.#key(attempt, hash);
    const known = this.#known.get(key);
    if (known && known.until > this.#now()) return known.good;
    const flight = this.#flights.get(key);
    if (flight) return flight;
    const wait = this.#throttle.take(attempt.address);
    if (wait > 0) throw tooMany("too many wrong passwords from your address", wait);
    const begun = this.#try(attempt, { hash, key, exists: line !== undefined });
    this.#flights.set(key, begun);
    try {
      return await begun;
    } finally {
      this.#flights.delete(key);
    }
  }

  async #try(
    { password, address }: Attempt,
    { hash, key, exists }: { hash: string; key: string; exists: boolean },
  ): Promise<boolean> {
    let good = false;
    try {
      await this.#turn();
      const right = await verifyBcrypt(password, hash).finally(() => this.#next());
      good = right && exists;
    } catch (error) {
      this.#throttle.forgive(address);
      throw error;
    }
    if (good) this.#throttle.forgive(address);
    else this.options.log(`refused a password from ${address || "an unknown address"}`);
    this.#remember(key, good);
    return good;
  }

  async #turn(): Promise<void> {
    if (this.#hashing < MOST_HASHING) {
      this.#hashing++;
      return;
    }
    if (this.#waiting.length >= MOST_WAITING) throw tooMany("too many logins at once", 1000);
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Hands the turn on. */
  #next(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#hashing--;
  }

  #remember(key: string, good: boolean): void {
    this.#known.delete(key);
    this.#known.set(key, { good, until: this.#now() + (good ? GOOD_MS : BAD_MS) });
    const oldest = this.#known.keys().next();
    if (this.#known.size > MOST_REMEMBERED && !oldest.done) this.#known.delete(oldest.value);
  }

  #key({ user, password }: Attempt, hash: string): string {
    return createHmac("sha256", this.#secret)
      .update(JSON.stringify([user, password, hash]))
      .digest("base64");
  }

  #dummy(users: Users): string {
    const known = this.#dummies.get(users);
    if (known) return known;
    const made = dummyHash(users);
    this.#dummies.set(users, made);
    return made;
  }
}

function tooMany(why: string, waitMs: number): RegistryError {
  const seconds = Math.ceil(waitMs / 1000);
  return new RegistryError("TOOMANYREQUESTS", `${why}; try again in ${seconds} s`, {
    headers: { "Retry-After": String(seconds) },
  });
}
