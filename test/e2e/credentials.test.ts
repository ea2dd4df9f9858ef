import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RunOutcome, run } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";
import { registryServer } from "../../src/testing/registry-server.ts";

// Who keeps a registry's password: config.json, or a helper program. By docker's and by Berth's command line against a registry that asks.

const BERTH = join(import.meta.dir, "../../dist/berth");
const HOST = "127.0.0.1:5004";
const PRIVATE = `${HOST}/private:1`;
let daemon: TestDaemon;
let registry: AsyncDisposable;
let folder = "";

/** Keeps its secrets in a file, and notes what it was asked, as arguments and as input. */
const HELPER = `#!/bin/sh
input=$(cat)
echo "$1 $input" >>"$HELPER_DIR/asked"
case $1 in
store) printf %s "$input" >"$HELPER_DIR/secret" ;;
get) cat "$HELPER_DIR/secret" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) rm -f "$HELPER_DIR/secret" ;;
list) [ ! -e "$HELPER_DIR/secret" ] && echo '{}' || echo '{"${HOST}":"me"}' ;;
esac
`;

beforeAll(async () => {
  daemon = await TestDaemon.start();
  folder = mkdtempSync("/var/tmp/berth-credentials.");
  registry = await registryServer(daemon, HOST, { folder: join(folder, "registry"), users: { me: "secret" } });
  mkdirSync(join(folder, "bin"));
  writeFileSync(join(folder, "bin/docker-credential-test"), HELPER, { mode: 0o755 });
  await daemon.ok("tag", "busybox", PRIVATE);
}, 300_000);
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
  await daemon[Symbol.asyncDispose]();
});
beforeEach(() => {
  for (const by of BOTH) rmSync(join(folder, by), { recursive: true, force: true });
});

const BOTH = ["docker", "berth"] as const;
type By = (typeof BOTH)[number];

function configure(config: object): void {
  for (const by of BOTH) {
    mkdirSync(join(folder, by), { recursive: true });
    writeFileSync(join(folder, by, "config.json"), JSON.stringify(config), { mode: 0o600 });
  }
}

function client(by: By, args: string[], input?: string): Promise<RunOutcome> {
  const env = {
    PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`,
    HOME: folder,
    DOCKER_CONFIG: join(folder, by),
    DOCKER_BUILDKIT: "0",
    DOCKER_HOST: `unix://${daemon.socket}`,
    HELPER_DIR: join(folder, by),
  };
  const argv = [by === "docker" ? DOCKER : BERTH, ...args];
  return run(argv, { env, ...(input === undefined ? {} : { input }) });
}

const contentOf = (path: string): string => (existsSync(path) ? readFileSync(path, "utf8") : "");

/** By both: the same words, exit code, configuration and questions to the helper. */
async function both(args: string[], input?: string): Promise<{ code: number; asked: string; config: string }> {
  const [docker, berth] = await Promise.all(
    BOTH.map(async (by) => {
      rmSync(join(folder, by, "asked"), { force: true });
      const done = await client(by, args, input);
      const config = contentOf(join(folder, by, "config.json")).trim();
      const words = (text: string): string => text.replaceAll(join(folder, by), "CONFIG").replaceAll("berth", "docker");
      // Docker asks some things twice.
      const asked = [...new Set(contentOf(join(folder, by, "asked")).split("\n"))].join("\n");
      return { code: done.code, out: words(done.stdout), err: words(done.stderr), asked, config };
    }),
  );
  expect({ args, ...berth }).toEqual({ args, ...docker } as never);
  return { code: docker?.code ?? -1, asked: docker?.asked ?? "", config: docker?.config ?? "" };
}

test("config.json keeps them, until logout", async () => {
  expect((await both(["login", "-u", "me", "-p", "wrong", HOST])).code).toBe(1);
  expect((await both(["login", HOST])).code).toBe(1);
  const done = await both(["login", "-u", "me", "--password-stdin", HOST], "secret\n");
  expect(JSON.parse(done.config)).toEqual({ auths: { [HOST]: { auth: btoa("me:secret") } } });
  expect((await both(["login", HOST])).code).toBe(0);
  for (const by of BOTH) expect((await client(by, ["push", "-q", PRIVATE])).code).toBe(0);
  expect((await both(["logout", HOST])).config).toBe('{\n\t"auths": {}\n}');
  for (const by of BOTH) {
    const refused = await client(by, ["push", "-q", PRIVATE]);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("no basic auth credentials")]);
  }
});

test.each([{ credsStore: "test" }, { credHelpers: { [HOST]: "test" } }])("%j: a helper keeps them", async (config) => {
  configure(config);
  expect((await both(["login", HOST])).code).toBe(1);
  const done = await both(["login", "-u", "me", "--password-stdin", HOST], "secret\n");
  expect(done.asked).toContain(`store {"ServerURL":"${HOST}","Username":"me","Secret":"secret"}\n`);
  expect(JSON.parse(done.config)).toEqual({ auths: { [HOST]: {} }, ...config });
  expect((await both(["login", HOST])).asked).toStartWith(`get ${HOST}\n`);
  for (const by of BOTH) expect((await client(by, ["push", "-q", PRIVATE])).code).toBe(0);
  const dockerfile = `FROM ${PRIVATE}\nLABEL by=test\n`;
  for (const by of BOTH) {
    await daemon.ok("rmi", "-f", PRIVATE);
    const built = await client(by, ["build", "-q", "-"], dockerfile);
    expect([built.code, built.stdout]).toEqual([0, expect.stringMatching(/^sha256:/)]);
    await daemon.ok("rmi", "-f", built.stdout.trim(), PRIVATE);
    expect((await client(by, ["run", "--rm", PRIVATE, "true"])).code).toBe(0);
  }
  expect((await both(["logout", HOST])).asked).toContain(`erase ${HOST}\n`);
  for (const by of BOTH) expect((await client(by, ["pull", PRIVATE])).code).toBe(1);
});

test("a helper that is absent, or leads elsewhere by its name, is told of at login and no matter elsewhere", async () => {
  for (const name of ["absent", "../bin/docker-credential-test"]) {
    configure({ credsStore: name });
    const login = await client("berth", ["login", "-u", "me", "-p", "secret", HOST]);
    expect([login.code, login.stderr.trim().split("\n").at(-1)]).toEqual([
      1,
      `Error saving credentials: error storing credentials - err: exec: "docker-credential-${name}": executable file not found in $PATH, out: \`\``,
    ]);
    for (const by of BOTH) expect((await client(by, ["pull", "-q", PRIVATE])).stderr).toContain("no basic auth");
    expect((await both(["logout", HOST])).code).toBe(0);
  }
});

test("old files with whole addresses, and identity tokens", async () => {
  configure({ auths: { [`http://${HOST}/v1/`]: { auth: btoa("me:secret") } } });
  await daemon.ok("tag", "busybox", PRIVATE);
  for (const by of BOTH) expect((await client(by, ["push", "-q", PRIVATE])).code).toBe(0);
  configure({ credsStore: "test" });
  for (const by of BOTH) {
    const entry = { ServerURL: HOST, Username: "<token>", Secret: "no such token" };
    writeFileSync(join(folder, by, "secret"), JSON.stringify(entry));
    expect((await client(by, ["push", "-q", PRIVATE])).code).toBe(1);
  }
});

test("no secret is among a program's arguments, and a broken config.json is not overwritten", async () => {
  configure({ credsStore: "test" });
  const done = await both(["login", "-u", "me", "--password-stdin", HOST], "secret\n");
  expect(done.asked.match(/^\w+/gm)).toContain("store");
  for (const by of BOTH) writeFileSync(join(folder, by, "config.json"), "{broken");
  const broken = await client("berth", ["login", "-u", "me", "--password-stdin", HOST], "secret\n");
  expect(broken.code).toBe(1);
  expect(contentOf(join(folder, "berth/config.json"))).toBe("{broken");
});
