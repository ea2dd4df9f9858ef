import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openDb } from "../../src/host/db.ts";
import { run, runOk } from "../../src/host/spawn.ts";
import { TestDaemon, type TestDaemonOptions } from "../../src/testing/daemon.ts";

// The daemon's flags, its daemon.json, its start, its end, and what stops it from starting.
setDefaultTimeout(300_000);

const BERTH = join(import.meta.dir, "../../dist/berth");
const scratch = (await runOk(["mktemp", "-d", "/var/tmp/berth-daemon.XXXXXX"])).trim();
afterEach(async () => {
  await run(["sh", "-c", `rm -rf ${scratch}/*`]);
});
afterAll(() => run(["rm", "-rf", scratch]));

let files = 0;
function configFile(content: unknown): string {
  const path = join(scratch, `daemon${files++}.json`);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

/** A daemon with that daemon.json. */
const configured = (content: object, more: TestDaemonOptions = {}): Promise<TestDaemon> =>
  TestDaemon.start({ ...more, flags: ["--config-file", configFile(content), ...(more.flags ?? [])] });

/** What a daemon says that must not start: its exit code and its one line. */
async function refused(...flags: string[]): Promise<string> {
  const roots = ["--data-root", join(scratch, "data"), "--exec-root", join(scratch, "run"), "--bridge", "none"];
  const own = roots.filter((word, i) => !flags.includes(word) && !flags.includes(roots[i - 1] ?? ""));
  const done = await run(["unshare", "-n", BERTH, "daemon", ...own, ...flags]);
  expect(done.code).toBe(1);
  const lines = done.stderr
    .trim()
    .split("\n")
    .filter((line) => !/ (info|warn) /.test(line));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toStartWith("berth daemon: ");
  return lines[0] ?? "";
}

describe("daemon.json", () => {
  test("SIGHUP reads it again; a broken one changes nothing", async () => {
    const file = configFile({ labels: ["a=b"] });
    await using daemon = await TestDaemon.start({ busybox: false, flags: ["--config-file", file] });
    const shown = (): Promise<string> =>
      daemon.ok("info", "-f", "{{.Labels}} {{.Debug}} {{.RegistryConfig.Mirrors}} {{.RegistryConfig.IndexConfigs}}");
    expect(await shown()).toContain("[a=b] false");
    const events = daemon.berth("events", "--since", "0", "--filter", "event=reload", "--format", "{{json .}}");
    const told = async (words: string): Promise<void> => {
      while (!daemon.log.includes(words)) await Bun.sleep(10);
    };
    writeFileSync(file, "{broken");
    process.kill(daemon.pid, "SIGHUP");
    await told("the settings stay as they are");
    expect(await shown()).toContain("[a=b] false");
    const mirrors = ["http://127.0.0.1:5999"];
    const transfers = { "max-concurrent-downloads": 1, "max-download-attempts": 2 };
    const next = {
      labels: ["c=d"],
      debug: true,
      "registry-mirrors": mirrors,
      "insecure-registries": ["reg.example"],
      ...transfers,
    };
    writeFileSync(file, JSON.stringify(next));
    process.kill(daemon.pid, "SIGHUP");
    await told("are read again");
    const after = await shown();
    for (const words of ["[c=d] true", "http://127.0.0.1:5999", "reg.example"]) expect(after).toContain(words);
    await daemon.down();
    const lines = (await events).stdout.trim().split("\n");
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      Type: "daemon",
      Action: "reload",
      Actor: {
        Attributes: {
          labels: '["c=d"]',
          debug: "true",
          "registry-mirrors": JSON.stringify(mirrors),
          "max-concurrent-downloads": "1",
          "max-concurrent-uploads": "5",
          "max-download-attempts": "2",
        },
      },
    });
  });

  test("each key is seen to work", async () => {
    await using daemon = await configured({
      bip: "10.77.3.1/24",
      mtu: 1300,
      dns: ["192.0.2.53"],
      "dns-search": ["example.org"],
      "dns-opts": ["ndots:4"],
      labels: ["colour=blue"],
      "log-opts": { "max-size": "3m", "max-file": "2" },
      "default-ulimits": { nofile: { Name: "nofile", Soft: 333, Hard: 444 } },
      init: true,
      runtimes: { mine: { path: "crun", runtimeArgs: ["--debug"] } },
      "default-runtime": "runc",
      pidfile: join(scratch, "berth.pid"),
      debug: true,
      "live-restore": true,
      "storage-driver": "overlay2",
    });
    const script =
      "ip -o -4 addr show eth0; cat /sys/class/net/eth0/mtu; grep -v '^#' /etc/resolv.conf; ulimit -n; ulimit -Hn; cat /proc/1/comm";
    const seen = (await daemon.docker("run", "--rm", "busybox", "sh", "-c", script)).stdout;
    expect(seen).toMatch(/inet 10\.77\.3\.\d+\/24/);
    expect(seen).toContain("\n1300\n");
    expect(seen).toContain("nameserver 192.0.2.53\nsearch example.org\noptions ndots:4\n");
    expect(seen).toEndWith("333\n444\ndocker-init\n");
    const info = JSON.parse((await daemon.docker("info", "--format", "{{json .}}")).stdout) as Record<string, unknown>;
    expect(info).toMatchObject({ DefaultRuntime: "runc", Labels: ["colour=blue"], Debug: true });
    expect(Object.keys(info["Runtimes"] as object)).toContain("mine");
    expect((await daemon.docker("run", "--rm", "--runtime", "mine", "busybox", "echo", "hi")).stdout).toBe("hi\n");
    await daemon.ok("create", "--name", "logged", "busybox");
    const log = await daemon.ok("inspect", "-f", "{{json .HostConfig.LogConfig.Config}}", "logged");
    expect(JSON.parse(log)).toEqual({ "max-file": "2", "max-size": "3m" });
    expect(readFileSync(join(scratch, "berth.pid"), "utf8")).toBe(`${daemon.pid}\n`);
    await daemon.down();
    expect(existsSync(join(scratch, "berth.pid"))).toBe(false);
  });

  test("a container's own settings win over the daemon's", async () => {
    await using daemon = await configured({
      dns: ["192.0.2.53"],
      "default-ulimits": { nofile: { Name: "nofile", Soft: 3, Hard: 4 } },
      init: true,
    });
    const flags = ["--dns", "192.0.2.99", "--ulimit", "nofile=55:66", "--init=false"];
    const seen = await daemon.docker(
      "run",
      "--rm",
      ...flags,
      "busybox",
      "sh",
      "-c",
      "grep nameserver /etc/resolv.conf; ulimit -n; cat /proc/1/comm; true",
    );
    expect(seen.stdout).toBe("nameserver 127.0.0.11\nnameserver 192.0.2.99\n55\nsh\n");
  });

  test.each([
    [{ flavour: 1, colour: 2 }, "the following directives don't match any configuration option: flavour, colour"],
    [{ mtu: "big" }, "mtu"],
    [{ labels: "a=b" }, "label wants a list"],
    [{ dns: [1] }, "dns"],
    [{ init: "yes" }, "init"],
    [{ "log-level": "loud" }, "loud"],
    [{ "log-opts": { "max-size": 3 } }, "logOpt wants an object of strings"],
    [{ "log-opts": { colour: "blue" } }, "unknown log opt 'colour' for json-file log driver"],
    [{ "log-driver": "carrier-pigeon" }, "carrier-pigeon"],
    [{ "default-ulimits": { nofile: "many" } }, "default-ulimits"],
    [{ runtimes: { x: {} } }, "runtimes"],
    [{ "default-runtime": "nosuch" }, "nosuch"],
    [{ bip: "10.0.0.1" }, "10.0.0.1"],
    [{ hosts: ["ftp://x"] }, "ftp://x"],
    ["{", "unable to configure the daemon with file"],
    ["[]", "unable to configure the daemon with file"],
  ])("%j is refused in one line that names it", async (content, words) => {
    const { bridge: _, ...rest } = { bridge: "", ...(content as object) };
    const flags = typeof content === "object" && "bip" in rest ? ["--bridge", "btrefuse0"] : [];
    expect(await refused("--config-file", configFile(content), ...flags)).toContain(words);
  });

  test("a setting given twice is refused in dockerd's words", async () => {
    const said = await refused("--config-file", configFile({ labels: ["a=b"], debug: true }), "--label", "c=d", "-D");
    expect(said).toContain("the following directives are specified both as a flag and in the configuration file: ");
    expect(said).toContain("labels: (from flag: [c=d], from file: [a=b])");
    expect(said).toContain("debug: (from flag: true, from file: true)");
  });

  test("a file that was named and is missing is refused", async () => {
    expect(await refused("--config-file", join(scratch, "nosuch.json"))).toContain("nosuch.json: no such file");
  });
});

describe("flags", () => {
  test("-H more than once: a socket and a port serve the same engine, with a warning", async () => {
    await using daemon = await TestDaemon.start({ flags: ["-H", "tcp://127.0.0.1:23755"] });
    const curl = await run(daemon.inNet("curl", "-s", "http://127.0.0.1:23755/_ping"));
    expect(curl.stdout).toBe("OK");
    const remote = await run(
      daemon.inNet(BERTH, "-H", "tcp://127.0.0.1:23755", "run", "--rm", "-i", "busybox", "cat"),
      { input: "over tcp" },
    );
    expect(remote.stdout).toBe("over tcp");
    expect(daemon.log).toContain("open without encryption and authentication");
    expect(statSync(daemon.socket).mode & 0o777).toBe(0o660);
  });

  test("--add-runtime, --default-ulimit, --log-opt, --init-path", async () => {
    const flags = [
      "--add-runtime",
      "other=/usr/bin/crun",
      "--default-ulimit",
      "nofile=70:80",
      "--log-opt",
      "max-size=1m",
      "--init",
    ];
    await using daemon = await TestDaemon.start({ flags });
    const done = await daemon.docker(
      "run",
      "--rm",
      "--runtime",
      "other",
      "busybox",
      "sh",
      "-c",
      "ulimit -n; cat /proc/1/comm",
    );
    expect(done.stdout).toBe("70\ndocker-init\n");
  });

  test("--bridge none: containers have no network, all else works", async () => {
    await using daemon = await TestDaemon.start({ flags: ["--bridge", "none"] });
    expect(await daemon.ok("run", "--rm", "busybox", "ls", "/sys/class/net")).toBe("lo");
    expect(Object.values((await daemon.leftovers()).links)).toEqual([]);
  });

  test.each([
    [["--nosuch"], "unknown option"],
    [["--mtu", "x"], "mtu"],
    [["stray"], "too many arguments"],
    [["-H", "unix://relative"], "invalid daemon socket"],
    [["-H", "tcp://127.0.0.1:99999"], "99999"],
    [["--default-runtime", "nosuch"], "nosuch"],
    [["--log-level", "loud"], "loud"],
    [["--default-ulimit", "nofile"], "nofile"],
  ])("%j is refused", async (flags, words) => {
    const done = await run([
      "unshare",
      "-n",
      BERTH,
      "daemon",
      "--data-root",
      join(scratch, "d"),
      "--exec-root",
      join(scratch, "r"),
      "--bridge",
      "none",
      ...flags,
    ]);
    expect(done.code).toBe(1);
    expect(done.stderr).toContain(words);
  });
});

test("two daemons in one network namespace keep out of each other's way", async () => {
  await using first = await TestDaemon.start();
  const root = join(scratch, "second");
  mkdirSync(root);
  const socket = join(root, "run", "berth.sock");
  const argv = first.inNet(
    BERTH,
    "daemon",
    "-H",
    `unix://${socket}`,
    "--data-root",
    join(root, "data"),
    "--exec-root",
    join(root, "run"),
    "--bridge",
    "btsecond",
    "--cgroup-parent",
    `${first.name}/second`,
  );
  const second = Bun.spawn(argv, { stdout: "pipe", stderr: "ignore", env: { ...process.env, BERTH_READY: "stdout" } });
  const other = (...args: string[]) => run([BERTH, "-H", `unix://${socket}`, ...args]);
  try {
    await second.stdout.getReader().read();
    await other("bootstrap", "busybox");
    await first.ok("run", "-d", "--name", "same", "busybox", "sleep", "1000");
    expect((await other("run", "-d", "--name", "same", "busybox", "sleep", "1000")).code).toBe(0);
    const addressOf = async (text: Promise<string>): Promise<string> => JSON.stringify(await text);
    const mine = await addressOf(first.ok("exec", "same", "ip", "-o", "-4", "addr", "show", "eth0"));
    const theirs = await addressOf(
      other("exec", "same", "ip", "-o", "-4", "addr", "show", "eth0").then((d) => d.stdout),
    );
    expect(mine.split(".").slice(0, 3)).not.toEqual(theirs.split(".").slice(0, 3));
    expect((await other("rm", "-f", "same")).code).toBe(0);
    expect(await first.ok("exec", "same", "echo", "untouched")).toBe("untouched");
  } finally {
    second.kill("SIGTERM");
    await second.exited;
  }
  expect(await first.ok("run", "--rm", "busybox", "echo", "goes on")).toBe("goes on");
  expect((await first.leftovers()).links.join()).not.toContain("btsecond");
});

test("SIGTERM leaves containers running; the next daemon has them, with log, exec and exit code", async () => {
  await using daemon = await TestDaemon.start();
  const id = await daemon.ok(
    "run",
    "-d",
    "busybox",
    "sh",
    "-c",
    "trap 'exit 7' TERM; echo before; while ! [ -e /go ]; do sleep 0.05; done; echo after; while :; do sleep 0.05; done",
  );
  const pid = Number(await daemon.ok("inspect", "-f", "{{.State.Pid}}", id));
  await daemon.down();
  expect(existsSync(`/proc/${pid}/exe`)).toBe(true);
  expect(existsSync(daemon.socket)).toBe(false);
  await daemon.up();
  expect(await daemon.ok("inspect", "-f", "{{.State.Pid}}", id)).toBe(String(pid));
  await daemon.ok("exec", id, "touch", "/go");
  while (!(await daemon.ok("logs", id)).includes("after")) await daemon.ok("ps");
  expect(await daemon.ok("logs", id)).toBe("before\nafter");
  await daemon.ok("stop", id);
  expect(await daemon.ok("wait", id)).toBe("7");
});

test("a second daemon on the same root is refused and names the first", async () => {
  await using daemon = await TestDaemon.start({ busybox: false });
  const said = await refused("--data-root", join(daemon.root, "data"));
  expect(said).toContain("in use by another daemon");
  expect(said).toContain(String(daemon.pid));
});

describe("what keeps a daemon from starting says so in one line", () => {
  const data = (): string => {
    const path = join(scratch, "data");
    mkdirSync(path, { recursive: true });
    return path;
  };

  test("records of a newer Berth", async () => {
    await using daemon = await TestDaemon.start();
    await daemon.down();
    const path = join(daemon.root, "data", "berth.db");
    const before = openDb(path);
    before.exec("PRAGMA user_version=9999");
    before.close();
    const said = await refused("--data-root", join(daemon.root, "data"));
    expect(said).toContain("schema version 9999");
    const after = openDb(path);
    expect(after.all<{ n: number }>("SELECT count(*) AS n FROM sqlite_master")[0]?.n).toBeGreaterThan(0);
    after.exec("PRAGMA user_version=1");
    after.close();
  });

  test("records that are no database", async () => {
    writeFileSync(join(data(), "berth.db"), "not a database, but long enough to be looked at ".repeat(100));
    expect(await refused()).toMatch(/berth\.db.*(not a database|corrupt|malformed)/);
  });

  test("a data root that is a file", async () => {
    writeFileSync(join(scratch, "data"), "");
    expect(await refused()).toContain(join(scratch, "data"));
  });

  test("a data root that is read-only", async () => {
    await runOk(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", data()]);
    try {
      expect(await refused()).toMatch(/data.*read-only|read-only.*data/i);
    } finally {
      await runOk(["umount", data()]);
    }
  });

  test("a data root that is full", async () => {
    await runOk(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", data()]);
    try {
      await run(["sh", "-c", `yes >${data()}/fill`]);
      expect(await refused()).toMatch(/no space left/i);
    } finally {
      await runOk(["umount", data()]);
    }
  });

  test("another user than root", async () => {
    const copy = join(scratch, "berth");
    await runOk(["cp", BERTH, copy]);
    chmodSync(scratch, 0o755);
    const done = await run(
      ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy, "daemon", "--data-root", "/nonexistent/a"],
      { env: { HOME: "/nonexistent", PATH: process.env["PATH"] ?? "" } },
    );
    expect(done.code).toBe(1);
    expect(done.stderr).toContain("the daemon needs to be root");
  });

  test("a port that is taken", async () => {
    await using daemon = await TestDaemon.start({ busybox: false, flags: ["-H", "tcp://127.0.0.1:23756"] });
    const roots = ["--data-root", data(), "--exec-root", join(scratch, "run"), "--bridge", "none"];
    const done = await run(daemon.inNet(BERTH, "daemon", ...roots, "-H", "tcp://127.0.0.1:23756"));
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("cannot listen on 127.0.0.1:23756")]);
  });
});
