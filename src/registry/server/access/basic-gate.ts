import type { RegistryError } from "../errors.ts";
import type { Caller, Wish } from "../types.ts";
import { authorizationOf } from "./authorization.ts";
import type { AccessGate } from "./gate.ts";
import type { Passwords } from "./passwords.ts";
import type { Peers } from "./peers.ts";
import { denied, quotedParam, unauthorized } from "./refusal.ts";
import type { Rules } from "./rules.ts";

/** What it is made of. `realm` is shown to people. */
export interface BasicParts {
  rules: Rules;
  peers: Peers;
  passwords: Passwords;
  realm: string;
}

/** Name and password with each request (RFC 7617). */
export class BasicGate implements AccessGate {
  readonly mode = "basic";

  constructor(private readonly parts: BasicParts) {}

  seen(request: Request, peer: string): void {
    this.parts.peers.seen(request, peer);
  }

  async admit(request: Request, wishes: readonly Wish[]): Promise<Caller> {
    const { rules } = this.parts;
    const user = await this.#user(request, wishes);
    const refused = wishes.find((wish) => !rules.may(user, wish));
    if (refused) throw denied(user, refused);
    return { user, may: (wish) => rules.may(user, wish) };
  }

  async #user(request: Request, wishes: readonly Wish[]): Promise<string> {
    const said = authorizationOf(request);
    const refuse = (message: string): RegistryError =>
      unauthorized(message, {
        challenge: `Basic ${quotedParam("realm", this.parts.realm)}, charset="UTF-8"`,
        wishes,
      });
    if (said.kind === "none") throw refuse("authentication required");
    if (said.kind === "bad") throw refuse(said.why);
    if (said.kind === "bearer") throw refuse("this registry takes name and password, no token");
    const { user, password } = said;
    const good = await this.parts.passwords.check({ user, password, address: this.parts.peers.of(request) });
    if (!good) throw refuse("incorrect username or password");
    return user;
  }
}
