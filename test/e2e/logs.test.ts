import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunOutcome } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";
import { streamServer } from "../../src/testing/log-servers.ts";
import { monitorOf } from "../../src/testing/processes.ts";

// Logs by both command lines against a real daemon, with kills in between.

let d: TestDaemon;
beforeAll(async () => {
  d = await TestDaemon.start();
});
afterAll(async () => {
  await d[Symbol.asyncDispose]();
});

const CLIS: [string, (...args: string[]) => Promise<RunOutcome>][] = [
  ["docker", (...args) => d.docker(...args)],
  ["berth", (...args) => d.berth(...args)],
];
const numbers = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join("");
const said = (all: Buffer): string => all.toString().replaceAll(/^<\d+>.*? t\[\d+\]: /gm, "");
const folder = (id: string): string => join(d.root, "data/containers", id);

async function ran(...args: string[]): Promise<string> {
  const id = await d.ok("run", "-d", ...args);
  await d.ok("wait", id);
  return id;
}

/** What the API answers, status and body. */
async function get(path: string): Promise<[number, string]> {
  const answer = await fetch(`http://d/v1.51${path}`, { unix: d.socket });
  return [answer.status, await answer.text()];
}

describe.each(CLIS)("%s logs", (_, cli) => {
  let id: string;
  let times: string[];
  beforeAll(async () => {
    id = await ran(
      "--log-opt",
      "labels=tier",
      "--label",
      "tier=a b",
      "busybox",
      "sh",
      "-c",
      "for i in 1 2 3 4; do echo $i; sleep 0.01; done; echo e >&2",
    );
    const stamped = (await cli("logs", "-t", id)).stdout;
    times = stamped
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[0] ?? "");
  });
  afterAll(() => d.ok("rm", id));

  test.each<[string[], string]>([
    [[], numbers(1, 4)],
    [["--tail", "2"], "4\n"],
    [["-n", "3"], "3\n4\n"],
    [["--tail", "all"], numbers(1, 4)],
    [["--tail", "-1"], numbers(1, 4)],
    [["--tail", "much"], numbers(1, 4)],
    [["--tail", "0"], ""],
    [["-f"], numbers(1, 4)],
    [["--follow", "--tail", "2"], "4\n"],
    [["--details"], "tier=a+b 1\ntier=a+b 2\ntier=a+b 3\ntier=a+b 4\n"],
    [["--since", "1h"], numbers(1, 4)],
    [["--since", "2200-01-01"], ""],
    [["--until", "1h"], ""],
    [["--since", "0", "--until", "0"], numbers(1, 4)],
  ])("%j", async (flags, wanted) => {
    const { code, stdout, stderr } = await cli("logs", ...flags, id);
    expect({ code, stdout }).toEqual({ code: 0, stdout: wanted });
    const empty = wanted === "" || flags.includes("--until") !== flags.includes("--since");
    if (!empty) expect(stderr).toBe(flags.includes("--details") ? "tier=a+b e\n" : "e\n");
  });

  test("times that were shown are taken back, to the nanosecond, both included", async () => {
    const [, second = "", third = ""] = times;
    expect((await cli("logs", "--since", second, id)).stdout).toBe(numbers(2, 4));
    expect((await cli("logs", "--until", third, id)).stdout).toBe(numbers(1, 3));
    expect((await cli("logs", "--since", second, "--until", third, id)).stdout).toBe(numbers(2, 3));
    expect((await cli("logs", "--since", second.replace("Z", "+00:00"), "--details", id)).stdout).toStartWith(
      "tier=a+b 2\n",
    );
  });

  test("errors are Docker's", async () => {
    const none = await d.ok("create", "--log-driver", "none", "busybox");
    const failed = await cli("logs", none);
    expect([failed.code, failed.stderr]).toEqual([
      1,
      "Error response from daemon: configured logging driver does not support reading\n",
    ]);
    await d.ok("rm", none);
    const bad = await cli("logs", "--since", "bla", id);
    expect([bad.code, bad.stderr]).toEqual([
      1,
      'invalid value for "since": failed to parse value as time or duration: "bla"\n',
    ]);
    expect((await cli("logs", "nobody")).stderr).toBe("Error response from daemon: No such container: nobody\n");
    const option = await cli("create", "--log-driver", "syslog", "--log-opt", "foo=bar", "busybox");
    expect(option.stderr).toContain("unknown log opt 'foo' for syslog log driver");
  });
});

test("the API's own answers", async () => {
  const id = await ran("busybox", "true");
  const message = (text: string): string => `${JSON.stringify({ message: text })}\n`;
  expect(await get(`/containers/${id}/logs`)).toEqual([
    400,
    message("Bad parameters: you must choose at least one stream"),
  ]);
  expect(await get("/containers/nobody/logs?stdout=1")).toEqual([404, message("No such container: nobody")]);
  for (const name of ["since", "until"])
    expect(await get(`/containers/${id}/logs?stdout=1&${name}=abc`)).toEqual([
      400,
      message('strconv.ParseInt: parsing "abc": invalid syntax'),
    ]);
  expect(await get(`/containers/${id}/logs?stdout=1&tail=abc`)).toEqual([200, ""]);
  await d.ok("rm", id);
});

test("docker run sends to syslog, and logs shows it; docker info tells the bound", async () => {
  const path = join(d.root, "syslog");
  await using server = await streamServer({ path });
  const flags = ["--log-driver", "syslog", "--log-opt", `syslog-address=unix://${path}`, "--log-opt", "tag=t"];
  const run = await d.docker("run", "--name", "log-sent", ...flags, "busybox", "seq", "100");
  expect([run.code, run.stdout]).toEqual([0, numbers(1, 100)]);
  expect(said(await server.until((all) => all.includes(": 100\n")))).toBe(numbers(1, 100));
  expect((await d.docker("logs", "--tail", "2", "log-sent")).stdout).toBe(numbers(99, 100));
  expect((await d.docker("rm", "log-sent")).code).toBe(0);
  const info = (await d.docker("info")).stdout;
  expect(info).toContain("Container Logs: at most 5 files of 20MiB each, rotated ones compressed");
  expect(info).toContain("Log: fluentd gelf journald json-file local syslog");
});

test("a killed daemon: the next one sends the rest; only what was just being sent may come twice", async () => {
  const path = join(d.root, "syslog-kill");
  await using server = await streamServer({ path });
  const flags = ["--log-driver", "syslog", "--log-opt", `syslog-address=unix://${path}`, "--log-opt", "tag=t"];
  const id = await d.ok(
    "run",
    "-d",
    ...flags,
    "busybox",
    "sh",
    "-c",
    "for i in $(seq 40); do seq $((i*1000-999)) $((i*1000)); sleep 0.01; done",
  );
  await server.until((all) => all.includes(": 3000\n"));
  await d.crash();
  await d.up();
  const all = said(await server.until((bytes) => bytes.includes(": 40000\n")));
  const seen = all.trim().split("\n").map(Number);
  expect(new Set(seen).size).toBe(40_000);
  let backwards = 0;
  for (let i = 1; i < seen.length; i++) if ((seen[i] ?? 0) <= (seen[i - 1] ?? 0)) backwards++;
  expect(backwards).toBeLessThanOrEqual(1);
  await d.ok("rm", "-f", id);
});

test.each([1, 2, 3])("a monitor that is killed amid rotations leaves a log without a gap (%p)", async () => {
  const flags = ["--log-opt", "max-size=20k", "--log-opt", "max-file=100000"];
  const id = await d.ok("run", "-d", ...flags, "busybox", "sh", "-c", "seq 10000000; sleep 1000");
  while (readdirSync(folder(id)).length < 60) await Bun.sleep(1);
  const pid = Number(await d.ok("inspect", "-f", "{{.State.Pid}}", id));
  process.kill(await monitorOf(pid), "SIGKILL");
  await d.berth("wait", id);
  const seen = (await d.ok("logs", id)).split("\n").map(Number);
  expect(seen.length).toBeGreaterThan(5000);
  expect(seen).toEqual(Array.from({ length: seen.length }, (_, i) => i + 1));
  await d.ok("rm", "-f", id);
});

test("a daemon that is killed amid rotations disturbs neither the log nor its compression", async () => {
  const flags = ["--log-opt", "max-size=50k", "--log-opt", "max-file=1000"];
  const id = await d.ok(
    "run",
    "-d",
    ...flags,
    "busybox",
    "sh",
    "-c",
    "for i in $(seq 30); do seq 1000; sleep 0.01; done",
  );
  const follow = d.berth("logs", "-f", id);
  await d.crash();
  await follow;
  await d.up();
  await d.ok("wait", id);
  expect(await d.ok("logs", id)).toBe(numbers(1, 1000).repeat(30).trim());
  expect(readdirSync(folder(id)).some((name) => name.endsWith(".gz"))).toBe(true);
  await d.ok("rm", id);
});

test("daemon.json's driver and options hold for containers that name none", async () => {
  const file = join(d.root, "daemon.json");
  writeFileSync(file, JSON.stringify({ "log-driver": "local", "log-opts": { "max-size": "2m", "max-file": "3" } }));
  await using other = await TestDaemon.start({ flags: ["--config-file", file] });
  const format = "{{.HostConfig.LogConfig.Type}} {{json .HostConfig.LogConfig.Config}}";
  const show = async (...flags: string[]): Promise<string> => {
    const id = await other.ok("create", ...flags, "busybox");
    return other.ok("inspect", "-f", format, id);
  };
  expect(await show()).toBe('local {"max-file":"3","max-size":"2m"}');
  expect(await show("--log-opt", "max-file=4")).toBe('local {"max-file":"4","max-size":"2m"}');
  expect(await show("--log-driver", "json-file")).toBe("json-file {}");
  expect((await other.docker("info", "-f", "{{.LoggingDriver}}")).stdout).toBe("local\n");
  expect((await other.docker("info")).stdout).toContain("at most 3 files of 2MiB each");
});
