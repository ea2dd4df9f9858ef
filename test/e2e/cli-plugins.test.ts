import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunOutcome, run } from "../../src/host/spawn.ts";
import { DOCKER } from "../../src/testing/daemon.ts";
import { fakeEngine } from "../cli/fake-engine.ts";

const BERTH = join(import.meta.dir, "../../dist/berth");
const dir = mkdtempSync(join(tmpdir(), "plugins-"));
afterAll(() => rmSync(dir, { recursive: true }));

const ABOUT = '{"SchemaVersion":"0.1.0","Vendor":"Me","Version":"v1.2","ShortDescription":"Says hello"}';

function plugin(folder: string, name: string, body: string, about = `echo '${ABOUT}'`): void {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `docker-${name}`);
  writeFileSync(path, `#!/bin/sh\nif [ "$1" = docker-cli-plugin-metadata ]; then ${about}; exit; fi\n${body}\n`);
  chmodSync(path, 0o755);
}

const own = join(dir, "cli-plugins");
plugin(own, "hello", 'echo "args: $*"; cat; echo "$DOCKER_HOST" >&2; exit 7');
plugin(own, "sleepy", 'trap "exit 9" TERM; echo ready; sleep 60 & wait');
plugin(own, "killed", "kill -KILL $$");
plugin(own, "ps", "echo never");
plugin(own, "badone", "echo never", "exit 3");
plugin(own, "badtwo", "echo never", "echo '{}'");
plugin(join(dir, "extra"), "other", "echo other");

const env = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", DOCKER_CONFIG: dir };
const configure = (config: object): void => writeFileSync(join(dir, "config.json"), JSON.stringify(config));
const say = (program: string, ...args: string[]): Promise<RunOutcome> =>
  run([program, ...args], { env: { ...env, DOCKER_HOST: "unix:///nowhere/x.sock" } });

test("a plugin runs as docker runs it: arguments, flags before it, streams, exit code", async () => {
  configure({});
  for (const args of [
    ["hello", "a", "--b"],
    ["-D", "--tls=false", "hello", "x"],
    ["hello", "--help"],
    ["hello", "--", "-x"],
  ]) {
    const [ours, theirs] = [await say(BERTH, ...args), await say(DOCKER, ...args)];
    expect([args, ours]).toEqual([args, theirs]);
    expect(ours.code).toBe(7);
  }
  expect((await run([BERTH, "-H", "tcp://1.2.3.4:5", "hello"], { env })).stderr).toBe("tcp://1.2.3.4:5\n");
});

test("what cannot be used is an unknown command, and no plugin hides a command of ours", async () => {
  for (const name of ["badone", "badtwo", "nope"]) {
    expect(await say(BERTH, name)).toMatchObject({ code: 1, stdout: "" });
    expect((await say(BERTH, name)).stderr).toStartWith(`berth: unknown command: berth ${name}\n`);
  }
  expect((await say(BERTH, "ps")).stdout).toBe("");
});

test("signals are passed on; a plugin that a signal ends gives its number", async () => {
  const child = Bun.spawn([BERTH, "sleepy"], { env: { ...env, DOCKER_HOST: "unix:///x" }, stdout: "pipe" });
  const reader = child.stdout.getReader();
  let seen = "";
  while (!seen.includes("ready")) seen += Buffer.from((await reader.read()).value ?? []).toString();
  child.kill("SIGTERM");
  expect(await child.exited).toBe(9);
  expect((await say(BERTH, "killed")).code).toBe(137);
});

test("help and info show them, with what is wrong with the others", async () => {
  configure({ cliPluginsExtraDirs: [join(dir, "extra")] });
  const { stdout } = await say(BERTH, "--help");
  expect(stdout).toMatch(/^ {2}hello\* +Says hello$/m);
  expect(stdout).toMatch(/^ {2}other\* +Says hello$/m);
  expect(stdout).not.toMatch(/^ {2}(ps|badone)\*/m);
  expect(await say(BERTH, "other")).toMatchObject({ code: 0, stdout: "other\n" });
  await using engine = await fakeEngine({ "GET /info": { ServerVersion: "x" } });
  const info = await run([BERTH, "-H", engine.host, "info"], { env });
  expect(info.stdout).toContain(`  hello: Says hello (Me)\n    Version:  v1.2\n    Path:     ${own}/docker-hello\n`);
  expect(info.stderr).toContain(
    `WARNING: Plugin "${own}/docker-badone" is not valid: failed to fetch metadata: exit status 3\n`,
  );
  expect(info.stderr).toContain('is not valid: plugin SchemaVersion "" is not valid, must be 0.1.0\n');
});

test("builder may be an alias of a plugin, nothing else may be an alias", async () => {
  configure({ aliases: { builder: "hello" } });
  const [ours, theirs] = [await say(BERTH, "builder", "prune"), await say(DOCKER, "builder", "prune")];
  expect(ours).toEqual(theirs);
  expect(ours.stdout).toBe("args: hello prune\n");
  configure({ aliases: { foo: "hello" } });
  expect(await say(BERTH, "ps")).toMatchObject({ code: 1 });
  expect((await say(BERTH, "ps")).stderr).toStartWith('not allowed to alias "foo"');
});
