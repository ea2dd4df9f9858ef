import { createHash, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import type { JWK, ProtectedHeaderParameters } from "jose";
import { BerthError } from "../../../../spec/errors.ts";
import { libtrustId } from "./keys.ts";
import type { TrustedKey } from "./verifier.ts";

/** Keys of somebody else's token server, and its certificates. */
export interface TrustedKeys {
  keys: TrustedKey[];
  /** A key that a token carries with certificates that lead to one of these (`x5c`: RFC 7515, section 4.1.6). */
  carried(header: ProtectedHeaderParameters): TrustedKey | undefined;
}

const MOST_KEYS = 100;
const MOST_CHAIN = 5;
const ECDSA: Record<string, string> = { prime256v1: "ES256", secp384r1: "ES384", secp521r1: "ES512" };
const PEM = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]+?-----END \1-----/g;

/** What a file of public keys and certificates in PEM says, or one with a JWK set. Throws `invalid-argument`, also for one that holds secrets. */
export function parseTrustedKeys(text: string, { path, now }: { path: string; now: () => number }): TrustedKeys {
  const { found, certificates } = text.trimStart().startsWith("{") ? fromJwks(path, text) : fromPem(path, text);
  if (found.length === 0) throw invalid(path, "no public key and no certificate", "want PEM, or a JWK set");
  if (found.length > MOST_KEYS) throw invalid(path, `more than ${MOST_KEYS} keys`);
  const keys = found.map(({ key, id }) => trusted(key, id));
  return { keys, carried: (header) => carriedKey(header, certificates, now) };
}

function fromPem(
  path: string,
  text: string,
): { found: { key: KeyObject; id?: string }[]; certificates: X509Certificate[] } {
  const certificates: X509Certificate[] = [];
  const found: { key: KeyObject }[] = [];
  for (const [block, label = ""] of text.matchAll(PEM)) {
    if (label.includes("PRIVATE")) throw invalid(path, "a private key", "give its public key or certificate");
    try {
      if (label === "CERTIFICATE") {
        const certificate = new X509Certificate(block);
        certificates.push(certificate);
        found.push({ key: certificate.publicKey });
      } else found.push({ key: createPublicKey(block) });
    } catch {
      throw invalid(path, `a damaged ${label}`);
    }
  }
  return { found, certificates };
}

function fromJwks(
  path: string,
  text: string,
): { found: { key: KeyObject; id?: string }[]; certificates: X509Certificate[] } {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    throw invalid(path, "no JSON");
  }
  const { keys = [set] } = set as { keys?: unknown[] };
  if (!Array.isArray(keys)) throw invalid(path, "no JWK set");
  const found = keys.map((jwk, i) => {
    const { kid, d, k } = (jwk ?? {}) as Record<string, unknown>;
    if (d !== undefined || k !== undefined) throw invalid(path, "a private key", "give its public part");
    try {
      const key = createPublicKey({ key: jwk as JWK, format: "jwk" });
      return { key, ...(typeof kid === "string" ? { id: kid } : {}) };
    } catch {
      throw invalid(path, `key ${i + 1} is no public JWK`);
    }
  });
  return { found, certificates: [] };
}

function trusted(key: KeyObject, id?: string): TrustedKey {
  const ids = [...(id === undefined ? [] : [id]), libtrustId(key), thumbprint(key)];
  return { key, ids, algorithms: algorithmsOf(key) };
}

/** RFC 7638, section 3: the hash of the members that make the key, in the order of their names. */
function thumbprint(key: KeyObject): string {
  const { crv, e, kty, n, x, y } = key.export({ format: "jwk" });
  return createHash("sha256").update(JSON.stringify({ crv, e, kty, n, x, y })).digest("base64url");
}

/** The algorithms of a key's own kind: no token chooses another. */
function algorithmsOf(key: KeyObject): string[] {
  switch (key.asymmetricKeyType) {
    case "rsa":
      return ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    case "ec":
      return [ECDSA[key.asymmetricKeyDetails?.namedCurve ?? ""] ?? ""].filter((name) => name !== "");
    case "ed25519":
      return ["EdDSA", "Ed25519"];
    default:
      return [];
  }
}

/** The key of the first certificate, where each is vouched for by the next, and the last by one that is trusted or by itself being that. */
function carriedKey(
  { x5c }: ProtectedHeaderParameters,
  roots: readonly X509Certificate[],
  now: () => number,
): TrustedKey | undefined {
  if (!Array.isArray(x5c) || x5c.length === 0 || x5c.length > MOST_CHAIN || roots.length === 0) return undefined;
  let chain: X509Certificate[];
  try {
    chain = x5c.map((der) => new X509Certificate(Buffer.from(String(der), "base64")));
  } catch {
    return undefined;
  }
  const [first] = chain;
  if (!first || !chain.every((certificate) => isCurrent(certificate, now()))) return undefined;
  for (const [i, certificate] of chain.entries()) {
    if (roots.some((root) => root.fingerprint256 === certificate.fingerprint256)) return keyOf(first);
    if (roots.some((root) => isCurrent(root, now()) && vouches(root, certificate))) return keyOf(first);
    const next = chain[i + 1];
    if (!next || !vouches(next, certificate)) return undefined;
  }
  return undefined;
}

function vouches(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function isCurrent({ validFrom, validTo }: X509Certificate, now: number): boolean {
  return Date.parse(validFrom) <= now && now <= Date.parse(validTo);
}

function keyOf({ publicKey }: X509Certificate): TrustedKey {
  return { key: publicKey, ids: [], algorithms: algorithmsOf(publicKey) };
}

function invalid(path: string, why: string, hint?: string): BerthError {
  return new BerthError("invalid-argument", `${path}: ${why}`, hint ? { hint } : {});
}
