import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, type JWTHeaderParameters, SignJWT } from "jose";
import { runOk } from "../../../../host/spawn.ts";
import { libtrustId } from "./keys.ts";
import { parseTrustedKeys } from "./trusted-keys.ts";
import { TokenRefused, TokenVerifier } from "./verifier.ts";

const NOW = 1_800_000_000;
const ec = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const stranger = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const spki = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();

function verifierOf(text: string, now = NOW): TokenVerifier {
  const trusted = parseTrustedKeys(text, { path: "keys", now: () => now * 1000 });
  const carried = trusted.carried.bind(trusted);
  return new TokenVerifier({
    keys: () => trusted.keys,
    carried,
    issuer: "them",
    audience: "us",
    now: () => now * 1000,
  });
}

interface Making {
  header?: Partial<JWTHeaderParameters>;
  claims?: Record<string, unknown>;
  key?: KeyObject | Uint8Array;
}

function make({ header = {}, claims = {}, key = ec.privateKey }: Making = {}): Promise<string> {
  const payload = { iss: "them", aud: "us", sub: "alice", iat: NOW, nbf: NOW, exp: NOW + 300, ...claims };
  return new SignJWT(payload).setProtectedHeader({ alg: "ES256", ...header }).sign(key);
}

async function refusal(token: string, verifier = verifierOf(spki(ec.publicKey))): Promise<string> {
  const error: unknown = await verifier.verify(token).catch((e: unknown) => e);
  if (error instanceof TokenRefused) return error.message;
  throw new Error(`not refused: ${JSON.stringify(error)}`);
}

const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

test("a good one", async () => {
  const access = [{ type: "repository", name: "a", actions: ["pull"] }];
  const verified = await verifierOf(spki(ec.publicKey)).verify(await make({ claims: { access } }));
  expect(verified).toMatchObject({ user: "alice", access });
  const many = await make({ claims: { aud: ["others", "us"], sub: undefined } });
  expect(await verifierOf(spki(ec.publicKey)).verify(many)).toMatchObject({ user: "", access: [] });
});

test("clocks may differ by a minute", async () => {
  const token = await make();
  expect((await verifierOf(spki(ec.publicKey), NOW - 60).verify(token)).user).toBe("alice");
  expect((await verifierOf(spki(ec.publicKey), NOW + 359).verify(token)).user).toBe("alice");
  expect(await refusal(token, verifierOf(spki(ec.publicKey), NOW - 61))).toMatch(/not valid yet; do the clocks agree/);
  expect(await refusal(token, verifierOf(spki(ec.publicKey), NOW + 360))).toMatch(/expired/);
});

test("one that was good is no more when it has ended, or its key has gone", async () => {
  let now = NOW * 1000;
  let keys = parseTrustedKeys(spki(ec.publicKey), { path: "keys", now: () => now }).keys;
  const verifier = new TokenVerifier({ keys: () => keys, issuer: "them", audience: "us", now: () => now });
  const token = await make();
  expect((await verifier.verify(token)).user).toBe("alice");
  keys = parseTrustedKeys(spki(stranger.publicKey), { path: "keys", now: () => now }).keys;
  expect(await refusal(token, verifier)).toMatch(/signature/);
  keys = parseTrustedKeys(spki(ec.publicKey), { path: "keys", now: () => now }).keys;
  expect((await verifier.verify(token)).user).toBe("alice");
  now += 361_000;
  expect(await refusal(token, verifier)).toMatch(/expired/);
});

describe("refused", () => {
  test.each<[string, Making, RegExp]>([
    ["another key", { key: stranger.privateKey }, /signature is wrong/],
    ["another audience", { claims: { aud: "others" } }, /another service/],
    ["no audience", { claims: { aud: undefined } }, /another service/],
    ["another issuer", { claims: { iss: "us" } }, /another issuer/],
    ["no issuer", { claims: { iss: undefined } }, /another issuer/],
    ["no end", { claims: { exp: undefined } }, /damaged/],
    ["an end that is no time", { claims: { exp: "never" } }, /damaged/],
    ["access that is no list", { claims: { access: "all" } }, /no list of grants/],
    ["another algorithm", { header: { alg: "RS256" }, key: rsa.privateKey }, /not taken here/],
  ])("%s", async (_, making, why) => {
    expect(await refusal(await make(making))).toMatch(why);
  });

  test("no signature at all", async () => {
    const payload = b64({ iss: "them", aud: "us", sub: "alice", exp: NOW + 300 });
    for (const alg of ["none", "None", "NONE", "", undefined]) {
      expect(await refusal(`${b64({ alg, typ: "JWT" })}.${payload}.`)).toMatch(/damaged/);
    }
  });

  test("a public key taken for a secret", async () => {
    const payload = b64({ iss: "them", aud: "us", sub: "alice", exp: NOW + 300 });
    for (const secret of [
      spki(ec.publicKey),
      spki(ec.publicKey).trim(),
      ec.publicKey.export({ type: "spki", format: "der" }),
    ]) {
      const signed = `${b64({ alg: "HS256", typ: "JWT" })}.${payload}`;
      const mac = createHmac("sha256", secret).update(signed).digest("base64url");
      expect(await refusal(`${signed}.${mac}`)).toMatch(/damaged/);
    }
  });

  test("a changed payload, a cut one, and no token at all", async () => {
    const [header, , signature] = (await make()).split(".");
    const payload = b64({ iss: "them", aud: "us", sub: "root", exp: NOW + 300 });
    expect(await refusal(`${header}.${payload}.${signature}`)).toMatch(/signature/);
    for (const text of ["", ".", "..", "a.b.c", `${header}`, `${header}.${payload}`, "\0", "x".repeat(20_000)]) {
      expect(await refusal(text)).toMatch(/damaged|large/);
    }
  });

  test("keys that the token itself brings", async () => {
    const jwk = await exportJWK(stranger.publicKey);
    const own = { jwk, kid: libtrustId(ec.publicKey) };
    expect(await refusal(await make({ header: own, key: stranger.privateKey }))).toMatch(/signature/);
    const jku = { jku: "http://127.0.0.1:1/keys", kid: "x" };
    expect(await refusal(await make({ header: jku, key: stranger.privateKey }))).toMatch(/signature/);
  });
});

describe("keys of others", () => {
  test("by their own names, or by none", async () => {
    const jwks = JSON.stringify({
      keys: [
        { ...(await exportJWK(stranger.publicKey)), kid: "old" },
        { ...(await exportJWK(ec.publicKey)), kid: "new" },
        await exportJWK(rsa.publicKey),
      ],
    });
    for (const header of [{}, { kid: "new" }, { kid: libtrustId(ec.publicKey) }, { kid: "unheard of" }]) {
      expect((await verifierOf(jwks).verify(await make({ header }))).user).toBe("alice");
    }
    expect(await refusal(await make({ header: { kid: "old" } }), verifierOf(jwks))).toMatch(/signature/);
    for (const alg of ["RS256", "PS512"]) {
      const token = await make({ header: { alg }, key: rsa.privateKey });
      expect((await verifierOf(jwks).verify(token)).user).toBe("alice");
    }
  });

  test("of Edwards' curve and longer ones", async () => {
    const ed = generateKeyPairSync("ed25519");
    const long = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
    const verifier = verifierOf(spki(ed.publicKey) + spki(long.publicKey));
    const tokens = [
      await make({ header: { alg: "EdDSA" }, key: ed.privateKey }),
      await make({ header: { alg: "ES384" }, key: long.privateKey }),
    ];
    for (const token of tokens) expect((await verifier.verify(token)).user).toBe("alice");
  });

  test.each([
    ["", /no public key and no certificate/],
    ["{", /no JSON/],
    ['{"keys": 5}', /no JWK set/],
    ['{"keys": [{"kty": "EC"}]}', /key 1 is no public JWK/],
    ['{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', /a private key/],
    [ec.privateKey.export({ type: "pkcs8", format: "pem" }).toString(), /a private key/],
    ["-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", /a damaged PUBLIC KEY/],
    ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", /a damaged CERTIFICATE/],
  ])("a file that says something else is refused: %j", (text, why) => {
    expect(() => parseTrustedKeys(text, { path: "keys", now: Date.now })).toThrow(why);
  });
});

describe("certificates that a token brings", () => {
  let folder = "";
  const cert = (name: string): string => readFileSync(join(folder, `${name}.crt`), "utf8");
  const der = (name: string): string => cert(name).replace(/-----[^-]+-----|\s/g, "");
  const key = (name: string): Promise<CryptoKey> => importKey(readFileSync(join(folder, `${name}.key`), "utf8"));

  /** A certificate of `name`, of `by` or of itself. */
  async function certificate(name: string, { by, ca = true }: { by?: string; ca?: boolean } = {}): Promise<void> {
    const at = (ending: string, of = name): string => join(folder, `${of}.${ending}`);
    await runOk([
      ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-keyout", at("key"), "-out", at("crt"), "-subj", `/CN=${name}`, "-days", "30"],
      ...["-addext", `basicConstraints=critical,CA:${ca ? "TRUE" : "FALSE"}`],
      ...(by ? ["-CA", at("crt", by), "-CAkey", at("key", by)] : []),
    ]);
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "berth-x5c-"));
    await certificate("root");
    await certificate("middle", { by: "root" });
    await certificate("leaf", { by: "middle", ca: false });
    await certificate("sub", { by: "leaf", ca: false });
    await certificate("other");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const seconds = Math.floor(Date.now() / 1000) + 60;
  const with5c = async (name: string, x5c: string[]): Promise<string> =>
    make({
      header: { x5c },
      claims: { iat: seconds, nbf: seconds, exp: seconds + 300 },
      key: (await key(name)) as never,
    });

  test("lead to one that is trusted", async () => {
    const verifier = verifierOf(cert("root"), seconds);
    expect((await verifier.verify(await with5c("leaf", [der("leaf"), der("middle")]))).user).toBe("alice");
    expect((await verifier.verify(await with5c("leaf", [der("leaf"), der("middle"), der("root")]))).user).toBe("alice");
    expect((await verifierOf(cert("leaf"), seconds).verify(await with5c("leaf", [der("leaf")]))).user).toBe("alice");
  });

  test("or to none", async () => {
    const verifier = verifierOf(cert("root"), seconds);
    const chains: [string, string[]][] = [
      ["other", [der("other")]],
      ["other", [der("other"), der("root")]],
      ["leaf", [der("leaf")]],
      ["sub", [der("sub"), der("leaf"), der("middle")]],
      ["leaf", ["AAAA"]],
      ["other", [der("leaf"), der("middle")]],
    ];
    for (const [name, chain] of chains) {
      expect(await refusal(await with5c(name, chain), verifier)).toMatch(/signature|damaged/);
    }
    const later = verifierOf(cert("root"), seconds + 40 * 86_400);
    expect(await refusal(await with5c("leaf", [der("leaf"), der("middle")]), later)).toMatch(/signature|expired/);
  });
});

async function importKey(pem: string): Promise<CryptoKey> {
  const { importPKCS8 } = await import("jose");
  return importPKCS8(pem, "ES256");
}
