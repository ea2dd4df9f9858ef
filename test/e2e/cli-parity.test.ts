import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type RunOutcome, run } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";
import { READING, table } from "./cli-parity-lines.ts";

// The same command line, by Berth's program and by the unmodified docker, on the same engine: what they print and their exit
// codes must be the same. Words of docker's own that changed between its releases (usage, errors of flags) are not compared.

const BERTH = join(import.meta.dir, "../../dist/berth");
const LIMIT = 300_000;
const LOOP = "echo out; echo err >&2; trap 'exit 3' TERM; sleep 1000 & wait";

let daemon: TestDaemon;
let apiVersion = "";

beforeAll(async () => {
  daemon = await TestDaemon.start();
  apiVersion = (await daemon.docker("version", "--format", "{{.Client.APIVersion}}")).stdout.trim();
  for (const argv of [
    ["volume", "create", "--label", "tier=db", "vol1"],
    ["volume", "create", "vol10"],
    ["volume", "create", "vol2"],
    [
      "run",
      "-d",
      "--name",
      "up",
      "--label",
      "tier=web",
      "--label",
      "a.b.my-label=x y",
      "-e",
      "A=b",
      "--memory",
      "64m",
    ].concat(
      ["-p", "127.0.0.1:8080:80", "-p", "9000-9002:9000-9002/udp", "-v", "vol1:/data", "-v", "/tmp:/hosttmp:ro"],
      ["--restart", "unless-stopped", "busybox", "sh", "-c", LOOP],
    ),
    [
      "run",
      "-d",
      "--name",
      "quick",
      "busybox",
      "sh",
      "-c",
      "for i in 1 2 3 4 5; do echo line $i; done; echo bad >&2; exit 7",
    ],
    ["create", "--name", "fresh", "--network", "none", "busybox", "true"],
    ["run", "-d", "--name", "second", "busybox", "sleep", "1000"],
    ["run", "-d", "-t", "--name", "tty", "busybox", "sh", "-c", "echo hello tty; sleep 1000"],
    ["wait", "quick"],
    ["tag", "busybox", "other/name:v1"],
    ["tag", "busybox", "localhost:5000/x/y:z"],
  ]) {
    await daemon.ok(...argv);
  }
}, 300_000);

afterAll(() => daemon[Symbol.asyncDispose]());

function berth(argv: string[], input = ""): Promise<RunOutcome> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", DOCKER_API_VERSION: apiVersion };
  return run([BERTH, "-H", `unix://${daemon.socket}`, ...argv], { env, input });
}

function docker(argv: string[], input: string): Promise<RunOutcome> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: "/nonexistent",
    DOCKER_CONFIG: "/nonexistent",
    DOCKER_BUILDKIT: "0",
  };
  return run([DOCKER, "-H", `unix://${daemon.socket}`, ...argv], { env, input });
}

/** `ps -f name='a b'` as words; quotes are ' only. */
function words(line: string): string[] {
  return (line.match(/(?:[^\s']|'[^']*')+/g) ?? []).map((word) => word.replaceAll("'", ""));
}

/** Output without what differs between two calls, or between the two programs by their nature. */
function plain(text: string): string {
  return (
    text
      .replaceAll("berth", "docker")
      .replaceAll("Berth", "Docker")
      .replace(/^DEPRECATED: The legacy builder[\s\S]*?\n\n/, "")
      // A slip of docker's own.
      .replaceAll("SRun '", "Run '")
      .replace(/Less than a second|About a minute|\d+ (seconds?|minutes?)/g, "<time>")
      .replace(/\b[0-9a-f]{64}\b/g, "<id>")
      .replace(/\b0xc[0-9a-f]+\b/g, "<address>")
      .replace(/ {3,}/g, "   ")
  );
}

interface Shown {
  line: string;
  code: number;
  out: string[];
  err: string[];
}

function shown(line: string, done: RunOutcome): Shown {
  expect(done.stderr).not.toContain("annot connect to the");
  const lines = plain(done.stdout).split("\n");
  // Images of one age come in any order from docker.
  const out = /^images?\b/.test(line) ? lines.sort() : lines;
  return { line, code: done.code, out, err: plain(done.stderr).split("\n") };
}

const AT_ONCE = 4;

/** Runs each line by both. A mismatch shows both in bun's diff: expected is docker's. */
async function same(lines: string[]): Promise<void> {
  for (let at = 0; at < lines.length; at += AT_ONCE) {
    await Promise.all(
      lines.slice(at, at + AT_ONCE).map(async (line) => {
        const [, input = "", rest = ""] = /^(?:(\w*)\| )?(.*)$/.exec(line) ?? [];
        const [ours, theirs] = [await berth(words(rest), input), await docker(words(rest), input)];
        expect(shown(line, ours)).toEqual(shown(line, theirs));
      }),
    );
  }
}

/** As `same`, for lines that change something, one after the other: `prepare` makes the same state for each of the two. */
async function sameAfter(prepare: string[], lines: string[]): Promise<void> {
  const all = async (one: (argv: string[]) => Promise<RunOutcome>): Promise<Shown[]> => {
    for (const line of prepare) await daemon.ok(...words(line));
    const results: Shown[] = [];
    for (const line of lines) results.push(shown(line, await one(words(line))));
    return results;
  };
  const ours = await all(berth);
  expect(ours).toEqual(await all((argv) => daemon.docker(...argv)));
}

test.each(Object.entries(READING))("%s", (_, lines) => same(lines), LIMIT);

test(
  "several names, some unknown: what worked is printed, the rest complained about",
  async () => {
    const made = table`
    create --name one busybox true
    create --name two busybox true
    tag busybox spare:v1`;
    await sameAfter(made, ["rm one nosuch two", "rm one", "rmi spare:v1 nosuch:x", "rmi nosuch"]);
    // Docker's exit code of the last has changed: 20.10 counts what is not there.
    await sameAfter(made.slice(0, 2), ["start one nosuch two", "wait one nosuch two", "rm -f one two"]);
  },
  LIMIT,
);

const LIFE = table`
  rename moving moved
  ps --format '{{.Names}}' -f name=mov
  update --memory 32m --memory-swap 64m moved
  inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' moved
  update --restart bogus moved
  update nosuch --memory 64m
  update moved
  update --memory 1k moved
  kill -s KILL moved
  wait moved
  inspect -f {{.State.ExitCode}} moved
  start moved
  stop -t 0 moved
  restart -t 0 moved
  rm -f moved
  rm moved`;

test("a container's life", () => sameAfter(["run -d --name moving busybox sleep 1000"], LIFE), LIMIT);

const PRUNES = table`
  container prune -f --filter label=gone=1
  volume prune -f --filter label=nosuch
  volume rm spare
  image prune -f
  container prune -f --filter bogus=1
  volume prune -f --filter bogus=1
  volume rm nosuch vol1
  volume create -d bogus v3
  volume create vol1
  volume create 'bad name'
  volume ls -q`;

test(
  "prune",
  () => {
    const made = ["volume create --label gone=1 spare", "create --name old --label gone=1 busybox true"];
    return sameAfter(made, PRUNES);
  },
  LIMIT,
);
