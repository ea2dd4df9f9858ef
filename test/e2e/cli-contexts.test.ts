import { afterAll, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunOutcome, run } from "../../src/host/spawn.ts";
import { DOCKER } from "../../src/testing/daemon.ts";
import { fakeEngine } from "../cli/fake-engine.ts";

const BERTH = join(import.meta.dir, "../../dist/berth");
const root = mkdtempSync(join(tmpdir(), "contexts-"));
afterAll(() => rmSync(root, { recursive: true }));
await run([
  "openssl",
  "req",
  "-x509",
  "-newkey",
  "ec",
  "-pkeyopt",
  "ec_paramgen_curve:P-256",
  "-nodes",
  "-subj",
  "/CN=ca",
  "-days",
  "3650",
  "-keyout",
  join(root, "key.pem"),
  "-out",
  join(root, "ca.pem"),
]);
copyFileSync(join(root, "ca.pem"), join(root, "cert.pem"));

/** A configuration folder of its own, and both command lines on it. */
function home(): { dir: string; berth: Cli; docker: Cli; config: () => Record<string, unknown> } {
  const dir = mkdtempSync(join(root, "home-"));
  const cli =
    (program: string): Cli =>
    (line, env = {}) =>
      run([program, ...line.split(" ")], {
        cwd: root,
        env: { PATH: process.env["PATH"] ?? "", HOME: dir, DOCKER_CONFIG: dir, ...env },
      });
  const config = () => JSON.parse(readFileSync(join(dir, "config.json"), "utf8")) as Record<string, unknown>;
  return { dir, berth: cli(BERTH), docker: cli(DOCKER), config };
}

type Cli = (line: string, env?: Record<string, string>) => Promise<RunOutcome>;

/** All files below, with their modes and texts. */
function tree(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const stat = statSync(join(dir, name));
      const text = stat.isFile() ? readFileSync(join(dir, name), "utf8") : "/";
      return `${(stat.mode & 0o777).toString(8)} ${name} ${text}`;
    });
}

/** Paths and program names apart, both say the same. */
const alike = (outcome: RunOutcome, dir: string): object => ({
  code: outcome.code,
  stdout: outcome.stdout.replaceAll(dir, "HOME"),
  stderr: outcome.stderr.replaceAll(dir, "HOME"),
});

const TLS = "ca=ca.pem,cert=cert.pem,key=key.pem";

test("the same commands leave the same files and say the same as docker's, to the byte", async () => {
  const [ours, theirs] = [home(), home()];
  for (const line of [
    "context create box --description about --docker host=tcp://box:2376,skip-tls-verify=true",
    "context create box",
    `context create tls --docker host=tcp://tls:2376,${TLS}`,
    "context create copy --from tls",
    "context create copy2 --from nope",
    "context create default",
    "context create x",
    "context create bad --docker foo=1",
    "context create bad --docker host=tcp://a,ca=/nonexistent",
    "context update box --description other",
    "context update tls --docker host=tcp://b:1",
    "context update nope --description x",
    "context inspect box tls copy",
    "context inspect nope",
    "context inspect box --format {{.Endpoints.docker.Host}}",
    "context show",
    "context use nope",
    "context use box",
    "context show",
    "context ls -q",
    "context rm box",
    "context rm nope copy default",
    "--context nope -H unix:///x ps",
    "--context nope ps",
    "-l loud ps",
    "context use default",
    "context use box",
    "context rm -f box",
    "context show",
  ]) {
    const [a, b] = [await ours.berth(line), await theirs.docker(line)];
    expect([line, alike(a, ours.dir)]).toEqual([line, alike(b, theirs.dir)]);
  }
  expect(tree(ours.dir)).toEqual(tree(theirs.dir));
});

test("either reads and uses what the other made", async () => {
  const { berth, docker } = home();
  await using engine = await fakeEngine({ "GET /containers/json": [] });
  expect(await docker(`context create theirs --docker host=${engine.host}`)).toMatchObject({ code: 0 });
  expect(await berth("--context theirs ps -q")).toMatchObject({ code: 0, stderr: "" });
  expect(engine.calls().length).toBe(1);
  expect(await berth("context use theirs")).toMatchObject({ code: 0 });
  expect(await docker("context show")).toMatchObject({ stdout: "theirs\n" });
  expect(await berth("ps -q")).toMatchObject({ code: 0 });
  expect(await berth("ps -q", { DOCKER_CONTEXT: "default", DOCKER_HOST: "unix:///nowhere/x.sock" })).toMatchObject({
    code: 1,
  });
  expect(engine.calls().length).toBe(2);
  expect(await berth("context create mine --docker host=tcp://mine:1")).toMatchObject({ code: 0 });
  expect((await docker("context ls --format {{.Name}}={{.DockerEndpoint}}")).stdout).toContain("mine=tcp://mine:1\n");
});

test("which context counts: the flag, a host, DOCKER_CONTEXT, the file", async () => {
  const { berth } = home();
  for (const name of ["flag", "env", "file"])
    await berth(`context create ${name} --docker host=unix:///nowhere/${name}`);
  await berth("context use file");
  const used = async (line: string, env: Record<string, string> = {}) => (await berth(line, env)).stderr;
  const env = { DOCKER_CONTEXT: "env" };
  expect(await used("ps")).toContain("/nowhere/file");
  expect(await used("ps", env)).toContain("/nowhere/env");
  expect(await used("ps", { ...env, DOCKER_HOST: "unix:///nowhere/host" })).toContain("/nowhere/host");
  expect(await used("-c flag ps", { ...env, DOCKER_HOST: "unix:///nowhere/host" })).toContain("/nowhere/flag");
  const warned = await berth("context use env", { DOCKER_HOST: "unix:///x" });
  expect(warned.stderr).toBe(
    'Current context is now "env"\nWarning: DOCKER_HOST environment variable overrides the active context. To use "env", either set the global --context flag, or unset DOCKER_HOST environment variable.\n',
  );
  const listed = await berth("context ls", { DOCKER_HOST: "unix:///x" });
  expect(listed.stdout).toContain("default *");
  expect(listed.stderr).toContain("Warning: DOCKER_HOST environment variable overrides the active context. To use a");
});

test("a context of config.json that is gone: listed with its error, an error to what needs it, no trouble to others", async () => {
  const { dir, berth, docker } = home();
  writeFileSync(join(dir, "config.json"), '{"currentContext":"gone"}');
  const theirs = await docker("context ls --format {{.Name}}|{{.Current}}|{{.Error}}");
  expect(await berth("context ls --format {{.Name}}|{{.Current}}|{{.Error}}")).toEqual(theirs);
  const [ours, other] = [await berth("ps"), await docker("ps")];
  expect(ours).toEqual(other);
  expect(ours.stderr).toStartWith(
    'Failed to initialize: unable to resolve docker endpoint: context "gone": context not',
  );
  expect(await berth("ps --help")).toMatchObject({ code: 0, stderr: "" });
});

test("a config.json that is broken is warned of and not written over", async () => {
  const { dir, berth } = home();
  writeFileSync(join(dir, "config.json"), '{"a');
  const done = await berth("context show");
  expect([done.code, done.stdout]).toEqual([0, "default\n"]);
  expect(done.stderr).toStartWith(`WARNING: Error parsing config file (${dir}/config.json): `);
  await berth("context create box --docker host=tcp://a");
  expect((await berth("context use box")).code).toBe(1);
  expect(readFileSync(join(dir, "config.json"), "utf8")).toBe('{"a');
});

test("using a context keeps the other keys of the file", async () => {
  const { dir, berth, config } = home();
  writeFileSync(join(dir, "config.json"), '{"auths":{"r":{"auth":"eA=="}},"psFormat":"x"}');
  await berth("context create box --docker host=tcp://a");
  await berth(`--config ${dir} context use box`, { DOCKER_CONFIG: "/nonexistent" });
  expect(config()).toEqual({ auths: { r: { auth: "eA==" } }, psFormat: "x", currentContext: "box" });
  expect(statSync(join(dir, "config.json")).mode & 0o777).toBe(0o600);
});

test("archives of contexts go either way, with their keys", async () => {
  const [ours, theirs] = [home(), home()];
  await ours.berth(`context create tls --docker host=tcp://tls:2376,${TLS}`);
  const file = join(root, "ours.tar");
  expect(await ours.berth(`context export tls ${file}`)).toMatchObject({ code: 0, stderr: `Written file "${file}"\n` });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await ours.berth(`context export tls ${file}`)).toMatchObject({
    code: 1,
    stderr: `open ${file}: file exists\n`,
  });
  expect(await theirs.docker(`context import tls ${file}`)).toMatchObject({ code: 0 });
  expect(tree(theirs.dir)).toEqual(tree(ours.dir));
  const back = join(root, "theirs.tar");
  expect(await theirs.docker(`context export tls ${back}`)).toMatchObject({ code: 0 });
  await ours.berth("context rm tls");
  expect(await ours.berth(`context import tls ${back}`)).toMatchObject({
    code: 0,
    stdout: "tls\n",
    stderr: 'Successfully imported context "tls"\n',
  });
  expect(tree(ours.dir)).toEqual(tree(theirs.dir));
  expect((await ours.berth(`context import tls ${back}`)).stderr).toBe('context "tls" already exists\n');
  expect((await ours.berth("context import bad /nonexistent")).stderr).toBe(
    "open /nonexistent: no such file or directory\n",
  );
  const junk = await ours.berth(`context import bad ${join(root, "key.pem")}`);
  expect([junk.code, existsSync(join(ours.dir, "contexts/meta"))]).toEqual([1, true]);
  expect((await ours.berth("context ls -q")).stdout).toBe("default\ntls\n");
});
