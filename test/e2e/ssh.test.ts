import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RunOutcome, run } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";
import { type OnTerminal, onTerminal } from "../cli/pty.ts";

// Hosts behind ssh: a real client and a real server (dropbear), with keys, users and shells of the test's own.

const BERTH = join(import.meta.dir, "../../dist/berth");
const CLIENTS = { docker: DOCKER, berth: BERTH } as const;
type By = keyof typeof CLIENTS;
const BOTH: By[] = ["docker", "berth"];
const PORT = 2222;
const LIMIT = 300_000;
let daemon: TestDaemon;
let server: ChildProcess;
let folder = "";

beforeAll(async () => {
  daemon = await TestDaemon.start();
  folder = mkdtempSync("/var/tmp/berth-ssh.");
  await keys();
  script("bin/ssh", `exec /usr/bin/ssh -F ${folder}/config "$@"`);
  script("shell", `export PATH=${folder}/remote:/usr/bin:/bin; exec /bin/sh "$@"`);
  script("remote/docker", `exec ${Bun.which(DOCKER)} "$@"`);
  writeFileSync(join(folder, "passwd"), `root:x:0:0:root:${folder}:${folder}/shell\n`);
  writeFileSync(join(folder, "shells"), `/bin/sh\n${folder}/shell\n`);
  // Its users are the test's own, and nobody else sees them.
  const mounts = `mount --bind ${folder}/passwd /etc/passwd && mount --bind ${folder}/shells /etc/shells`;
  const serve = `${mounts} && exec dropbear -F -E -s -r ${folder}/host.key -p 127.0.0.1:${PORT} -P ${folder}/pid`;
  const [file = "", ...args] = daemon.inNet("unshare", "-m", "sh", "-c", serve);
  server = spawn(file, args, { stdio: "ignore" });
  while ((await run(daemon.inNet("bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/${PORT}`))).code !== 0) {
    if (server.exitCode !== null) throw new Error(`dropbear ended with ${server.exitCode}`);
  }
}, LIMIT);
afterAll(async () => {
  const gone = once(server, "exit");
  server.kill();
  await gone;
  rmSync(folder, { recursive: true, force: true });
  await daemon[Symbol.asyncDispose]();
});

async function keys(): Promise<void> {
  const made = await run(["dropbearkey", "-t", "ed25519", "-f", join(folder, "host.key")]);
  const [host = ""] = /^ssh-ed25519 \S+/m.exec(made.stdout) ?? [];
  writeFileSync(join(folder, "known_hosts"), `[127.0.0.1]:${PORT} ${host}\n`);
  await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", join(folder, "key")]);
  mkdirSync(join(folder, ".ssh"), { mode: 0o700 });
  writeFileSync(join(folder, ".ssh/authorized_keys"), readFileSync(join(folder, "key.pub")), { mode: 0o600 });
  const options = `IdentityFile ${folder}/key\nIdentitiesOnly yes\nBatchMode yes\nUserKnownHostsFile ${folder}/known_hosts`;
  writeFileSync(join(folder, "config"), `${options}\n`);
}

function script(name: string, body: string): void {
  mkdirSync(join(folder, name, ".."), { recursive: true });
  writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}

function environment(host = `ssh://root@127.0.0.1:${PORT}${daemon.socket}`): Record<string, string> {
  const PATH = `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`;
  return { PATH, HOME: folder, DOCKER_HOST: host, DOCKER_CONFIG: join(folder, "docker"), DOCKER_BUILDKIT: "0" };
}

function client(by: By, args: string[], options: { input?: string; host?: string } = {}): Promise<RunOutcome> {
  const { input, host } = options;
  return run(daemon.inNet(CLIENTS[by], ...args), { env: environment(host), ...(input === undefined ? {} : { input }) });
}

async function ok(by: By, args: string[], input?: string): Promise<string> {
  const done = await client(by, args, input === undefined ? {} : { input });
  expect(`${args.join(" ")}: ${done.code} ${done.code === 0 ? "" : done.stderr}`).toBe(`${args.join(" ")}: 0 `);
  return done.stdout.trim();
}

function terminal(by: By, ...args: string[]): OnTerminal {
  return onTerminal(daemon.inNet(CLIENTS[by], ...args), environment());
}

test.each(BOTH)(
  "%s: run, exec with the end of its input, logs, cp and build",
  async (by) => {
    const name = `${by}-over-ssh`;
    await ok(by, ["run", "-d", "--name", name, "busybox", "sh", "-c", "echo started; exec sleep 1000"]);
    expect(await ok(by, ["ps", "--format", "{{.Names}}", "-f", `name=${name}`])).toBe(name);
    const big = "line of input\n".repeat(20_000);
    const counted = await ok(by, ["exec", "-i", name, "sh", "-c", "md5sum; echo ended"], big);
    expect(counted).toBe(`${new Bun.CryptoHasher("md5").update(big).digest("hex")}  -\nended`);
    expect((await client(by, ["run", "--rm", "busybox", "sh", "-c", "exit 7"])).code).toBe(7);
    expect(await ok(by, ["logs", name])).toBe("started");
    writeFileSync(join(folder, "file"), "copied\n");
    await ok(by, ["cp", join(folder, "file"), `${name}:/file`]);
    expect(await ok(by, ["exec", name, "cat", "/file"])).toBe("copied");
    const built = await ok(by, ["build", "-q", "-"], "FROM busybox\nRUN echo built >/b\n");
    expect(await ok(by, ["run", "--rm", built, "cat", "/b"])).toBe("built");
    await ok(by, ["rm", "-f", name]);
  },
  LIMIT,
);

test.each(BOTH)(
  "%s: a terminal, and logs that are followed, end with the container",
  async (by) => {
    const name = `${by}-terminal`;
    const t = terminal(by, "run", "-it", "--name", name, "busybox", "sh");
    await t.until("/ # ");
    const sized = (size: string): string =>
      `until [ "$(stty size)" = '${size}' ]; do sleep 0.05; done; echo 'fol'lowed\r`;
    t.type(sized("30 100"));
    await t.until("followed");
    // Docker's misses a change that comes while it tells of the first size.
    if (by === "berth") {
      t.resize(77, 33);
      t.type(sized("33 77"));
      await t.until("followed");
    }
    const logs = client(by, ["logs", "-f", name]);
    t.type("exit 3\r");
    expect(await t.ended()).toBe(3);
    expect((await logs).stdout).toContain("followed");
    await daemon.ok("rm", name);
  },
  LIMIT,
);

test(
  "where the other side has no docker, Berth's own command line carries",
  async () => {
    rmSync(join(folder, "remote/docker"));
    script("remote/berth", `echo "$@" >>${folder}/called; exec ${BERTH} "$@"`);
    expect(await ok("berth", ["run", "--rm", "busybox", "echo", "carried"])).toBe("carried");
    // A machine that has docker in its own folders uses that.
    const own = (await run(["sh", "-c", "PATH=/usr/bin:/bin command -v docker"])).code === 0;
    if (!own) expect(readFileSync(join(folder, "called"), "utf8")).toContain("system dial-stdio");
    script("remote/docker", `exec ${BERTH} "$@"`);
    for (const by of BOTH)
      expect(await ok(by, ["run", "--rm", "-i", "busybox", "cat"], "through berth")).toBe("through berth");
    script("remote/docker", `exec ${Bun.which(DOCKER)} "$@"`);
  },
  LIMIT,
);

test("a context with an ssh host", async () => {
  await ok("berth", ["context", "create", "far", "--docker", `host=ssh://root@127.0.0.1:${PORT}${daemon.socket}`]);
  const env = { ...environment(), DOCKER_HOST: "" };
  const far = await run(daemon.inNet(BERTH, "--context", "far", "version", "-f", "{{.Server.Version}}"), { env });
  expect([far.code, far.stderr]).toEqual([0, ""]);
});

test.each([
  [`ssh://root@127.0.0.1:1/x`, "port 1: Connection refused"],
  [`ssh://nobody@127.0.0.1:${PORT}/x`, "Permission denied"],
  [`ssh://root@127.0.0.1:${PORT}/nowhere/x.sock`, "/nowhere/x.sock"],
])("%s: what ssh, or the other side, says, and exit code 1", async (host, words) => {
  const done = await client("berth", ["ps"], { host });
  expect([done.code, done.stdout, done.stderr]).toEqual([1, "", expect.stringContaining(words)]);
  expect(done.stderr).toContain(host);
});

test("dial-stdio carries bytes both ways and ends with the engine's answer", async () => {
  const request = "GET /_ping HTTP/1.1\r\nHost: berth\r\nConnection: close\r\n\r\n";
  const done = await run([BERTH, "-H", `unix://${daemon.socket}`, "system", "dial-stdio"], { input: request });
  expect([done.code, done.stderr]).toEqual([0, ""]);
  expect(done.stdout).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nOK$/);
});
