import type { FetchAnswer } from "../host/fetch.ts";
import { BerthError } from "../spec/errors.ts";
import { markTransient } from "./retry.ts";
import type { Credentials } from "./types.ts";

/** What a registry asks for in `WWW-Authenticate` (RFC 9110, section 11.6.1). */
export interface Challenge {
  scheme: "basic" | "bearer";
  realm: string;
  service?: string;
  scope?: string;
}

const MAX_TOKEN = 1024 * 1024;
const EARLY_MS = 10_000;
const DEFAULT_SECONDS = 60;
const CLIENT_ID = "berth";

/** Reads the header; undefined where it is none that Berth can answer. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  const [, scheme = "", rest = ""] = /^\s*(\w+)\s*(.*)$/.exec(header ?? "") ?? [];
  const parts = Object.fromEntries(
    [...rest.matchAll(/(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g)].map((m) => [
      m[1]?.toLowerCase() ?? "",
      m[2] ?? m[3] ?? "",
    ]),
  );
  const kind = scheme.toLowerCase();
  if (kind === "basic") return { scheme: "basic", realm: parts["realm"] ?? "" };
  if (kind !== "bearer" || !parts["realm"]) return undefined;
  const { realm, service, scope } = parts;
  return { scheme: "bearer", realm, ...(service ? { service } : {}), ...(scope ? { scope } : {}) };
}

/** `Basic …` for these credentials; undefined where there are no name and password. */
export function basicHeader({ username, password }: Credentials): string | undefined {
  if (!username && !password) return undefined;
  return `Basic ${Buffer.from(`${username ?? ""}:${password ?? ""}`).toString("base64")}`;
}

/** A token with the moment, in milliseconds since 1970, from which it is no longer used; and one that buys others, where the server gave it. */
export interface Token {
  token: string;
  until: number;
  identityToken?: string;
}

/** Sends a request to a token server. */
export type Ask = (
  url: string,
  request: { method: string; headers: Record<string, string>; body?: string },
) => Promise<FetchAnswer>;

/**
 * A token of the server that the challenge names, for `scope` (distribution, "Token Authentication Specification"; with an identity token its
 * OAuth 2 form). Throws `unauthorized` where the server refuses; the words name the server, never a secret.
 */
export async function fetchToken(
  challenge: Challenge,
  options: { scope: string; credentials: Credentials; offline?: boolean; ask: Ask },
): Promise<Token> {
  const { credentials, scope, ask } = options;
  const answer = await (credentials.identityToken
    ? refresh(challenge, scope, credentials.identityToken, ask)
    : simple(challenge, options));
  const text = (await answer.bytes(MAX_TOKEN)).toString();
  const host = new URL(challenge.realm).host;
  if (answer.status === 401 || answer.status === 403 || answer.status === 400) {
    throw new BerthError("unauthorized", `unauthorized: ${detailOf(text) || "incorrect username or password"}`);
  }
  if (answer.status !== 200) {
    const error = new BerthError("internal", `token server ${host} answered ${answer.status}`, {
      hint: "try again later",
    });
    throw markTransient(error, { answer });
  }
  const parsed = parseToken(text);
  if (!parsed) throw new BerthError("internal", `token server ${host}: its answer holds no token`);
  return parsed;
}

function simple(
  challenge: Challenge,
  { scope, credentials, offline, ask }: { scope: string; credentials: Credentials; offline?: boolean; ask: Ask },
): Promise<FetchAnswer> {
  const url = new URL(challenge.realm);
  if (challenge.service) url.searchParams.set("service", challenge.service);
  // A challenge names several with blanks between; here each has its own parameter.
  for (const one of scope.split(" ").filter(Boolean)) url.searchParams.append("scope", one);
  if (credentials.username) url.searchParams.set("account", credentials.username);
  if (offline) {
    url.searchParams.set("client_id", CLIENT_ID);
    url.searchParams.set("offline_token", "true");
  }
  const basic = basicHeader(credentials);
  return ask(url.href, { method: "GET", headers: basic ? { Authorization: basic } : {} });
}

function refresh(challenge: Challenge, scope: string, identityToken: string, ask: Ask): Promise<FetchAnswer> {
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: identityToken,
    client_id: CLIENT_ID,
    scope,
  });
  if (challenge.service) form.set("service", challenge.service);
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  return ask(challenge.realm, { method: "POST", headers, body: form.toString() });
}

function parseToken(text: string): Token | undefined {
  try {
    const found = JSON.parse(text) as {
      token?: unknown;
      access_token?: unknown;
      refresh_token?: unknown;
      expires_in?: unknown;
    };
    const token = found.token ?? found.access_token;
    if (typeof token !== "string" || token === "" || /[\r\n]/.test(token)) return undefined;
    const seconds = typeof found.expires_in === "number" && found.expires_in > 0 ? found.expires_in : DEFAULT_SECONDS;
    const identity =
      typeof found.refresh_token === "string" && found.refresh_token !== ""
        ? { identityToken: found.refresh_token }
        : {};
    // From the moment of receipt, by our own clock: the server's `issued_at` is of another one.
    return { token, until: Date.now() + Math.max(seconds * 1000 - EARLY_MS, seconds * 500), ...identity };
  } catch {
    return undefined;
  }
}

/** What a server says in `{"details": …}` or the registry's list of errors, as one line. */
function detailOf(text: string): string {
  try {
    const { details, errors } = JSON.parse(text) as { details?: string; errors?: { message?: string }[] };
    return String(details ?? errors?.[0]?.message ?? "")
      .replace(/\s+/g, " ")
      .slice(0, 200);
  } catch {
    return "";
  }
}
