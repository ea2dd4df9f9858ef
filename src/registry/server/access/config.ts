import type { Action } from "../types.ts";

/** What a rule may give; `*` is all of pull, push and delete, and on all repositories (`**`) admin too. */
export type Grant = Action | "*";

/**
 * Lets somebody do something. Rules only add: what none of them gives is refused. `user` is a name, `*` for all who have proved who they are, or empty for everybody,
 * anonymous ones included; `group` is one of the configuration's.
 */
export type Rule = ({ user: string } | { group: string }) & {
  /** A pattern: `*` within a part of the name, `**` over several. */
  repository: string;
  actions: readonly Grant[];
};

/** The registry's own token server. */
export interface IssuerConfig {
  /** A private key, PEM (PKCS #8, P-256). Made where it is not there, mode 0600; replicas share the file. Default: `token.key` in the registry's folder. */
  keyFile?: string;
  /** `iss` of its tokens. */
  name?: string;
  /** How long a token lives, in seconds, at least 60: clients count on that. Default 300. */
  tokenSeconds?: number;
  /** How long a login by docker lives (identity token), in seconds. Default 90 days. */
  refreshSeconds?: number;
}

/** Somebody else's token server, whose tokens are taken here. */
export interface TrustConfig {
  /** Where clients get tokens: a URL. */
  realm: string;
  /** `iss` of its tokens. */
  issuer: string;
  /** Its public keys or certificates: PEM, or a JWK set. */
  keys: string;
}

/** Who may do what, and how they prove who they are. */
export interface AccessConfig {
  /**
   * `none`: nobody is asked who they are. `basic`: name and password with each request. `token`: name and password buy a token, which comes with each request. Default:
   * `none` without users; else `token` where there is an issuer or anonymous ones may do anything (docker, asked for a password, has no way to go on without one), else
   * `basic`.
   */
  mode?: "none" | "basic" | "token";
  /** A file of `NAME:BCRYPT` lines. Read again when it changes. */
  htpasswd?: string;
  /** Shown by clients that ask a person for the password. */
  realm?: string;
  /** Whom tokens are for (`aud`). Default `berth-registry`. */
  service?: string;
  /** The URL by which clients come, where a proxy is before the registry. Default: what each client says (`Host`). */
  publicUrl?: string;
  /** Addresses and subnets of proxies whose `X-Forwarded-For` is believed, for limits by address. */
  proxies?: readonly string[];
  issuer?: IssuerConfig;
  trust?: TrustConfig;
  /** Without rules, and without `anonymous`, all may do all: everybody in mode `none`, every user in the others. */
  rules?: readonly Rule[];
  groups?: Readonly<Record<string, readonly string[]>>;
  /** Short for a rule for everybody on all repositories; users may then do all where there are no rules. */
  anonymous?: readonly Grant[];
}
