import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { type RunOutcome, run, runOk } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";

// `berth registry serve` with users, tokens and TLS, as a program: its start, its end, signals; skopeo and docker as its clients.

setDefaultTimeout(300_000);
const BERTH = join(import.meta.dir, "../../dist/berth");
let folder = "";
let users = "";
const running: ChildProcess[] = [];

interface Served {
  child: ChildProcess;
  port: number;
  /** All that it said. */
  said(): string;
  until(text: string): Promise<void>;
}

beforeEach(async () => {
  folder = mkdtempSync("/var/tmp/berth-access.");
  users = join(folder, "users");
  for (const [name, password] of [
    ["alice", "wonderland"],
    ["bob", "builder"],
  ] as const) {
    await runOk([BERTH, "registry", "user", "add", "--password-stdin", users, name], { input: password });
  }
});
afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
  rmSync(folder, { recursive: true });
});

/** Starts one and waits until it listens; throws what it said where it does not. */
async function serve(args: string[], prefix: string[] = []): Promise<Served> {
  const [file = "", ...rest] = [...prefix, BERTH, "registry", "serve", "--root", join(folder, "root"), ...args];
  const child = spawn(file, rest, { stdio: ["ignore", "ignore", "pipe"] });
  running.push(child);
  let said = "";
  let look = (): void => undefined;
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
    look();
  });
  const until = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      look = () => void (said.includes(text) && resolve());
      look();
      child.on("exit", (code) => reject(new Error(`ended with ${code}: ${said}`)));
    });
  await until("registry at ");
  const port = Number(/registry at https?:\/\/\S+?:(\d+)\//.exec(said)?.[1]);
  return { child, port, said: () => said, until };
}

function settings(access: object, more: object = {}): string {
  const path = join(folder, "config.json");
  writeFileSync(path, JSON.stringify({ addr: "127.0.0.1:0", access, ...more }));
  return path;
}

const skopeo = (...args: string[]): Promise<RunOutcome> =>
  run(["skopeo", ...args], { env: { PATH: process.env["PATH"] ?? "", HOME: folder } });

/** An image of nothing but a file, as an OCI layout. */
async function image(): Promise<string> {
  const layout = join(folder, "layout");
  if (existsSync(layout)) return `oci:${layout}:1`;
  writeFileSync(join(folder, "hello"), "hello");
  await runOk(["tar", "-C", folder, "-cf", join(folder, "layer.tar"), "hello"]);
  const digest = async (path: string): Promise<string> => (await runOk(["sha256sum", path])).slice(0, 64);
  mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
  const put = async (text: string | Buffer): Promise<{ digest: string; size: number }> => {
    const path = join(layout, "new");
    writeFileSync(path, text);
    const hex = await digest(path);
    copyFileSync(path, join(layout, "blobs/sha256", hex));
    return { digest: `sha256:${hex}`, size: statSync(path).size };
  };
  const layer = await put(readFileSync(join(folder, "layer.tar")));
  const rootfs = { type: "layers", diff_ids: [layer.digest] };
  const config = await put(JSON.stringify({ architecture: "amd64", os: "linux", config: {}, rootfs }));
  const OCI = "application/vnd.oci.image";
  const manifest = await put(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: { mediaType: `${OCI}.config.v1+json`, ...config },
      layers: [{ mediaType: `${OCI}.layer.v1.tar`, ...layer }],
    }),
  );
  const named = {
    mediaType: `${OCI}.manifest.v1+json`,
    ...manifest,
    annotations: { "org.opencontainers.image.ref.name": "1" },
  };
  writeFileSync(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
  writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  return `oci:${layout}:1`;
}

test("TLS and tokens out of the box, and the same keys after a kill", async () => {
  const access = {
    rules: [
      { user: "alice", repository: "**", actions: ["*"] },
      { user: "", repository: "public/*", actions: ["pull"] },
    ],
  };
  const flags = ["--config", settings(access), "--htpasswd", users, "--tls"];
  const first = await serve(flags);
  await first.until("clients have to trust ");
  const ca = /clients have to trust (\S+):/.exec(first.said())?.[1] ?? "";
  const certs = join(folder, "certs");
  mkdirSync(certs);
  copyFileSync(ca, join(certs, "ca.crt"));
  const trusted = ["--dest-cert-dir", certs];
  const from = await image();
  const to = (name: string): string => `docker://127.0.0.1:${first.port}/${name}`;
  expect((await skopeo("copy", ...trusted, "--dest-creds", "alice:wonderland", from, to("public/app:1"))).stderr).toBe(
    "",
  );
  expect((await skopeo("copy", ...trusted, "--dest-creds", "bob:builder", from, to("public/app:2"))).stderr).toMatch(
    /denied|403/,
  );
  expect((await skopeo("copy", ...trusted, "--dest-creds", "alice:builder", from, to("public/app:2"))).stderr).toMatch(
    /incorrect|unauthorized/,
  );
  expect((await skopeo("inspect", "--cert-dir", certs, "--no-creds", to("public/app:1"))).code).toBe(0);
  expect((await skopeo("inspect", "--cert-dir", folder, "--no-creds", to("public/app:1"))).stderr).toMatch(
    /certificate/,
  );

  const tls = { ca: readFileSync(ca, "utf8") };
  const root = (port: number): string => `https://127.0.0.1:${port}`;
  const headers = { Authorization: `Basic ${Buffer.from("alice:wonderland").toString("base64")}` };
  const query = "service=berth-registry&scope=repository:secret:pull,push&offline_token=true";
  const bought = (await (await fetch(`${root(first.port)}/token?${query}`, { headers, tls })).json()) as {
    token: string;
    refresh_token: string;
  };
  const gone = once(first.child, "exit");
  first.child.kill("SIGKILL");
  await gone;
  const second = await serve(flags);
  const bearer = { Authorization: `Bearer ${bought.token}` };
  const begun = await fetch(`${root(second.port)}/v2/secret/blobs/uploads/`, { method: "POST", headers: bearer, tls });
  expect(begun.status).toBe(202);
  const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: bought.refresh_token });
  expect((await fetch(`${root(second.port)}/token`, { method: "POST", body, tls })).status).toBe(200);
  await runOk([BERTH, "registry", "user", "rm", users, "alice"]);
  const again = await fetch(`${root(second.port)}/v2/secret/blobs/uploads/`, { method: "POST", headers: bearer, tls });
  expect(again.status).toBe(401);
  expect(`${first.said()}${second.said()}`).not.toMatch(/wonderland|builder|eyJ/);
  for (const path of ["own/token.key", "own/tls/ca.key", "own/tls/server.pem"]) {
    expect(statSync(join(folder, "root", path)).mode & 0o077).toBe(0);
  }
});

test("another certificate at SIGHUP, under load: at most the connections of that very moment have to be made again", async () => {
  const pair = async (name: string): Promise<{ cert: string; key: string }> => {
    const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
    await runOk([
      ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-keyout", key, "-out", cert, "-subj", `/CN=${name}`, "-days", "3", "-addext", "subjectAltName=IP:127.0.0.1"],
    ]);
    return { cert, key };
  };
  const [one, two] = [await pair("one"), await pair("two")];
  const [cert, key] = [join(folder, "tls.crt"), join(folder, "tls.key")];
  const install = (from: { cert: string; key: string }): void => {
    copyFileSync(from.cert, cert);
    copyFileSync(from.key, key);
  };
  install(one);
  const served = await serve(["--addr", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key]);
  const shown = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port: served.port, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      });
      socket.on("error", reject);
    });
  const printOf = (path: string): string => new X509Certificate(readFileSync(path)).fingerprint256;
  expect(await shown()).toBe(printOf(one.cert));
  let stop = false;
  const load = Array.from({ length: 4 }, async () => {
    const statuses = new Set<number>();
    let again = 0;
    while (!stop) {
      try {
        const answer = await fetch(`https://127.0.0.1:${served.port}/v2/`, { tls: { rejectUnauthorized: false } });
        await answer.text();
        statuses.add(answer.status);
      } catch (error) {
        // Not accepted yet, or idle, when the listener changed.
        if (!/^(?:ECONNRESET|ECONNREFUSED|ConnectionRefused)$/.test((error as { code?: string }).code ?? ""))
          throw error;
        again += 1;
      }
    }
    expect(again).toBeLessThan(5);
    return statuses;
  });
  install(two);
  served.child.kill("SIGHUP");
  await served.until("other certificates are in use");
  expect(await shown()).toBe(printOf(two.cert));
  stop = true;
  for (const statuses of await Promise.all(load)) expect([...statuses]).toEqual([200]);
  const gone = once(served.child, "exit");
  served.child.kill("SIGTERM");
  expect((await gone)[0]).toBe(0);
});

describe("refused at the start, in one line, with nothing listened to", () => {
  test.each<[string, (at: (name: string, text: string) => string) => string[], RegExp]>([
    [
      "a line that is no bcrypt",
      (at) => ["--htpasswd", at("sha", "alice:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=\n")],
      /sha:1: a SHA-1 hash: only bcrypt is taken \(make the line again with 'htpasswd -B'/,
    ],
    ["no file of users", () => ["--htpasswd", "/nowhere/users"], /\/nowhere\/users/],
    [
      "certificates of clients without TLS",
      (at) => ["--tls-client-ca", at("ca", "")],
      /certificates of clients need TLS/,
    ],
    ["a key without its certificate", (at) => ["--tls-key", at("key", "")], /a key its certificate/],
    [
      "no certificate",
      (at) => ["--tls-cert", at("c", "secret"), "--tls-key", at("k", "secret")],
      /c: no certificate in PEM/,
    ],
    ["an unknown setting", (at) => ["--config", at("j", '{"access":{"rule":[]}}')], /unknown key "rule"/],
    [
      "basic and anonymous",
      (at) => ["--config", at("j", '{"access":{"mode":"basic","htpasswd":"/x","anonymous":["pull"]}}')],
      /mode basic lets in nobody anonymous \(set mode to "token"\)/,
    ],
  ])("%s", async (_, flags, why) => {
    const at = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const argv = [BERTH, "registry", "serve", "--root", join(folder, "root"), "--addr", "127.0.0.1:0", ...flags(at)];
    const { code, stderr } = await run(argv);
    expect(code).toBe(1);
    expect(stderr).toMatch(why);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).not.toMatch(/secret|0DPiKu/);
  });
});

describe("docker and berth log in, push and pull", () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await TestDaemon.start();
  }, 300_000);
  afterAll(() => daemon[Symbol.asyncDispose]());

  test.each(["docker", "berth"])("%s", async (by) => {
    const access = {
      rules: [
        { user: "bob", repository: "bob/*", actions: ["pull", "push"] },
        { user: "", repository: "public/*", actions: ["pull"] },
      ],
    };
    const port = by === "docker" ? 5011 : 5012;
    const config = settings(access, { addr: `127.0.0.1:${port}` });
    await serve(["--config", config, "--htpasswd", users], daemon.inNet());
    const host = `127.0.0.1:${port}`;
    const client = (args: string[], input = ""): Promise<RunOutcome> => {
      const env = { PATH: process.env["PATH"] ?? "", HOME: folder, DOCKER_CONFIG: join(folder, "config") };
      return run([by === "docker" ? DOCKER : BERTH, "-H", `unix://${daemon.socket}`, ...args], { env, input });
    };
    const name = `${host}/bob/app:1`;
    await daemon.ok("tag", "busybox", name);
    expect((await client(["push", name])).stderr).toMatch(/denied|no basic auth|authentication required/);
    expect((await client(["login", "-u", "bob", "--password-stdin", host], "wrong")).stderr).toMatch(
      /incorrect username or password/,
    );
    expect((await client(["login", "-u", "bob", "--password-stdin", host], "builder")).stdout).toContain(
      "Login Succeeded",
    );
    const kept = readFileSync(join(folder, "config/config.json"), "utf8");
    expect(kept).toContain("identitytoken");
    expect(kept).not.toContain(Buffer.from("bob:builder").toString("base64"));
    expect((await client(["push", name])).code).toBe(0);
    await daemon.ok("tag", "busybox", `${host}/other/app:1`);
    expect((await client(["push", `${host}/other/app:1`])).stderr).toMatch(/denied.*bob may not push other\/app/);
    await daemon.ok("rmi", name);
    expect((await client(["pull", "-q", name])).stdout.trim()).toBe(name);
    expect((await client(["search", `${host}/app`])).stdout).toContain("bob/app");
    await client(["logout", host]);
    await daemon.ok("rmi", name);
    expect((await client(["pull", name])).stderr).toMatch(/denied|no basic auth|authentication required/);
  });
});
