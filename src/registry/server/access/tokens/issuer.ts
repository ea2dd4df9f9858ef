import { createHash, randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import type { SigningKey } from "./keys.ts";
import type { Access } from "./scope.ts";
import { TokenRefused, TokenVerifier } from "./verifier.ts";

const ALGORITHM = "ES256";
/** `typ` of identity tokens: they are never taken for the others, nor those for these. */
const REFRESH_TYPE = "refresh+jwt";

/** What it signs with, and for how long. Seconds; `now` in milliseconds since 1970; `hashOf` is a user's line in the file of passwords. */
export interface IssuerOptions {
  key: SigningKey;
  name: string;
  service: string;
  tokenSeconds: number;
  refreshSeconds: number;
  hashOf: (user: string) => string | undefined;
  now: () => number;
}

/** A token and what its owner is told of it. */
export interface IssuedToken {
  token: string;
  expiresIn: number;
  /** RFC 3339. */
  issuedAt: string;
}

/** Signs tokens, and knows its own again. Access tokens hold what may be done; identity tokens only who it is, until the user's password is another. */
export class Issuer {
  readonly tokens: TokenVerifier;
  readonly #identities: TokenVerifier;

  constructor(private readonly options: IssuerOptions) {
    const { key, name, service, now } = options;
    const keys = [{ key: key.publicKey, ids: [key.id], algorithms: [ALGORITHM] }];
    const common = { keys: () => keys, issuer: name, audience: service, now };
    this.tokens = new TokenVerifier({ ...common, type: "JWT" });
    this.#identities = new TokenVerifier({ ...common, type: REFRESH_TYPE });
  }

  /** A token for this user (empty: anonymous) and access. */
  async access(user: string, access: readonly Access[]): Promise<IssuedToken> {
    const { tokenSeconds, now } = this.options;
    const issued = Math.floor(now() / 1000);
    const token = await this.#sign("JWT", { user, issued, seconds: tokenSeconds, claims: { access } });
    return { token, expiresIn: tokenSeconds, issuedAt: new Date(issued * 1000).toISOString().replace(".000Z", "Z") };
  }

  /** A token that says who this is. */
  async identity(user: string): Promise<string> {
    const issued = Math.floor(this.options.now() / 1000);
    const claims = { pwd: this.#fingerprint(user) };
    return this.#sign(REFRESH_TYPE, { user, issued, seconds: this.options.refreshSeconds, claims });
  }

  /** Whose identity token this is. Throws TokenRefused; so too where the password is another since, or the user has gone. */
  async userOf(identityToken: string): Promise<string> {
    const { user, payload } = await this.#identities.verify(identityToken);
    const wanted = this.#fingerprint(user);
    if (wanted === undefined || payload["pwd"] !== wanted) throw new TokenRefused("the password has changed since");
    return user;
  }

  /** Tells passwords apart without telling them: a hash of the salted hash. */
  #fingerprint(user: string): string | undefined {
    const hash = this.options.hashOf(user);
    if (hash === undefined) return undefined;
    return createHash("sha256")
      .update(JSON.stringify([user, hash]))
      .digest("base64url")
      .slice(0, 22);
  }

  #sign(
    type: string,
    { user, issued, seconds, claims }: { user: string; issued: number; seconds: number; claims: object },
  ): Promise<string> {
    const { key, name, service } = this.options;
    return new SignJWT({ ...claims })
      .setProtectedHeader({ typ: type, alg: ALGORITHM, kid: key.id })
      .setIssuer(name)
      .setSubject(user)
      .setAudience(service)
      .setIssuedAt(issued)
      .setNotBefore(issued)
      .setExpirationTime(issued + seconds)
      .setJti(randomUUID())
      .sign(key.privateKey);
  }
}
