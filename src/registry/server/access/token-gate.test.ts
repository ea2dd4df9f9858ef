import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt, decodeProtectedHeader, SignJWT } from "jose";
import { hashBcrypt } from "../../../host/password.ts";
import { pushImage, type RegistryKit, registryKit } from "../../../testing/registry-kit.ts";
import { parseChallenge } from "../../auth.ts";
import type { AccessConfig, Rule } from "./config.ts";
import { openGate } from "./gate.ts";

let folder = "";
let htpasswd = "";
let clock = 0;
const log: string[] = [];
const line: Record<string, string> = {};

const RULES: Rule[] = [
  { user: "alice", repository: "**", actions: ["*"] },
  { user: "bob", repository: "bob/**", actions: ["pull", "push"] },
  { user: "*", repository: "shared/*", actions: ["pull"] },
  { user: "", repository: "public/*", actions: ["pull"] },
];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "berth-token-"));
  htpasswd = join(folder, "users");
  for (const [name, password] of Object.entries({ alice: "wonderland", bob: "builder", carol: "carols" })) {
    line[name] = `${name}:${await hashBcrypt(password, 4)}\n`;
  }
});
beforeEach(() => {
  clock = Date.now();
  writeFileSync(htpasswd, Object.values(line).join(""));
});
afterAll(() => {
  expect(log.join("\n")).not.toMatch(/wonderland|builder|carols|eyJ/);
  rmSync(folder, { recursive: true });
});

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
const ALICE = basic("alice", "wonderland");
const BOB = basic("bob", "builder");

async function kitWith(config: AccessConfig = {}): Promise<RegistryKit> {
  const gate = await openGate(
    { htpasswd, rules: RULES, ...config },
    { folder, log: (said) => log.push(said), now: () => clock },
  );
  expect(gate.mode).toBe("token");
  return registryKit({ gate });
}

function send(kit: RegistryKit, path: string, init: RequestInit = {}): Promise<Response> {
  return kit.registry.answer(new Request(`http://registry.test:5000${path}`, init));
}

interface TokenAnswer {
  token: string;
  access_token: string;
  expires_in: number;
  issued_at: string;
  refresh_token?: string;
  scope?: string;
}

async function tokenFor(kit: RegistryKit, scope: string, authorization = "", more = ""): Promise<TokenAnswer> {
  const headers = authorization ? { Authorization: authorization } : {};
  const query = scope ? new URLSearchParams(scope.split(" ").map((s): [string, string] => ["scope", s])) : "";
  const answer = await send(kit, `/token?service=berth-registry&${query}${more}`, { headers });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("cache-control")).toBe("no-store");
  return (await answer.json()) as TokenAnswer;
}

async function form(kit: RegistryKit, fields: Record<string, string>): Promise<Response> {
  return send(kit, "/token", { method: "POST", body: new URLSearchParams(fields) });
}

/** `STATUS CODE` of a request with a token. */
async function outcome(kit: RegistryKit, method: string, path: string, authorization = ""): Promise<string> {
  const answer = await kit.ask(method, path, { headers: authorization ? { Authorization: authorization } : {} });
  const text = await answer.text();
  const code = (text.startsWith('{"errors"') ? JSON.parse(text) : {}).errors?.[0]?.code ?? "";
  return `${answer.status} ${code}`.trim();
}

describe("the challenge", () => {
  test("says where, for whom and for what", async () => {
    await using kit = await kitWith();
    const at = async (path: string, init: RequestInit = {}): Promise<string | null> => {
      const answer = await send(kit, path, init);
      expect(answer.status).toBe(401);
      return answer.headers.get("www-authenticate");
    };
    const head = 'Bearer realm="http://registry.test:5000/token",service="berth-registry"';
    expect(await at("/v2/")).toBe(head);
    expect(await at("/v2/a/b/manifests/1")).toBe(`${head},scope="repository:a/b:pull"`);
    expect(await at("/v2/a/blobs/uploads/", { method: "POST" })).toBe(`${head},scope="repository:a:pull,push"`);
    expect(await at("/v2/a/manifests/1", { method: "DELETE" })).toBe(`${head},scope="repository:a:delete"`);
    const headers = { Authorization: "Bearer nonsense" };
    expect(await at("/v2/a/tags/list", { headers })).toBe(`${head},scope="repository:a:pull",error="invalid_token"`);
    const forwarded = { "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https", Forwarded: "host=evil.test" };
    expect(await at("/v2/", { headers: forwarded })).toBe(head);
  });
  test("with the public URL where there is one", async () => {
    await using kit = await kitWith({ publicUrl: "https://images.test/", service: 'a "b"' });
    const answer = await send(kit, "/v2/");
    expect(parseChallenge(answer.headers.get("www-authenticate") ?? "")).toMatchObject({
      realm: "https://images.test/token",
    });
    expect(answer.headers.get("www-authenticate")).toContain('service="a \\"b\\""');
  });
});

describe("tokens", () => {
  test("as the specification has them", async () => {
    await using kit = await kitWith();
    const given = await tokenFor(kit, "repository:bob/app:pull,push,delete", BOB);
    expect(given.access_token).toBe(given.token);
    expect(given.expires_in).toBe(300);
    expect(given.issued_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(given.refresh_token).toBeUndefined();
    expect(decodeProtectedHeader(given.token)).toEqual({
      typ: "JWT",
      alg: "ES256",
      kid: expect.stringMatching(/^([A-Z2-7]{4}:){11}[A-Z2-7]{4}$/),
    });
    const seconds = Math.floor(clock / 1000);
    expect(decodeJwt(given.token)).toEqual({
      iss: "berth-registry",
      sub: "bob",
      aud: "berth-registry",
      iat: seconds,
      nbf: seconds,
      exp: seconds + 300,
      jti: expect.any(String),
      access: [{ type: "repository", name: "bob/app", actions: ["pull", "push"] }],
    });
  });

  test("open what they name, no more, and what the rules give, no more", async () => {
    await using kit = await kitWith();
    const alice = { ...kit, ask: withAuthorization(kit, ALICE) };
    for (const repository of ["bob/app", "shared/app", "public/app", "secret"]) {
      await pushImage(alice, { repository, tag: "1" }, { layers: [repository] });
    }
    const token = async (scope: string, who: string): Promise<string> =>
      `Bearer ${(await tokenFor(kit, scope, who)).token}`;
    const bob = await token("repository:bob/app:pull,push repository:secret:pull", BOB);
    expect(await outcome(kit, "GET", "", bob)).toBe("200");
    expect(await outcome(kit, "GET", "bob/app/manifests/1", bob)).toBe("200");
    expect(await outcome(kit, "POST", "bob/app/blobs/uploads/", bob)).toBe("202");
    expect(await outcome(kit, "DELETE", "bob/app/manifests/1", bob)).toBe("403 DENIED");
    expect(await outcome(kit, "GET", "secret/manifests/1", bob)).toBe("403 DENIED");
    // By the rules he might, by this token not.
    expect(await outcome(kit, "GET", "shared/app/manifests/1", bob)).toBe("401 UNAUTHORIZED");
    const answer = await kit.ask("GET", "shared/app/manifests/1", { headers: { Authorization: bob } });
    expect(answer.headers.get("www-authenticate")).toContain('error="insufficient_scope"');
    const none = await token("", "");
    expect(await outcome(kit, "GET", "", none)).toBe("200");
    expect(await outcome(kit, "GET", "bob/app/manifests/1", none)).toBe("401 UNAUTHORIZED");
    expect(await outcome(kit, "GET", "public/app/manifests/1")).toBe("200");
    expect(await outcome(kit, "GET", "public/app/manifests/1", await token("repository:public/app:pull", ""))).toBe(
      "200",
    );
    expect(await outcome(kit, "POST", "public/app/blobs/uploads/")).toBe("401 UNAUTHORIZED");
  });

  test("for several repositories, so that a mount has both", async () => {
    await using kit = await kitWith();
    const alice = { ...kit, ask: withAuthorization(kit, ALICE) };
    const { config } = await pushImage(alice, { repository: "shared/app", tag: "1" }, { layers: ["x"] });
    const both = await tokenFor(kit, "repository:bob/new:pull,push repository:shared/app:pull", BOB);
    const one = await tokenFor(kit, "repository:bob/new:pull,push", BOB);
    const mount = `bob/new/blobs/uploads/?mount=${config}&from=shared/app`;
    expect(await outcome(kit, "POST", mount, `Bearer ${one.token}`)).toBe("202");
    expect(await outcome(kit, "POST", mount, `Bearer ${both.token}`)).toBe("201");
  });

  test("for the list, which shows what one may pull", async () => {
    await using kit = await kitWith();
    const alice = { ...kit, ask: withAuthorization(kit, ALICE) };
    for (const repository of ["bob/app", "secret", "public/app"]) {
      await pushImage(alice, { repository, tag: "1" }, { layers: ["x"] });
    }
    const list = async (authorization: string): Promise<unknown> => {
      const headers = authorization ? { Authorization: authorization } : {};
      return (await kit.ask("GET", "_catalog", { headers })).json();
    };
    const scoped = await tokenFor(kit, "registry:catalog:*", BOB);
    expect(await list(`Bearer ${scoped.token}`)).toEqual({ repositories: ["bob/app", "public/app"] });
    expect(await list(BOB)).toEqual({ repositories: ["bob/app", "public/app"] });
    expect(await list("")).toEqual({ repositories: ["public/app"] });
    expect(await list(basic("", ""))).toEqual({ repositories: ["public/app"] });
    const searching = await tokenFor(kit, "registry:catalog:search", BOB);
    const found = await send(kit, "/v1/search?q=app", { headers: { Authorization: `Bearer ${searching.token}` } });
    expect(((await found.json()) as { results: { name: string }[] }).results.map(({ name }) => name)).toEqual([
      "bob/app",
      "public/app",
    ]);
    const other = await tokenFor(kit, "repository:bob/app:pull", BOB);
    expect(await outcome(kit, "GET", "_catalog", `Bearer ${other.token}`)).toBe("401 UNAUTHORIZED");
  });

  test("end: with their time, with their user, with the rules", async () => {
    await using kit = await kitWith();
    const { token } = await tokenFor(kit, "repository:bob/app:pull,push", BOB);
    expect(await outcome(kit, "POST", "bob/app/blobs/uploads/", `Bearer ${token}`)).toBe("202");
    clock += 359_000;
    expect(await outcome(kit, "POST", "bob/app/blobs/uploads/", `Bearer ${token}`)).toBe("202");
    clock += 2000;
    const late = await kit.ask("GET", "bob/app/tags/list", { headers: { Authorization: `Bearer ${token}` } });
    expect(late.status).toBe(401);
    expect(late.headers.get("www-authenticate")).toContain('error="invalid_token"');
    expect(await late.text()).toContain("the token has expired");
    const fresh = await tokenFor(kit, "repository:bob/app:pull,push", BOB);
    writeFileSync(htpasswd, `${line["alice"]}${line["carol"]}`);
    expect(await outcome(kit, "POST", "bob/app/blobs/uploads/", `Bearer ${fresh.token}`)).toBe("401 UNAUTHORIZED");
  });

  test("of one registry are taken by its replicas, by others not", async () => {
    await using kit = await kitWith();
    await using replica = await kitWith();
    await using another = await kitWith({ issuer: { keyFile: join(folder, "another.key") } });
    await using renamed = await kitWith({ service: "another" });
    const { token } = await tokenFor(kit, "repository:bob/app:pull,push", BOB);
    const push = (to: RegistryKit): Promise<string> => outcome(to, "POST", "bob/app/blobs/uploads/", `Bearer ${token}`);
    expect([await push(kit), await push(replica), await push(another), await push(renamed)]).toEqual([
      "202",
      "202",
      "401 UNAUTHORIZED",
      "401 UNAUTHORIZED",
    ]);
  });

  test("are refused for no good reason given", async () => {
    await using kit = await kitWith();
    const ask = async (path: string, headers: Record<string, string> = {}): Promise<number> =>
      (await send(kit, path, { headers })).status;
    expect(await ask("/token", { Authorization: basic("bob", "wonderland") })).toBe(401);
    expect(await ask("/token", { Authorization: basic("nobody", "wonderland") })).toBe(401);
    expect(await ask("/token", { Authorization: "Basic !" })).toBe(401);
    expect(await ask("/token", { Authorization: `Bearer ${(await tokenFor(kit, "", BOB)).token}` })).toBe(401);
    expect(await ask("/token?service=another", { Authorization: BOB })).toBe(400);
    expect(await ask("/token?account=alice", { Authorization: BOB })).toBe(400);
    expect((await send(kit, "/token", { method: "PUT" })).status).toBe(405);
    await using closed = await kitWith({ mode: "token", rules: [] });
    expect((await send(closed, "/token")).status).toBe(401);
  });

  test("no key but ours, whatever the header says", async () => {
    await using kit = await kitWith();
    const { token } = await tokenFor(kit, "repository:bob/app:pull", BOB);
    const stranger = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    const header = decodeProtectedHeader(token) as { alg: string; kid: string };
    const forged = await new SignJWT(decodeJwt(token)).setProtectedHeader(header).sign(stranger.privateKey);
    expect(await outcome(kit, "GET", "bob/app/tags/list", `Bearer ${forged}`)).toBe("401 UNAUTHORIZED");
    expect(await outcome(kit, "GET", "bob/app/tags/list", `Bearer ${token.slice(0, -8)}AAAAAAAA`)).toBe(
      "401 UNAUTHORIZED",
    );
  });
});

describe("identity tokens", () => {
  test("buy tokens, and are not tokens themselves", async () => {
    await using kit = await kitWith();
    const login = await tokenFor(kit, "", BOB, "&account=bob&client_id=docker&offline_token=true");
    const refresh = login.refresh_token ?? "";
    expect(refresh).toStartWith("eyJ");
    expect(await outcome(kit, "GET", "", `Bearer ${refresh}`)).toBe("401 UNAUTHORIZED");
    const scope = "repository:bob/app:pull,push repository:secret:pull";
    const answer = await form(kit, { grant_type: "refresh_token", refresh_token: refresh, scope, client_id: "docker" });
    expect(answer.status).toBe(200);
    const bought = (await answer.json()) as TokenAnswer;
    expect(bought).toMatchObject({ expires_in: 300, refresh_token: refresh, scope: "repository:bob/app:pull,push" });
    expect(await outcome(kit, "POST", "bob/app/blobs/uploads/", `Bearer ${bought.access_token}`)).toBe("202");
    expect((await form(kit, { grant_type: "refresh_token", refresh_token: bought.access_token })).status).toBe(401);
  });

  test("come by form as well", async () => {
    await using kit = await kitWith();
    const fields = { grant_type: "password", username: "bob", password: "builder", service: "berth-registry" };
    const plain = (await (await form(kit, fields)).json()) as TokenAnswer;
    expect(plain.refresh_token).toBeUndefined();
    const offline = (await (await form(kit, { ...fields, access_type: "offline" })).json()) as TokenAnswer;
    expect(offline.refresh_token).toStartWith("eyJ");
    expect((await form(kit, { ...fields, password: "wrong" })).status).toBe(401);
    expect((await form(kit, { ...fields, username: "bob:builder", password: "" })).status).toBe(401);
    expect((await form(kit, { ...fields, service: "another" })).status).toBe(400);
    expect((await form(kit, { grant_type: "authorization_code", code: "x" })).status).toBe(400);
  });

  test("end with the password, the user and their time, over restarts too", async () => {
    await using kit = await kitWith();
    const { refresh_token: refresh = "" } = await tokenFor(kit, "", BOB, "&offline_token=true");
    const { refresh_token: carols = "" } = await tokenFor(kit, "", basic("carol", "carols"), "&offline_token=true");
    const buy = async (to: RegistryKit, token: string): Promise<number> =>
      (await form(to, { grant_type: "refresh_token", refresh_token: token })).status;
    await using again = await kitWith();
    expect([await buy(kit, refresh), await buy(again, refresh)]).toEqual([200, 200]);
    writeFileSync(htpasswd, `${line["carol"]}bob:${await hashBcrypt("builder", 4)}\n`);
    expect([await buy(kit, refresh), await buy(again, refresh)]).toEqual([401, 401]);
    writeFileSync(htpasswd, `${line["bob"]}`);
    expect([await buy(kit, refresh), await buy(kit, carols)]).toEqual([200, 401]);
    clock += 91 * 86_400_000;
    const late = await form(kit, { grant_type: "refresh_token", refresh_token: refresh });
    expect(late.status).toBe(401);
    expect(await late.text()).toContain("the identity token is not good: the token has expired; log in again");
  });

  test("anonymous ones have none", async () => {
    await using kit = await kitWith();
    expect((await tokenFor(kit, "", "", "&offline_token=true")).refresh_token).toBeUndefined();
  });

  test("forms that are none, or too large, or never end", async () => {
    await using kit = await kitWith();
    const type = { "Content-Type": "application/x-www-form-urlencoded" };
    const post = async (body: string | ReadableStream, headers: Record<string, string> = type): Promise<number> =>
      (await send(kit, "/token", { method: "POST", body, headers })).status;
    expect(await post("{}", { "Content-Type": "application/json" })).toBe(415);
    expect(await post("")).toBe(400);
    expect(await post(`grant_type=password&password=${"x".repeat(70_000)}`)).toBe(413);
    let sent = 0;
    const endless = new ReadableStream({
      pull(controller) {
        sent += 4096;
        controller.enqueue(Buffer.alloc(4096, "a"));
      },
    });
    expect(await post(endless)).toBe(413);
    expect(sent).toBeLessThan(1 << 20);
  });
});

test("name and password do instead of a token; guessing is slowed at `/token` too", async () => {
  const gate = await openGate({ htpasswd, rules: RULES }, { folder, log: () => undefined });
  await using kit = registryKit({ gate });
  const ask = async (path: string, password: string): Promise<number> => {
    const headers = { Authorization: basic("alice", password) };
    const request = new Request(`http://registry.test${path}`, { headers });
    gate.seen(request, "192.0.2.1");
    return (await kit.registry.answer(request)).status;
  };
  expect(await ask("/v2/", "wonderland")).toBe(200);
  for (let i = 0; i < 10; i++) expect(await ask(i % 2 ? "/token" : "/v2/", `guess ${i}`)).toBe(401);
  expect([await ask("/token", "guess 10"), await ask("/v2/", "guess 10")]).toEqual([429, 429]);
  expect(await ask("/token", "wonderland")).toBe(200);
});

describe("somebody else's tokens", () => {
  const keys = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const TRUST = { realm: "https://tokens.test/auth", issuer: "them" };
  const issue = async (access: object[], sub = "alice"): Promise<string> => {
    const seconds = Math.floor(clock / 1000);
    const claims = { iss: "them", aud: "berth-registry", sub, nbf: seconds, exp: seconds + 60, access };
    return `Bearer ${await new SignJWT(claims).setProtectedHeader({ alg: "ES256" }).sign(keys.privateKey)}`;
  };
  const open = async (more: AccessConfig = {}): Promise<RegistryKit> => {
    const path = join(folder, "trusted.pem");
    writeFileSync(path, keys.publicKey.export({ type: "spki", format: "pem" }));
    const config = { trust: { ...TRUST, keys: path }, ...more };
    return registryKit({ gate: await openGate(config, { folder, log: () => undefined, now: () => clock }) });
  };
  const PUSH = [{ type: "repository", name: "a/b", actions: ["pull", "push"] }];

  test("say themselves what may be done", async () => {
    await using kit = await open();
    const challenge = (await send(kit, "/v2/")).headers.get("www-authenticate");
    expect(challenge).toBe('Bearer realm="https://tokens.test/auth",service="berth-registry"');
    const token = await issue(PUSH);
    expect(await outcome(kit, "POST", "a/b/blobs/uploads/", token)).toBe("202");
    expect(await outcome(kit, "POST", "a/c/blobs/uploads/", token)).toBe("401 UNAUTHORIZED");
    expect(await outcome(kit, "DELETE", "a/b/manifests/1", token)).toBe("401 UNAUTHORIZED");
    expect(await outcome(kit, "GET", "a/b/tags/list", await issue(PUSH, ""))).toBe("404 NAME_UNKNOWN");
    expect(await outcome(kit, "GET", "a/b/tags/list")).toBe("401 UNAUTHORIZED");
    expect(await outcome(kit, "GET", "", ALICE)).toBe("401 UNAUTHORIZED");
    expect((await send(kit, "/token")).status).toBe(404);
  });

  test("rules here only take away", async () => {
    await using kit = await open({ rules: [{ user: "alice", repository: "a/**", actions: ["pull"] }] });
    expect(await outcome(kit, "GET", "a/b/tags/list", await issue(PUSH))).toBe("404 NAME_UNKNOWN");
    expect(await outcome(kit, "POST", "a/b/blobs/uploads/", await issue(PUSH))).toBe("403 DENIED");
    expect(await outcome(kit, "GET", "a/b/tags/list", await issue(PUSH, "bob"))).toBe("403 DENIED");
    expect(await outcome(kit, "GET", "a/c/tags/list", await issue(PUSH))).toBe("401 UNAUTHORIZED");
  });

  test("`anonymous` opens to those without any", async () => {
    await using kit = await open({ anonymous: ["pull"] });
    expect(await outcome(kit, "GET", "a/b/tags/list")).toBe("404 NAME_UNKNOWN");
    expect(await outcome(kit, "POST", "a/b/blobs/uploads/")).toBe("401 UNAUTHORIZED");
    expect(await outcome(kit, "POST", "a/b/blobs/uploads/", await issue(PUSH))).toBe("202");
  });

  test("new keys of theirs count at once", async () => {
    await using kit = await open();
    const token = await issue(PUSH);
    expect(await outcome(kit, "GET", "", token)).toBe("200");
    const others = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    writeFileSync(join(folder, "trusted.pem"), others.publicKey.export({ type: "spki", format: "pem" }));
    expect(await outcome(kit, "GET", "", token)).toBe("401 UNAUTHORIZED");
  });
});

test("a key of the registry's own is made once", async () => {
  await using kit = await kitWith();
  const key = readFileSync(join(folder, "token.key"), "utf8");
  await using again = await kitWith();
  expect(readFileSync(join(folder, "token.key"), "utf8")).toBe(key);
  expect(kit.root).not.toBe(again.root);
});

function withAuthorization(kit: RegistryKit, authorization: string): RegistryKit["ask"] {
  return (method, path, init = {}) =>
    kit.ask(method, path, { ...init, headers: { ...init.headers, Authorization: authorization } });
}
