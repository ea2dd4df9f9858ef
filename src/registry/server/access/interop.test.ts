import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveHttp } from "../../../host/http-server.ts";
import { type RunOutcome, run, runOk } from "../../../host/spawn.ts";
import { digestOf } from "../../../spec/digest.ts";
import { MediaType } from "../../../spec/oci.ts";
import { parseReference } from "../../../spec/reference.ts";
import { pushImage, type RegistryKit, registryKit } from "../../../testing/registry-kit.ts";
import { openRegistryClient } from "../../client.ts";
import type { Credentials, RegistryClient } from "../../types.ts";
import type { AccessConfig, Rule } from "./config.ts";
import { openGate } from "./gate.ts";
import { ownTls } from "./tls/own.ts";
import { signingKey } from "./tokens/keys.ts";

// Other people's clients and servers at a registry that asks who they are: skopeo, Debian's docker-registry, htpasswd; and Berth's own client.

setDefaultTimeout(60_000);
const DOCKER_REGISTRY = join(import.meta.dir, "../../../../.build/registry/usr/bin/docker-registry");
const RULES: Rule[] = [
  { user: "alice", repository: "**", actions: ["*"] },
  { user: "bob", repository: "bob/**", actions: ["pull", "push"] },
];
const OPEN: Rule = { user: "", repository: "public/*", actions: ["pull"] };
let folder = "";
let htpasswd = "";
let certificates = "";
let clock = 0;
let source: RegistryKit;
let sourceHost = "";

interface Locked extends AsyncDisposable {
  host: string;
  kit: RegistryKit;
  log: string[];
  asked: string[];
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "berth-interop-"));
  htpasswd = join(folder, "users");
  await runOk(["htpasswd", "-bBc", "-C", "5", htpasswd, "alice", "wonderland"]);
  await runOk(["htpasswd", "-bB", "-C", "5", htpasswd, "bob", "builder: ü"]);
  source = registryKit();
  sourceHost = source.listen();
  await pushImage(source, { repository: "app", tag: "1" }, { layers: ["one", "two"] });
  certificates = join(folder, "certs");
  mkdirSync(certificates);
});
afterAll(async () => {
  await source[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** A registry with TLS on a port of its own. */
async function locked(config: AccessConfig): Promise<Locked> {
  clock = 0;
  const log: string[] = [];
  const asked: string[] = [];
  const now = (): number => Date.now() + clock;
  const gate = await openGate({ htpasswd, ...config }, { folder, log: (line) => log.push(line), now });
  const kit = registryKit({ gate });
  const tls = await ownTls({
    folder: join(folder, "tls"),
    hosts: ["localhost", "127.0.0.1"],
    address: "localhost",
    log: (line) => log.push(line),
  });
  const server = serveHttp({
    host: "127.0.0.1",
    port: 0,
    tls: tls.current,
    handle: (request, peer) => {
      gate.seen(request, peer);
      asked.push(`${request.method} ${new URL(request.url).pathname}`);
      return kit.registry.answer(request);
    },
  });
  copyFileSync(join(folder, "tls/ca.crt"), join(certificates, "ca.crt"));
  return {
    host: `127.0.0.1:${server.port}`,
    kit,
    log,
    asked,
    async [Symbol.asyncDispose]() {
      await server.stop(0);
      await kit[Symbol.asyncDispose]();
    },
  };
}

function skopeo(...args: string[]): Promise<RunOutcome> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder, REGISTRY_AUTH_FILE: join(folder, "auth.json") };
  return run(["skopeo", ...args], { env });
}

const push = (to: string, creds: string): Promise<RunOutcome> =>
  skopeo(
    ...["copy", "--preserve-digests", "--src-tls-verify=false", "--dest-cert-dir", certificates],
    ...(creds ? ["--dest-creds", creds] : []),
    ...[`docker://${sourceHost}/app:1`, `docker://${to}`],
  );
const inspect = (what: string, creds: string): Promise<RunOutcome> =>
  skopeo(
    ...["inspect", "--raw", "--cert-dir", certificates],
    ...(creds ? ["--creds", creds] : ["--no-creds"]),
    `docker://${what}`,
  );

describe.each<[string, AccessConfig]>([
  ["basic", { rules: RULES }],
  ["token", { rules: [...RULES, OPEN] }],
])("skopeo, %s", (mode, config) => {
  test("with a password, a wrong one, and none", async () => {
    await using registry = await locked(config);
    const { host } = registry;
    expect((await push(`${host}/bob/app:1`, "bob:builder: ü")).stderr).toBe("");
    expect((await push(`${host}/public/app:1`, "alice:wonderland")).code).toBe(0);
    const refused = await push(`${host}/other/app:1`, "bob:builder: ü");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/denied|unauthorized|403/);
    const original = await source.ask("GET", "app/manifests/1");
    expect((await inspect(`${host}/bob/app:1`, "bob:builder: ü")).stdout).toBe(await original.text());
    for (const creds of ["bob:wrong", "nobody:wonderland", ""]) {
      const outcome = await inspect(`${host}/bob/app:1`, creds);
      expect(`${outcome.code === 0} ${outcome.stderr}`).toMatch(/^false .*(unauthorized|authentication required)/s);
    }
    expect((await inspect(`${host}/public/app:1`, "")).code).toBe(mode === "token" ? 0 : 1);
    expect(registry.asked.includes("GET /token")).toBe(mode === "token");
    expect(registry.log.join("\n")).not.toMatch(/builder|wonderland|wrong/);
  });

  test("login, logout and list", async () => {
    await using registry = await locked(config);
    const { host } = registry;
    await push(`${host}/bob/app:1`, "alice:wonderland");
    await push(`${host}/other/app:1`, "alice:wonderland");
    const login = (password: string): Promise<RunOutcome> => {
      const env = { PATH: process.env["PATH"] ?? "", HOME: folder, REGISTRY_AUTH_FILE: join(folder, "auth.json") };
      const args = ["login", "--cert-dir", certificates, "-u", "bob", "--password-stdin", host];
      return run(["skopeo", ...args], { env, input: password });
    };
    expect((await login("wrong")).code).not.toBe(0);
    expect((await login("builder: ü")).stdout).toContain("Login Succeeded");
    const tags = await skopeo("list-tags", "--cert-dir", certificates, `docker://${host}/bob/app`);
    expect(JSON.parse(tags.stdout)).toMatchObject({ Tags: ["1"] });
    const others = await skopeo("list-tags", "--cert-dir", certificates, `docker://${host}/other/app`);
    expect(others.code).not.toBe(0);
    expect((await skopeo("logout", host)).code).toBe(0);
  });
});

describe("Berth's client", () => {
  function client(): RegistryClient {
    return openRegistryClient({ mirrors: [], insecure: [], certsDirs: [], userAgent: "test" });
  }
  const bytes = Buffer.from("a layer");
  const blob = digestOf(bytes);
  async function* once(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }

  test("logs in for an identity token, and works with that alone", async () => {
    await using registry = await locked({ rules: [...RULES, OPEN] });
    const { host } = registry;
    const bob = { username: "bob", password: "builder: ü" };
    expect(client().login(host, { ...bob, password: "wrong" })).rejects.toThrow(/incorrect username or password/);
    const { identityToken = "" } = await client().login(host, bob);
    expect(identityToken).toStartWith("eyJ");
    const credentials: Credentials = { username: "bob", identityToken };
    const repository = client().repository(parseReference(`${host}/bob/app:1`), { push: true, credentials });
    await repository.uploadBlob(blob, once());
    expect(await repository.hasBlob(blob)).toBe(true);
    const other = client().repository(parseReference(`${host}/other/app:1`), { push: true, credentials });
    expect(other.uploadBlob(blob, once())).rejects.toThrow(/denied/);
    const anonymous = client().repository(parseReference(`${host}/bob/app:1`), {});
    expect(anonymous.manifest("1")).rejects.toThrow(/no basic auth credentials/);
    writeFileSync(`${htpasswd}.before`, readFileSync(htpasswd));
    await runOk(["htpasswd", "-bB", "-C", "5", htpasswd, "bob", "another"]);
    const late = client().repository(parseReference(`${host}/bob/app:1`), { credentials });
    expect(late.hasBlob(blob)).rejects.toThrow(/the password has changed since; log in again/);
    copyFileSync(`${htpasswd}.before`, htpasswd);
  });

  test("goes on when its token ends in the middle of a push or pull", async () => {
    await using registry = await locked({ rules: [...RULES, OPEN] });
    const { host, asked } = registry;
    const credentials = { username: "bob", password: "builder: ü" };
    const repository = client().repository(parseReference(`${host}/bob/app:1`), { push: true, credentials });
    await repository.uploadBlob(blob, once());
    const tokens = (): number => asked.filter((line) => line === "GET /token").length;
    const before = tokens();
    clock += 400_000;
    expect(await repository.hasBlob(blob)).toBe(true);
    expect(tokens()).toBe(before + 1);
    clock += 400_000;
    const config = { mediaType: MediaType.config, digest: blob, size: bytes.byteLength };
    const manifest = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MediaType.manifest, config, layers: [] }),
    );
    const digest = await repository.putManifest("1", { mediaType: MediaType.manifest, bytes: manifest });
    clock += 400_000;
    expect((await repository.manifest("1")).digest).toBe(digest);
    clock += 400_000;
    expect(Buffer.concat(await Array.fromAsync(await repository.blob(blob)))).toEqual(bytes);
    expect(tokens()).toBe(before + 4);
  });
});

/** Debian's registry with that token server, at a port of its own. */
async function dockerRegistry(auth: { realm: string; bundle: string }): Promise<{ host: string; child: ChildProcess }> {
  const config = join(folder, "config.yml");
  const token = `{realm: "${auth.realm}", service: berth-registry, issuer: berth-registry, rootcertbundle: "${auth.bundle}"}`;
  const storage = `storage: {filesystem: {rootdirectory: "${folder}/theirs"}}`;
  writeFileSync(config, `version: 0.1\n${storage}\nhttp: {addr: "127.0.0.1:0"}\nauth: {token: ${token}}\n`);
  const child = spawn(DOCKER_REGISTRY, ["serve", config], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  const host = await new Promise<string>((resolve, reject) => {
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      const [, found] = /listening on (127\.0\.0\.1:\d+)/.exec(said) ?? [];
      if (found) resolve(found);
    });
    child.on("exit", () => reject(new Error(`docker-registry: ${said}`)));
  });
  return { host, child };
}

test.skipIf(!existsSync(DOCKER_REGISTRY))("docker-registry takes the tokens of our issuer", async () => {
  await using registry = await locked({ rules: [...RULES, OPEN] });
  const bundle = join(folder, "token.crt");
  const key = join(folder, "token.key");
  expect(signingKey(key).id).toHaveLength(59);
  await runOk(["openssl", "req", "-x509", "-key", key, "-out", bundle, "-subj", "/CN=tokens", "-days", "2"]);
  const { host, child } = await dockerRegistry({ realm: `https://${registry.host}/token`, bundle });
  try {
    // The token server's certificate is checked with the same folder.
    const to = (name: string, creds: string): Promise<RunOutcome> =>
      skopeo(
        ...["copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--dest-creds", creds],
        ...[`docker://${sourceHost}/app:1`, `docker://${host}/${name}`],
      );
    expect((await to("bob/app:1", "bob:builder: ü")).stderr).toBe("");
    expect((await to("other/app:1", "bob:builder: ü")).stderr).toMatch(/unauthorized|denied/);
    expect((await to("bob/app:2", "bob:wrong")).stderr).toMatch(/unauthorized|incorrect/);
    expect(registry.asked).toContain("GET /token");
    const token = (await (
      await registry.kit.registry.answer(
        new Request(`https://${registry.host}/token?scope=repository:bob/app:pull`, {
          headers: { Authorization: `Basic ${Buffer.from("bob:builder: ü").toString("base64")}` },
        }),
      )
    ).json()) as { token: string };
    const headers = { Authorization: `Bearer ${token.token}` };
    expect((await fetch(`http://${host}/v2/bob/app/tags/list`, { headers })).status).toBe(200);
    expect((await fetch(`http://${host}/v2/bob/other/tags/list`, { headers })).status).toBe(401);
    const forged = { Authorization: `Bearer ${token.token.slice(0, -6)}AAAAAA` };
    expect((await fetch(`http://${host}/v2/bob/app/tags/list`, { headers: forged })).status).toBe(401);
  } finally {
    const gone = once(child, "exit");
    child.kill();
    await gone;
  }
});
