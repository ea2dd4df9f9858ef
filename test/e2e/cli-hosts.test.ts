import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/host/spawn.ts";
import { fakeEngine } from "../cli/fake-engine.ts";
import { LEAVE, onFreshMachine } from "./fresh-machine.ts";

const BERTH = join(import.meta.dir, "../../dist/berth");
const PATH = process.env["PATH"] ?? "";

/** The one line that a command says on stderr, and its exit code. */
async function lineOf(argv: string[], env: Record<string, string> = {}): Promise<{ code: number; line: string }> {
  const { code, stderr, stdout } = await run(argv, { env: { PATH, ...env } });
  expect(stdout).toBe("");
  expect(stderr.trim().split("\n")).toHaveLength(1);
  return { code, line: stderr.trim() };
}

/** A program that leaves a socket behind on which nobody listens. */
function abandoned(path: string): string[] {
  const listen = `require("net").createServer().listen("${path}", () => process.kill(process.pid, "SIGKILL"))`;
  return [process.execPath, "-e", listen];
}

test.each([
  [["-H", "unix:///nowhere/flag.sock"], "flag"],
  [["--host=unix:///nowhere/flag.sock"], "flag"],
  [[], "berth"],
])("-H comes before BERTH_HOST, and that before DOCKER_HOST: %p", async (flags, winner) => {
  const env = { BERTH_HOST: "unix:///nowhere/berth.sock", DOCKER_HOST: "unix:///nowhere/docker.sock" };
  const { code, line } = await lineOf([BERTH, ...flags, "ps"], env);
  expect(code).toBe(1);
  expect(line).toContain(`unix:///nowhere/${winner}.sock`);
});

test("DOCKER_HOST counts alone, and where BERTH_HOST is empty", async () => {
  const DOCKER_HOST = "unix:///nowhere/docker.sock";
  expect((await lineOf([BERTH, "ps"], { DOCKER_HOST })).line).toContain(DOCKER_HOST);
  expect((await lineOf([BERTH, "ps"], { DOCKER_HOST, BERTH_HOST: "" })).line).toContain(DOCKER_HOST);
});

test.each([
  "ftp://x",
  "unix:/x",
  "tcp://",
  "tcp://a:99999999",
  "ssh://user:password@host",
  "ssh://-oProxyCommand=x",
  "fd://",
  "tcp://a b",
])("-H %s is refused in one line that names it", async (host) => {
  const { code, line } = await lineOf([BERTH, "-H", host, "ps"]);
  expect(code).toBe(1);
  expect(line).toContain(host);
});

test("two hosts are one too many", async () => {
  const done = await run([BERTH, "-H", "unix:///a", "-H", "unix:///b", "ps"], { env: { PATH } });
  expect([done.code, done.stdout]).toEqual([125, ""]);
  expect(done.stderr).toStartWith("specify only one -H\n");
});

test("a tcp host where nobody listens", async () => {
  const { code, line } = await lineOf([BERTH, "-H", "tcp://127.0.0.1:1", "ps"]);
  expect(code).toBe(1);
  expect(line).toContain("cannot connect to the Berth daemon at tcp://127.0.0.1:1");
});

test("a socket that belongs to somebody else: permission denied, not absent", async () => {
  await using engine = await fakeEngine({ "GET /containers/json": [] });
  const path = engine.host.slice("unix://".length);
  await run(["chmod", "0755", join(path, "..")]);
  await run(["chmod", "0660", path]);
  const asNobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", BERTH];
  for (const argv of [["ps"], ["logs", "x"], ["exec", "x", "true"]]) {
    const { code, line } = await lineOf([...asNobody, "-H", engine.host, ...argv], { HOME: "/nonexistent" });
    expect(code).toBe(1);
    expect(line).toStartWith(`permission denied while trying to connect to the Berth daemon at ${engine.host}`);
  }
  expect(engine.calls()).toEqual([]);
});

test("the socket's file is there but nobody listens: with -H one line", async () => {
  const folder = mkdtempSync(join(tmpdir(), "stale-"));
  const path = join(folder, "engine.sock");
  await run(abandoned(path));
  const { code, line } = await lineOf([BERTH, "-H", `unix://${path}`, "ps"]);
  rmSync(folder, { recursive: true });
  expect(code).toBe(1);
  expect(line).toContain("is it running?");
});

test("the default socket's file is there but nobody listens: a daemon is started in its place", async () => {
  const done = await onFreshMachine(`
    mkdir -p /run/berth
    ${abandoned("/run/berth/berth.sock")
      .map((word) => `'${word}'`)
      .join(" ")}; test -S /run/berth/berth.sock || exit 9
    $B ps --format '{{.ID}}' && echo answered; ${LEAVE}`);
  expect(done.stderr).not.toContain("Berth");
  expect(done.stdout).toBe("answered\n");
}, 300_000);

test("another user at the default socket of a running daemon is told so; nothing is started", async () => {
  const done = await onFreshMachine(`
    $B ps -q
    HOME=/nonexistent setpriv --reuid 65534 --regid 65534 --clear-groups $B ps; echo "code $?"
    grep -c listens /run/berth/daemon.log; ${LEAVE}`);
  expect(done.stdout).toBe("code 1\n1\n");
  expect(done.stderr).toStartWith("permission denied while trying to connect to the Berth daemon");
}, 300_000);

test("commands that need no engine start none", async () => {
  const done = await onFreshMachine(`
    $B --help >/dev/null; $B --version >/dev/null; $B run --help >/dev/null; $B help ps >/dev/null
    $B ps --nope 2>/dev/null; $B container >/dev/null 2>&1; $B bogus 2>/dev/null; ls /run/berth 2>/dev/null; echo over`);
  expect(done.stdout).toBe("over\n");
});
