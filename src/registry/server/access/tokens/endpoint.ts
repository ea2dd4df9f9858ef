import { RegistryError } from "../../errors.ts";
import type { Wish } from "../../types.ts";
import { authorizationOf, credentials } from "../authorization.ts";
import type { Passwords } from "../passwords.ts";
import type { Peers } from "../peers.ts";
import { quotedParam, unauthorized } from "../refusal.ts";
import type { Rules } from "../rules.ts";
import type { Issuer } from "./issuer.ts";
import { grantedOf, parseScopes } from "./scope.ts";
import { TokenRefused } from "./verifier.ts";

/** What answers `/token`. `realm` is shown to people. */
export interface EndpointParts {
  issuer: Issuer;
  passwords: Passwords;
  peers: Peers;
  rules: Rules;
  service: string;
  realm: string;
}

/** Bytes of a form. */
const MOST_FORM = 64 << 10;

/**
 * `/token`: GET with name and password, or without (distribution, "Token Authentication Specification"), or POST of a form ("OAuth2 Token Authentication"), where an identity
 * token does too. Gives what of the scopes the rules give this user. Throws UNAUTHORIZED for who is not who he says.
 */
export async function answerToken(parts: EndpointParts, request: Request): Promise<Response> {
  if (request.method === "GET") return simple(parts, request);
  if (request.method === "POST") return oauth(parts, request);
  throw new RegistryError("UNSUPPORTED", `${request.method} is not for this`, { headers: { Allow: "GET, POST" } });
}

async function simple(parts: EndpointParts, request: Request): Promise<Response> {
  const query = new URL(request.url).searchParams;
  checkService(parts, query.get("service"));
  const user = await basicUser(parts, request);
  const account = query.get("account");
  if (account && user !== "" && account !== user) throw badRequest("account is not the user of the credentials");
  const { token, expiresIn, issuedAt } = await issue(parts, user, query.getAll("scope"));
  const offline = user !== "" && query.get("offline_token") === "true";
  return answer({
    token,
    access_token: token,
    expires_in: expiresIn,
    issued_at: issuedAt,
    ...(offline ? { refresh_token: await parts.issuer.identity(user) } : {}),
  });
}

async function oauth(parts: EndpointParts, request: Request): Promise<Response> {
  const form = await formOf(request);
  checkService(parts, form.get("service"));
  const { user, refreshToken } = await granted(parts, request, form);
  const scopes = form.getAll("scope");
  const { token, expiresIn, issuedAt, scope } = await issue(parts, user, scopes);
  return answer({
    access_token: token,
    token_type: "Bearer",
    scope,
    expires_in: expiresIn,
    issued_at: issuedAt,
    ...(refreshToken ? { refresh_token: refreshToken } : {}),
  });
}

/** Whose token it will be, and the identity token that he gets. */
async function granted(
  parts: EndpointParts,
  request: Request,
  form: URLSearchParams,
): Promise<{ user: string; refreshToken?: string }> {
  const { issuer } = parts;
  const type = form.get("grant_type");
  if (type === "password") {
    const user = await prove(parts, request, credentials(form.get("username") ?? "", form.get("password") ?? ""));
    return form.get("access_type") === "offline" ? { user, refreshToken: await issuer.identity(user) } : { user };
  }
  if (type !== "refresh_token") throw badRequest("grant_type is neither password nor refresh_token");
  const refreshToken = form.get("refresh_token") ?? "";
  try {
    return { user: await issuer.userOf(refreshToken), refreshToken };
  } catch (error) {
    if (!(error instanceof TokenRefused)) throw error;
    throw refuse(parts, `the identity token is not good: ${error.message}; log in again`);
  }
}

async function basicUser(parts: EndpointParts, request: Request): Promise<string> {
  const said = authorizationOf(request);
  if (said.kind === "basic") return prove(parts, request, said);
  if (said.kind === "bad") throw refuse(parts, said.why);
  if (said.kind === "bearer") throw refuse(parts, "a token does not buy a token; use name and password");
  if (!parts.rules.anonymous) throw refuse(parts, "authentication required");
  return "";
}

async function prove(
  parts: EndpointParts,
  request: Request,
  said: { user: string; password: string } | undefined,
): Promise<string> {
  const good =
    said !== undefined &&
    (await parts.passwords.check({
      user: said.user,
      password: said.password,
      address: parts.peers.of(request),
    }));
  if (!good) throw refuse(parts, "incorrect username or password");
  return said.user;
}

async function issue(
  { issuer, rules }: EndpointParts,
  user: string,
  scopes: readonly string[],
): Promise<{ token: string; expiresIn: number; issuedAt: string; scope: string }> {
  const access = grantedOf(parseScopes(scopes), (wish: Wish) => rules.may(user, wish));
  const scope = access.map(({ type, name, actions }) => `${type}:${name}:${actions.join(",")}`).join(" ");
  return { ...(await issuer.access(user, access)), scope };
}

async function formOf(request: Request): Promise<URLSearchParams> {
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(request.headers.get("content-type") ?? "")) {
    throw badRequest("want a form (application/x-www-form-urlencoded)", 415);
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request.body ?? []) {
    size += part.byteLength;
    if (size > MOST_FORM) throw badRequest("the form is too large", 413);
    parts.push(part);
  }
  return new URLSearchParams(Buffer.concat(parts).toString());
}

function checkService({ service }: EndpointParts, asked: string | null): void {
  if (asked && asked !== service) throw badRequest(`this is the token server of ${JSON.stringify(service)} alone`);
}

function badRequest(why: string, status = 400): RegistryError {
  return new RegistryError("UNSUPPORTED", why, { status });
}

function refuse({ realm }: EndpointParts, message: string): RegistryError {
  return unauthorized(message, { challenge: `Basic ${quotedParam("realm", realm)}, charset="UTF-8"`, wishes: [] });
}

function answer(body: object): Response {
  return Response.json(body, { headers: { "Cache-Control": "no-store" } });
}
