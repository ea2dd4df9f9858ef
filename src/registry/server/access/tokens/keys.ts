import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
} from "node:crypto";
import { chmodSync, linkSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { ensureDir, fsyncPath, writeAtomic } from "../../../../host/files.ts";
import { BerthError, errnoOf, fromErrno } from "../../../../spec/errors.ts";

/** What signs tokens: ES256 (RFC 7518, section 3.4). */
export interface SigningKey {
  privateKey: KeyObject;
  publicKey: KeyObject;
  /** See `libtrustId`. */
  id: string;
}

/**
 * The key of this file, P-256 in PEM; made, readable by its owner alone, where there is none. Of several registries that begin at once over one folder the first one's stays,
 * and all have it. A kill leaves no half of a key. Throws `invalid-argument` for a file that holds no such key.
 */
export function signingKey(path: string): SigningKey {
  const pem = readKey(path) ?? makeKey(path);
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch {
    throw badKey(path);
  }
  if (privateKey.asymmetricKeyType !== "ec" || privateKey.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
    throw badKey(path);
  }
  const publicKey = createPublicKey(privateKey);
  return { privateKey, publicKey, id: libtrustId(publicKey) };
}

/** A key's name in tokens as docker-registry looks for it: 240 bits of the SHA-256 of its DER form, in base 32, by fours (libtrust, "Key ID"). */
export function libtrustId(key: KeyObject): string {
  const hash = createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest();
  const bits = [...hash.subarray(0, 30)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const digits = (bits.match(/.{5}/g) ?? []).map(
    (five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[Number.parseInt(five, 2)],
  );
  return (digits.join("").match(/.{4}/g) ?? []).join(":");
}

function readKey(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw fromErrno(error, path);
  }
}

function makeKey(path: string): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const made = `${path}.${randomUUID()}.new`;
  try {
    ensureDir(dirname(path), 0o700);
    writeAtomic(made, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600, durable: true });
    chmodSync(made, 0o600);
    try {
      linkSync(made, path);
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    }
    fsyncPath(dirname(path));
    return readFileSync(path, "utf8");
  } catch (error) {
    throw fromErrno(error, path);
  } finally {
    rmSync(made, { force: true });
  }
}

function badKey(path: string): BerthError {
  return new BerthError("invalid-argument", `${path}: no private key of the curve P-256 in PEM`, {
    hint: "move it away, and a key is made at the next start; all who are logged in have to do it again then",
  });
}
