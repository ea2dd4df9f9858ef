import { createHash, type KeyObject } from "node:crypto";
import { errors, type JWTPayload, jwtVerify, type ProtectedHeaderParameters } from "jose";
import { type Access, accessClaim } from "./scope.ts";

/** A key whose signatures are believed. */
export interface TrustedKey {
  key: KeyObject;
  /** Names that a token may call it by (`kid`). */
  ids: readonly string[];
  /** The algorithms that are the key's own: never one that would take a public key for a secret. */
  algorithms: readonly string[];
}

/** What a good token says. `user` is empty for anonymous. */
export interface VerifiedToken {
  user: string;
  access: readonly Access[];
  payload: JWTPayload;
}

/** A token that is not believed; the message is for its bearer and holds nothing of it. */
export class TokenRefused extends Error {}

/** What tokens have to be. `type` is `typ` of their header; undefined: any. `now` in milliseconds since 1970. */
export interface VerifierOptions {
  /** Another list means that keys have changed. */
  keys: () => readonly TrustedKey[];
  /** Keys that a token brings with it, where somebody whom we trust stands for them. */
  carried?: (header: ProtectedHeaderParameters) => TrustedKey | undefined;
  issuer: string;
  audience: string;
  type?: string;
  now: () => number;
}

/** For clocks that differ, in seconds. */
const LEEWAY = 60;
const MOST_TOKEN = 16 << 10;
const MOST_TRIED = 16;
const MOST_REMEMBERED = 1000;

/** Verifies tokens (RFC 7519, section 7.2): key and algorithm, issuer, audience, times. A good one is remembered, by its hash, until it ends or the keys change. */
export class TokenVerifier {
  readonly #good = new Map<string, { verified: VerifiedToken; until: number; keys: readonly TrustedKey[] }>();

  constructor(private readonly options: VerifierOptions) {}

  /** Throws TokenRefused. */
  async verify(token: string): Promise<VerifiedToken> {
    if (token.length > MOST_TOKEN) throw new TokenRefused("the token is too large");
    const key = createHash("sha256").update(token).digest("base64");
    const keys = this.options.keys();
    const known = this.#good.get(key);
    if (known && known.until > this.options.now() && known.keys === keys) return known.verified;
    this.#good.delete(key);
    const payload = await this.#payload(token);
    const access = accessClaim(payload["access"]);
    if (!access) throw new TokenRefused("the token's access is no list of grants");
    const verified = { user: payload.sub ?? "", access, payload };
    this.#good.set(key, { verified, until: ((payload.exp ?? 0) + LEEWAY) * 1000, keys });
    const oldest = this.#good.keys().next();
    if (this.#good.size > MOST_REMEMBERED && !oldest.done) this.#good.delete(oldest.value);
    return verified;
  }

  async #payload(token: string): Promise<JWTPayload> {
    const { issuer, audience, type, now } = this.options;
    let failed: unknown;
    for (const { key, algorithms } of this.#candidates(token)) {
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: [...algorithms],
          issuer,
          audience,
          clockTolerance: LEEWAY,
          currentDate: new Date(now()),
          requiredClaims: ["exp"],
          ...(type ? { typ: type } : {}),
        });
        return payload;
      } catch (error) {
        failed = error;
        // Another key has other signatures, and another algorithm; all else is the same with it.
        if (!(error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JOSEAlgNotAllowed))
          break;
      }
    }
    throw refused(failed);
  }

  #candidates(token: string): readonly TrustedKey[] {
    const header = headerOf(token);
    if (!header) return [];
    const carried = this.options.carried?.(header);
    if (carried) return [carried];
    const { kid, alg = "" } = header;
    const fitting = this.options.keys().filter((key) => key.algorithms.includes(alg));
    const named = fitting.filter(({ ids }) => typeof kid === "string" && ids.includes(kid));
    return (named.length > 0 ? named : fitting).slice(0, MOST_TRIED);
  }
}

function headerOf(token: string): ProtectedHeaderParameters | undefined {
  try {
    const header: unknown = JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString());
    return typeof header === "object" && header !== null ? (header as ProtectedHeaderParameters) : undefined;
  } catch {
    return undefined;
  }
}

function refused(error: unknown): TokenRefused {
  if (error instanceof errors.JWTExpired) return new TokenRefused("the token has expired");
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === "aud") return new TokenRefused("the token is for another service");
    if (error.claim === "iss") return new TokenRefused("the token is of another issuer");
    if (error.claim === "nbf") return new TokenRefused("the token is not valid yet; do the clocks agree?");
    if (error.claim === "typ") return new TokenRefused("the token is for another use");
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return new TokenRefused("the token's signature is wrong");
  return new TokenRefused("the token is damaged, or signed in a way that is not taken here");
}
