import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunOutcome, run, runOk } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";

const BERTH = join(import.meta.dir, "../../dist/berth");
const dir = mkdtempSync(join(tmpdir(), "tls-"));
let daemon: TestDaemon;

/** A CA and, signed by it, `NAME.pem` and `NAME-key.pem`. */
async function authority(ca: string, ...names: string[]): Promise<void> {
  const ssl = (...args: string[]) => runOk(["openssl", ...args], { cwd: dir });
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await ssl(
    "req",
    "-x509",
    ...curve,
    "-subj",
    `/CN=${ca}`,
    "-days",
    "3650",
    "-keyout",
    `${ca}-key.pem`,
    "-out",
    `${ca}.pem`,
  );
  writeFileSync(join(dir, "san.cnf"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  for (const name of names) {
    await ssl("req", ...curve, "-subj", `/CN=${name}`, "-keyout", `${name}-key.pem`, "-out", `${name}.csr`);
    const by = ["-CA", `${ca}.pem`, "-CAkey", `${ca}-key.pem`, "-CAcreateserial", "-extfile", "san.cnf"];
    await ssl("x509", "-req", "-in", `${name}.csr`, ...by, "-days", "3650", "-out", `${name}.pem`);
  }
}

const file = (name: string): string => join(dir, `${name}.pem`);

beforeAll(async () => {
  await authority("ca", "server", "client");
  await authority("other", "stranger");
  const tls = ["--tlscacert", file("ca"), "--tlscert", file("server"), "--tlskey", file("server-key")];
  daemon = await TestDaemon.start({ flags: ["-H", "tcp://127.0.0.1:2376", "--tlsverify", ...tls] });
}, 300_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

/** A command line in the daemon's network. */
const cli = (program: string, args: string[], env: Record<string, string> = {}): Promise<RunOutcome> =>
  run(daemon.inNet(program, ...args), { env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", ...env } });

const as = (name: string, ca = "ca"): string[] => [
  ...["--tlsverify", "--tlscacert", file(ca), "--tlscert", file(name), "--tlskey", file(`${name}-key`)],
  ...["-H", "tcp://127.0.0.1:2376"],
];

for (const [which, program] of [
  ["docker", DOCKER],
  ["berth", BERTH],
] as const) {
  test(`${which}: a client with a certificate of the CA does everything`, async () => {
    expect(await cli(program, [...as("client"), "ps", "-q"])).toMatchObject({ code: 0, stderr: "", stdout: "" });
    const ran = await cli(program, [
      ...as("client"),
      "run",
      "--rm",
      "busybox",
      "sh",
      "-c",
      "echo out; echo err >&2; exit 3",
    ]);
    expect(ran).toMatchObject({ code: 3, stdout: "out\n", stderr: "err\n" });
    const piped = ["sh", "-c", `seq 30000 | "$0" "$@" run -i --rm busybox md5sum`, program, ...as("client")];
    const sum = await run(daemon.inNet(...piped), { env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" } });
    expect(sum.stdout).toBe((await run(["sh", "-c", "seq 30000 | md5sum"])).stdout);
  }, 300_000);

  test(`${which}: no certificate, or one of another CA, is refused`, async () => {
    const bare = ["--tlsverify", "--tlscacert", file("ca"), "-H", "tcp://127.0.0.1:2376", "ps"];
    expect((await cli(program, bare)).code).toBe(1);
    const strange = await cli(program, [...as("stranger"), "ps"]);
    expect(strange.code).toBe(1);
    expect(strange.stderr).not.toBe("");
    // The daemon goes on.
    expect((await cli(program, [...as("client"), "ps"])).code).toBe(0);
  });

  test(`${which}: an engine of another CA is not trusted, but with --tls alone taken`, async () => {
    const wary = await cli(program, [...as("client", "other"), "ps"]);
    expect(wary.code).toBe(1);
    expect(wary.stderr.toLowerCase()).toMatch(/certificate/);
    const trusting = as("client", "other").map((word) => (word === "--tlsverify" ? "--tls" : word));
    expect(await cli(program, [...trusting, "ps", "-q"])).toMatchObject({ code: 0, stderr: "" });
  });

  test(`${which}: DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, and a context with keys`, async () => {
    const folder = mkdtempSync(join(dir, "certs-"));
    for (const [from, to] of [
      ["ca", "ca"],
      ["client", "cert"],
      ["client-key", "key"],
    ] as const) {
      await runOk(["cp", file(from), join(folder, `${to}.pem`)]);
    }
    const env = { DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: folder, DOCKER_HOST: "tcp://127.0.0.1:2376" };
    expect(await cli(program, ["ps", "-q"], env)).toMatchObject({ code: 0, stderr: "" });
    const home = { DOCKER_CONFIG: folder };
    const docker = `host=tcp://localhost:2376,ca=${file("ca")},cert=${file("client")},key=${file("client-key")}`;
    expect(await cli(program, ["context", "create", "safe", "--docker", docker], home)).toMatchObject({ code: 0 });
    // Either command line uses what this one made.
    for (const other of [DOCKER, BERTH]) {
      expect(await cli(other, ["--context", "safe", "ps", "-q"], home)).toMatchObject({ code: 0, stderr: "" });
    }
  });
}

test("files that are not there are said in docker's words, before anything else is done", async () => {
  for (const program of [DOCKER, BERTH]) {
    expect(
      await cli(program, ["--tlsverify", "-H", "tcp://127.0.0.1:2376", "ps"], { DOCKER_CONFIG: dir.concat("/none") }),
    ).toMatchObject({
      code: 1,
      stderr: `Failed to initialize: unable to resolve docker endpoint: open ${dir}/none/ca.pem: no such file or directory\n`,
    });
  }
  const root = join(dir, "root");
  const start = (...flags: string[]) => run([BERTH, "daemon", "--data-root", root, "--exec-root", root, ...flags]);
  const absent = await start(
    "--tlsverify",
    "--tlscacert",
    file("ca"),
    "--tlscert",
    "/none.pem",
    "--tlskey",
    "/none.pem",
  );
  expect([absent.code, existsSync(root)]).toEqual([1, false]);
  expect(absent.stderr).toContain(
    "invalid TLS configuration: could not load X509 key pair: open /none.pem: no such file",
  );
  const mixed = await start("--tls", "--tlscert", file("client"), "--tlskey", file("server-key"));
  expect(mixed.stderr).toContain("error reading X509 key pair");
});
