import type { RegistryError } from "../errors.ts";
import type { Caller, Wish } from "../types.ts";
import { authorizationOf } from "./authorization.ts";
import type { AccessGate } from "./gate.ts";
import type { Passwords } from "./passwords.ts";
import type { Peers } from "./peers.ts";
import { denied, quotedParam, unauthorized } from "./refusal.ts";
import type { Rules } from "./rules.ts";
import { grants, scopeFor } from "./tokens/scope.ts";
import { TokenRefused, type TokenVerifier, type VerifiedToken } from "./tokens/verifier.ts";

/** What it is made of. */
export interface TokenParts {
  peers: Peers;
  /** What tokens may be used for, besides what they say themselves. */
  rules: Rules;
  /** What may be done without any. */
  open: Rules;
  verifier: TokenVerifier;
  service: string;
  /** Where clients get tokens; by default `/token` of the host that a client has asked. */
  realm: (request: Request) => string;
  /** With a token server of our own. */
  own?: {
    passwords: Passwords;
    exists: (user: string) => boolean;
    answer: (request: Request) => Promise<Response>;
  };
}

/**
 * Tokens with each request (RFC 6750; distribution, "Token Authentication Specification"). Where the token server is our own, name and password do as well, and who has gone
 * from the file of users has no token any more. What the rules let everybody do needs nothing.
 */
export class TokenGate implements AccessGate {
  readonly mode = "token";
  readonly token?: (request: Request) => Promise<Response>;

  constructor(private readonly parts: TokenParts) {
    const { own } = parts;
    if (own) this.token = (request) => own.answer(request);
  }

  seen(request: Request, peer: string): void {
    this.parts.peers.seen(request, peer);
  }

  async admit(request: Request, wishes: readonly Wish[]): Promise<Caller> {
    const said = authorizationOf(request);
    if (said.kind === "none") return this.#anonymous(request, wishes);
    if (said.kind === "bad") throw this.#refuse(request, { wishes, message: said.why });
    if (said.kind === "bearer") return this.#bearer(request, { wishes, token: said.token });
    return this.#basic(request, { wishes, user: said.user, password: said.password });
  }

  #anonymous(request: Request, wishes: readonly Wish[]): Caller {
    const { open } = this.parts;
    // A client begins with `/v2/` to be told where tokens are to be had: it may want more than anonymous ones may do.
    if (wishes.length === 0 || !wishes.every((wish) => open.may("", wish))) {
      throw this.#refuse(request, { wishes, message: "authentication required" });
    }
    return { user: "", may: (wish) => open.may("", wish) };
  }

  async #basic(
    request: Request,
    { wishes, user, password }: { wishes: readonly Wish[]; user: string; password: string },
  ): Promise<Caller> {
    const { own, peers, rules } = this.parts;
    if (!own) throw this.#refuse(request, { wishes, message: "this registry takes tokens, no name and password" });
    if (!(await own.passwords.check({ user, password, address: peers.of(request) }))) {
      throw this.#refuse(request, { wishes, message: "incorrect username or password" });
    }
    const refused = wishes.find((wish) => !rules.may(user, wish));
    if (refused) throw denied(user, refused);
    return { user, may: (wish) => rules.may(user, wish) };
  }

  async #bearer(request: Request, { wishes, token }: { wishes: readonly Wish[]; token: string }): Promise<Caller> {
    const { rules } = this.parts;
    const { user, access } = await this.#verified(request, { wishes, token });
    const forbidden = wishes.find((wish) => !rules.may(user, wish));
    if (forbidden && user !== "") throw denied(user, forbidden);
    if (forbidden || !wishes.every((wish) => grants(access, wish))) {
      const message = user === "" ? "authentication required" : "the token is not for this";
      throw this.#refuse(request, { wishes, message, error: "insufficient_scope" });
    }
    // A list's token says nothing of the repositories in it.
    const listing = wishes.some(({ action }) => action === "catalog");
    return { user, may: (wish) => rules.may(user, wish) && (listing || grants(access, wish)) };
  }

  async #verified(
    request: Request,
    { wishes, token }: { wishes: readonly Wish[]; token: string },
  ): Promise<VerifiedToken> {
    const { verifier, own } = this.parts;
    try {
      const verified = await verifier.verify(token);
      if (own && verified.user !== "" && !own.exists(verified.user)) throw new TokenRefused("the user has gone");
      return verified;
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error;
      throw this.#refuse(request, { wishes, message: error.message, error: "invalid_token" });
    }
  }

  #refuse(
    request: Request,
    { wishes, message, error }: { wishes: readonly Wish[]; message: string; error?: string },
  ): RegistryError {
    const { realm, service } = this.parts;
    const scope = scopeFor(wishes);
    const params = [
      quotedParam("realm", realm(request)),
      quotedParam("service", service),
      ...(scope === "" ? [] : [quotedParam("scope", scope)]),
      ...(error ? [quotedParam("error", error)] : []),
    ];
    return unauthorized(message, { challenge: `Bearer ${params.join(",")}`, wishes });
  }
}
