import { join } from "node:path";
import { BerthError } from "../../../spec/errors.ts";
import type { Gate } from "../types.ts";
import { BasicGate } from "./basic-gate.ts";
import { checkAccess } from "./check.ts";
import type { AccessConfig, TrustConfig } from "./config.ts";
import { parseHtpasswd, type Users } from "./htpasswd.ts";
import { OpenGate } from "./open-gate.ts";
import { Passwords } from "./passwords.ts";
import { Peers } from "./peers.ts";
import { Rules, rulesOf } from "./rules.ts";
import { TokenGate } from "./token-gate.ts";
import { answerToken } from "./tokens/endpoint.ts";
import { Issuer } from "./tokens/issuer.ts";
import { signingKey } from "./tokens/keys.ts";
import { parseTrustedKeys } from "./tokens/trusted-keys.ts";
import { TokenVerifier } from "./tokens/verifier.ts";
import { Watched } from "./watched.ts";

/** A gate that also wants to know where requests come from. */
export interface AccessGate extends Gate {
  readonly mode: "none" | "basic" | "token";
  /** Call it with each request's peer before the request is answered: guesses are counted by address. */
  seen(request: Request, peer: string): void;
}

/** Where it says what happens, where it keeps a key that it makes for itself, and its clock (milliseconds since 1970). */
export interface GateOptions {
  log: (line: string) => void;
  folder: string;
  now?: () => number;
}

const SERVICE = "berth-registry";
const REALM = "registry";
const TOKEN_SECONDS = 300;
const REFRESH_SECONDS = 90 * 86_400;

/** The registry's gate. Throws `invalid-argument` for settings that do not go together, and for files that are not sound; of those it makes a missing key only. */
export async function openGate(config: AccessConfig, options: GateOptions): Promise<AccessGate> {
  checkAccess(config);
  const rules = rulesOf(config, { users: config.htpasswd !== undefined });
  const mode = modeOf(config, rules);
  if (mode === "none") return new OpenGate(rules);
  const peers = new Peers(config.proxies ?? []);
  const { htpasswd, trust, realm = REALM } = config;
  if (mode === "token" && trust) return foreignTokens({ ...config, trust }, peers, options);
  if (htpasswd === undefined) throw new BerthError("invalid-argument", `access: mode ${mode} needs htpasswd`);
  const users = new Watched(htpasswd, (text) => parseHtpasswd(text, htpasswd), options.log);
  const passwords = new Passwords({ users: () => users.value, log: options.log });
  if (mode === "basic") return new BasicGate({ rules, peers, passwords, realm });
  return ownTokens(config, { rules, peers, passwords, users }, options);
}

function modeOf(config: AccessConfig, rules: Rules): AccessGate["mode"] {
  if (config.mode) return config.mode;
  if (config.trust || config.issuer) return "token";
  if (config.htpasswd === undefined) return "none";
  return rules.anonymous ? "token" : "basic";
}

function ownTokens(
  config: AccessConfig,
  parts: { rules: Rules; peers: Peers; passwords: Passwords; users: Watched<Users> },
  { folder, now = Date.now }: GateOptions,
): AccessGate {
  const { issuer: settings = {}, service = SERVICE, realm = REALM } = config;
  const { rules, users } = parts;
  const issuer = new Issuer({
    key: signingKey(settings.keyFile ?? join(folder, "token.key")),
    name: settings.name ?? SERVICE,
    service,
    tokenSeconds: settings.tokenSeconds ?? TOKEN_SECONDS,
    refreshSeconds: settings.refreshSeconds ?? REFRESH_SECONDS,
    hashOf: (user) => users.value.get(user),
    now,
  });
  return new TokenGate({
    ...parts,
    open: rules,
    verifier: issuer.tokens,
    service,
    realm: (request) => `${config.publicUrl?.replace(/\/+$/, "") ?? new URL(request.url).origin}/token`,
    own: {
      passwords: parts.passwords,
      exists: (user) => users.value.has(user),
      answer: (request) => answerToken({ ...parts, issuer, service, realm }, request),
    },
  });
}

function foreignTokens(
  config: AccessConfig & { trust: TrustConfig },
  peers: Peers,
  { log, now = Date.now }: GateOptions,
): AccessGate {
  const { trust, service = SERVICE, rules = [] } = config;
  const file = new Watched(trust.keys, (text) => parseTrustedKeys(text, { path: trust.keys, now }), log);
  const everything = new Rules([{ user: "", repository: "**", actions: ["*"] }]);
  const open = new Rules(config.anonymous ? [{ user: "", repository: "**", actions: config.anonymous }] : []);
  const limits = rulesOf(config, { users: true });
  return new TokenGate({
    peers,
    rules: rules.length > 0 ? limits : everything,
    open: rules.length > 0 ? limits : open,
    verifier: new TokenVerifier({
      keys: () => file.value.keys,
      carried: (header) => file.value.carried(header),
      issuer: trust.issuer,
      audience: service,
      now,
    }),
    service,
    realm: () => trust.realm,
  });
}
