import type { Caller, Wish } from "../types.ts";
import type { AccessGate } from "./gate.ts";
import { denied } from "./refusal.ts";
import type { Rules } from "./rules.ts";

/** Nobody is asked who they are: all are anonymous, and may do what the rules give those. */
export class OpenGate implements AccessGate {
  readonly mode = "none";

  constructor(private readonly rules: Rules) {}

  seen(): void {}

  async admit(_request: Request, wishes: readonly Wish[]): Promise<Caller> {
    const refused = wishes.find((wish) => !this.rules.may("", wish));
    if (refused) throw denied("", refused);
    return { user: "", may: (wish) => this.rules.may("", wish) };
  }
}
