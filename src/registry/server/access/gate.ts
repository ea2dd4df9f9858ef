import { BerthError } from "../../../spec/errors.ts";
import type { Gate } from "../types.ts";
import { BasicGate } from "./basic-gate.ts";
import { checkAccess } from "./check.ts";
import type { AccessConfig } from "./config.ts";
import { parseHtpasswd } from "./htpasswd.ts";
import { OpenGate } from "./open-gate.ts";
import { Passwords } from "./passwords.ts";
import { Peers } from "./peers.ts";
import { type Rules, rulesOf } from "./rules.ts";
import { Watched } from "./watched.ts";

/** A gate that also wants to know where requests come from. */
export interface AccessGate extends Gate {
  readonly mode: "none" | "basic" | "token";
  /** Call it with each request's peer before the request is answered: guesses are counted by address. */
  seen(request: Request, peer: string): void;
}

/** The registry's gate. Throws `invalid-argument` for settings that do not go together, and for files that are not sound; nothing is listened to or left behind then. */
export async function openGate(config: AccessConfig, { log }: { log: (line: string) => void }): Promise<AccessGate> {
  checkAccess(config);
  const rules = rulesOf(config, { users: config.htpasswd !== undefined || config.trust !== undefined });
  const mode = modeOf(config, rules);
  const peers = new Peers(config.proxies ?? []);
  if (mode === "none") return new OpenGate(rules);
  const { htpasswd } = config;
  if (mode === "basic" && htpasswd !== undefined) {
    const users = new Watched(htpasswd, (text) => parseHtpasswd(text, htpasswd), log);
    const passwords = new Passwords({ users: () => users.value, log });
    return new BasicGate({ rules, peers, passwords, realm: config.realm ?? "registry" });
  }
  throw new BerthError("not-implemented", "access: tokens are not served yet");
}

function modeOf(config: AccessConfig, rules: Rules): AccessGate["mode"] {
  if (config.mode) return config.mode;
  if (config.trust || config.issuer) return "token";
  if (config.htpasswd === undefined) return "none";
  return rules.anonymous ? "token" : "basic";
}
