import { BerthError } from "../spec/errors.ts";

/** bcrypt reads no more of a password. */
const MOST_BYTES = 72;
const DEFAULT_COST = 10;

/**
 * True where the password is the one of this bcrypt hash (`$2a$`, `$2b$` or `$2y$`). Takes 2^cost rounds in a thread of its own. Of longer passwords only the first 72 bytes
 * count, as everywhere else. False too for a hash that is none.
 */
export async function verifyBcrypt(password: string, hash: string): Promise<boolean> {
  const bytes = Buffer.from(password);
  // C's bcrypt ends at a NUL: what follows would not count.
  if (bytes.length === 0 || bytes.includes(0)) return false;
  return Bun.password.verify(bytes.subarray(0, MOST_BYTES), hash, "bcrypt").catch(() => false);
}

/** The bcrypt hash of a password as `htpasswd -B` makes it (`$2y$`). Throws `invalid-argument` for what bcrypt would not take whole. */
export async function hashBcrypt(password: string, cost = DEFAULT_COST): Promise<string> {
  const bytes = Buffer.from(password);
  if (bytes.length === 0) throw new BerthError("invalid-argument", "the password is empty");
  if (bytes.includes(0)) throw new BerthError("invalid-argument", "the password has a NUL byte");
  if (bytes.length > MOST_BYTES) {
    throw new BerthError("invalid-argument", `the password has ${bytes.length} bytes`, {
      hint: `bcrypt takes ${MOST_BYTES}`,
    });
  }
  const hash = await Bun.password.hash(bytes, { algorithm: "bcrypt", cost });
  return hash.replace(/^\$2b\$/, "$2y$");
}
