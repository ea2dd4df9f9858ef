import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// What a walk through the product found: settings that went unheard, starts that told nothing.

const BERTH = join(import.meta.dir, "../../dist/berth");

let daemon: TestDaemon;
let scratch: string;
beforeAll(async () => {
  scratch = mkdtempSync("/var/tmp/berth-findings.");
  daemon = await TestDaemon.start({ flags: ["--add-runtime", `slow=${join(scratch, "slow")}`] });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

describe("a daemon with wrong settings says so in one line", () => {
  test.each([
    [["--default-runtime", "nope"], /unknown default runtime: nope \(known are .*\)/],
    [["--log-driver", "frob"], /logging plugin frob/],
    [["-H", "unix:///dev/null/x"], /cannot listen on \/dev\/null\/x: \/dev\/null cannot be a folder/],
    [["--bip", "1.2.3"], /invalid CIDR address: 1\.2\.3/],
    [["--mtu", "abc"], /'abc' is invalid/],
    [["--default-ulimit", "nofile=x"], /invalid ulimit of nofile: "x"/],
  ])("%j", async (flags, words) => {
    const at = mkdtempSync(join(scratch, "d"));
    const argv = [
      BERTH,
      "daemon",
      "--data-root",
      join(at, "data"),
      "--exec-root",
      join(at, "run"),
      "--bridge",
      "bfind1",
    ];
    const done = await run(daemon.inNet(...argv, ...flags));
    expect(done.code).toBe(1);
    expect(done.stderr).toMatch(words);
    expect(done.stderr.trim().split("\n")).toHaveLength(1);
  });
});

test("whoever waits for `ready` may have gone: the log says nothing of it", async () => {
  const at = mkdtempSync(join(scratch, "d"));
  const argv = [BERTH, "daemon", "--data-root", join(at, "data"), "--exec-root", join(at, "run"), "--bridge", "none"];
  const [file = "", ...args] = daemon.inNet(...argv, "--log-level", "debug");
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, BERTH_READY: "stdout" },
  });
  child.stdout.destroy();
  let log = "";
  child.stderr.on("data", (bytes: Buffer) => (log += bytes.toString()));
  // It serves, and it leaves when it is told to: the answer to `ready` was long before.
  while (!log.includes("listens on")) await once(child.stderr, "data");
  expect((await run([BERTH, "-H", `unix://${at}/run/berth.sock`, "version"])).code).toBe(0);
  child.kill("SIGTERM");
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  expect(log).not.toMatch(/ error |EPIPE/);
});

test("system df: an image in use is not reclaimable, and all is as docker counts it", async () => {
  const row = async (): Promise<string | undefined> => /^Images.*$/m.exec(await daemon.ok("system", "df"))?.[0];
  expect(await row()).toMatch(/^Images +1 +0 .* \(100%\)$/);
  await daemon.ok("run", "--name", "user", "busybox", "true");
  expect(await row()).toMatch(/^Images +1 +1 .* 0B \(0%\)$/);
  expect((await daemon.docker("system", "df")).stdout).toContain((await row()) ?? "no row");
  await daemon.ok("rm", "user");
});

describe("build settings reach RUN, or are said to have no effect", () => {
  const SHOW = [
    "grep foo /etc/hosts",
    "echo nofile $(ulimit -n)",
    "echo shm $(df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2)",
    "echo memory $(cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max)",
    "echo cpus $(grep Cpus_allowed_list /proc/self/status)",
  ].join("; ");
  const FLAGS = [
    ...["--add-host", "foo:1.2.3.4", "-m", "64m", "--ulimit", "nofile=77:77", "--shm-size", "1m"],
    ...["--cpuset-cpus", "0", "--cpu-shares", "512"],
  ];

  function context(): string {
    const dir = mkdtempSync(join(scratch, "b"));
    writeFileSync(join(dir, "Dockerfile"), `FROM busybox\nRUN ${SHOW}\n`);
    return dir;
  }

  test.each(["berth", "docker"] as const)("%s build", async (cli) => {
    const done = await daemon[cli]("build", "--no-cache", ...FLAGS, context());
    expect(`${done.code} ${done.stderr}`).toMatch(/^0 /);
    expect(done.stdout).toMatch(/^1\.2\.3\.4\s+foo$/m);
    for (const line of ["nofile 77", "shm 1024", `memory ${64 * 1024 * 1024}`, "cpus Cpus_allowed_list: 0"])
      expect(done.stdout.split("\n")).toContain(line);
  });

  test("limits are no part of a step's cache key", async () => {
    const dir = context();
    await daemon.ok("build", "-q", "-m", "64m", dir);
    expect(await daemon.ok("build", "-m", "128m", dir)).toContain("Using cache");
  });

  test.each([
    [["--security-opt", "seccomp=unconfined"], "security options are not supported on linux"],
    [["--isolation", "hyperv"], 'unsupported isolation: "hyperv"'],
    [["--squash"], '"--squash" is only supported on a Docker daemon with experimental features enabled'],
    [["-m", "1m"], "Minimum memory limit allowed is 6MB"],
    [["--cpuset-cpus", "999"], "Requested CPUs are not available"],
  ])("%j is refused", async (flags, words) => {
    const done = await daemon.berth("build", ...flags, context());
    expect(done.code).not.toBe(0);
    expect(done.stderr).toContain(words);
  });
});

describe("run settings without effect are said, those that cannot be met are refused", () => {
  const clis = ["berth", "docker"] as const;

  test.each(["label=disable", "label=type:x", "apparmor=unconfined", "apparmor=strict", "no-new-privileges"])(
    "%s is taken in silence, as Docker does on hosts without such a thing",
    async (option) => {
      expect(await daemon.berth("run", "--rm", "--security-opt", option, "busybox", "true")).toMatchObject({
        code: 0,
        stderr: "",
      });
    },
  );

  test.each([
    [["--ip", "172.17.0.9"], "user specified IP address is supported on user defined networks only"],
    [["--ip6", "2001:db8::5"], "user specified IP address is supported on user defined networks only"],
    [["--network", "host", "--ip", "1.2.3.4"], "invalid config for network host: "],
    [["--network-alias", "x"], "network-scoped aliases are only supported for user-defined networks"],
    [["--storage-opt", "size=1G"], "--storage-opt is supported only for overlay over xfs"],
    [["--isolation", "hyperv"], "linux only supports 'default'"],
  ])("%j is refused", async (flags, words) => {
    for (const cli of clis) {
      const done = await daemon[cli]("run", "--rm", ...flags, "busybox", "true");
      expect(done.code).toBe(125);
      expect(done.stderr).toContain(words);
    }
  });

  test("--gpus is refused, by name", async () => {
    expect(await daemon.berth("run", "--rm", "--gpus", "all", "busybox", "true")).toMatchObject({
      code: 125,
      stderr: expect.stringContaining("could not select device driver"),
    });
    const done = await daemon.docker("run", "--rm", "--gpus", "all", "busybox", "true");
    expect(done.stderr).toContain('could not select device driver "" with capabilities: [[gpu]]');
  });

  test("--link-local-ip is an address of the container's own link", async () => {
    await daemon.ok("network", "create", "locals");
    const args = ["run", "--rm", "--network", "locals", "--link-local-ip", "169.254.8.8", "busybox", "ip", "addr"];
    expect(await daemon.ok(...args)).toContain("inet 169.254.8.8/16");
    await daemon.ok("network", "rm", "locals");
  });

  test("--link hands on the other's ports and variables, and shows in its names", async () => {
    await daemon.ok("run", "-d", "--name", "base", "--expose", "5432", "-e", "A=b", "busybox", "sleep", "9999");
    const run = ["run", "-d", "--name", "front", "--link", "base:db", "busybox", "sh", "-c", "env; sleep 9999"];
    await daemon.ok(...run);
    const address = await daemon.ok("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "base");
    const env = (await daemon.ok("exec", "front", "cat", "/proc/1/environ")).split("\0");
    for (const line of [
      `DB_PORT=tcp://${address}:5432`,
      `DB_PORT_5432_TCP=tcp://${address}:5432`,
      `DB_PORT_5432_TCP_ADDR=${address}`,
      "DB_PORT_5432_TCP_PORT=5432",
      "DB_PORT_5432_TCP_PROTO=tcp",
      "DB_NAME=/front/db",
      "DB_ENV_A=b",
    ])
      expect(env).toContain(line);
    expect(env.some((line) => line.startsWith("DB_ENV_PATH"))).toBe(false);
    expect(await daemon.ok("ps", "--no-trunc", "--format", "{{.Names}}")).toContain("base,front/db");
    await daemon.ok("rm", "-f", "base", "front");
  });

  test("--link has an effect", async () => {
    await daemon.ok("run", "-d", "--name", "store", "busybox", "sleep", "9999");
    expect(await daemon.ok("run", "--rm", "--link", "store:db", "busybox", "cat", "/etc/hosts")).toMatch(
      /^[0-9.]+\s+db .*store$/m,
    );
    await daemon.ok("rm", "-f", "store");
  });

  test("a network that is not there is not passed over", async () => {
    const body = { Image: "busybox", NetworkingConfig: { EndpointsConfig: { bridge: {}, elsewhere: {} } } };
    const answer = await fetch("http://d/containers/create", {
      unix: daemon.socket,
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
    });
    expect(answer.status).toBe(201);
    const { Id: id } = (await answer.json()) as { Id: string };
    const started = await fetch(`http://d/containers/${id}/start`, { unix: daemon.socket, method: "POST" });
    const message = "failed to set up container networking: network elsewhere not found";
    expect([started.status, await started.json()]).toEqual([404, { message }]);
    await daemon.ok("rm", id);
  });
});

describe("what is not there is told in one line", () => {
  test.each([
    [["swarm", "init"], "Berth is a single-node engine; swarm mode is not part of it"],
    [["service", "ls"], "Berth is a single-node engine; swarm mode is not part of it"],
  ])("berth %j", async (argv, words) => {
    const done = await daemon.berth(...argv);
    expect(done.code).toBe(1);
    expect(done.stderr).toContain(words);
    expect(done.stderr.trim().split("\n")).toHaveLength(1);
  });

  test("docker says the same", async () => {
    for (const argv of [
      ["swarm", "init"],
      ["service", "ls"],
    ])
      expect((await daemon.docker(...argv)).stderr).toMatch(
        /Berth is a single-node engine, and swarm mode is not part/,
      );
  });
});

test("network prune has nothing to remove, and says so as docker does", async () => {
  expect(await daemon.berth("network", "prune", "-f")).toMatchObject({ code: 0, stdout: "", stderr: "" });
  expect(await daemon.docker("network", "prune", "-f")).toMatchObject({ code: 0, stdout: "" });
  const odd = await daemon.berth("network", "prune", "-f", "--filter", "frob=1");
  expect(odd).toMatchObject({ code: 1, stderr: "Error response from daemon: invalid filter 'frob'\n" });
  expect(await daemon.ok("network", "ls", "-q")).not.toBe("");
});

describe("the test harness", () => {
  test("a daemon that cannot start is told by its own words", async () => {
    expect(TestDaemon.start({ flags: ["--default-runtime", "nope"] })).rejects.toThrow("unknown default runtime: nope");
  });

  test("what a killed daemon left is taken away", async () => {
    const own = await TestDaemon.start();
    await own.ok("run", "-d", "busybox", "sleep", "9999");
    await own.crash();
    expect(readFileSync("/proc/mounts", "utf8")).toContain(own.root);
    await own[Symbol.asyncDispose]();
    expect(existsSync(own.root)).toBe(false);
    expect(await own.leftovers().catch(() => undefined)).toMatchObject({ mounts: [], cgroups: [], processes: [] });
  });
});

describe("a daemon killed while an OCI runtime is at work", () => {
  const state = (name: string): Promise<string> => daemon.ok("inspect", "-f", "{{.State.Status}} {{.State.Pid}}", name);

  /** A runtime that is at work until `file` goes. */
  function slowRuntime(): { begun: string; hold: string } {
    const begun = join(scratch, "begun");
    const hold = join(scratch, "hold");
    writeFileSync(hold, "");
    rmSync(begun, { force: true });
    const script = `#!/bin/sh\ncase " $* " in *" run "*) touch ${begun}; while [ -e ${hold} ]; do sleep 0.05; done;; esac\nexec crun "$@"\n`;
    writeFileSync(join(scratch, "slow"), script);
    chmodSync(join(scratch, "slow"), 0o755);
    return { begun, hold };
  }

  test("the next one serves at once; the start is undone, and can be done again", async () => {
    await daemon.down();
    const { begun, hold } = slowRuntime();
    await daemon.up();
    const start = daemon.berth("run", "-d", "--name", "slowly", "--runtime", "slow", "busybox", "sleep", "9999");
    while (!existsSync(begun)) await Bun.sleep(10);
    await daemon.crash();
    expect((await start).code).not.toBe(0);
    // The runtime would go on for ever: that this answers is the point.
    await daemon.up();
    expect(await state("slowly")).toBe("created 0");
    expect((await daemon.leftovers()).processes).toEqual([]);
    rmSync(hold);
    await daemon.ok("start", "slowly");
    expect(await state("slowly")).toMatch(/^running [1-9]/);
    await daemon.ok("rm", "-f", "slowly");
  });
});
