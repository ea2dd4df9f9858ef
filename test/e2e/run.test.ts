import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

describe.each(["berth", "docker"] as const)("%s run", (cli) => {
  const call = (...args: string[]) => daemon[cli](...args);

  test("streams stay apart", async () => {
    const done = await call("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2");
    expect(done).toEqual({ code: 0, stdout: "out\n", stderr: "err\n" });
  });

  test.each([
    [0, ["true"]],
    [42, ["sh", "-c", "exit 42"]],
    [127, ["nosuchcommand"]],
    [126, ["/etc"]],
  ])("exit code %d", async (code, argv) => {
    const done = await call("run", "--rm", "busybox", ...argv);
    expect(done.code).toBe(code);
  });

  test("a usage error is 125, and names the flag", async () => {
    const done = await call("run", "--no-such-flag", "busybox");
    expect(done.code).toBe(125);
    expect(done.stderr).toContain("unknown flag: --no-such-flag");
  });

  test("an unknown image is 125, and names it", async () => {
    const done = await call("run", "--rm", "nosuchimage");
    expect(done.code).toBe(125);
    expect(done.stderr).toContain("nosuchimage");
  });

  test("stdin reaches the container and its end too", async () => {
    const child = spawn(
      "sh",
      [
        "-c",
        `printf 'a\\nb\\n' | ${cli === "berth" ? "dist/berth" : DOCKER} -H unix://${daemon.socket} run -i --rm busybox sh -c 'cat; echo end'`,
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    let out = "";
    child.stdout.on("data", (b: Buffer) => {
      out += b.toString();
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect([code, out]).toEqual([0, "a\nb\nend\n"]);
  });

  test("environment, working folder, user, hostname, entrypoint", async () => {
    const done = await call(
      "run",
      "--rm",
      "-e",
      "A=b",
      "-w",
      "/tmp/new",
      "-u",
      "daemon:1",
      "-h",
      "box",
      "--entrypoint",
      "sh",
      "busybox",
      "-c",
      "echo $A $(pwd) $(id -u):$(id -g) $(hostname)",
    );
    expect(done.stdout).toBe("b /tmp/new 1:1 box\n");
  });

  test("--read-only, --tmpfs, -v and --mount", async () => {
    const host = join(daemon.root, `bind-${cli}`);
    mkdirSync(host);
    const script =
      "touch /x 2>/dev/null && echo wrote; echo data >/v/file; touch /t/y && echo tmpfs; touch /ro/z 2>/dev/null && echo wrote; cat /ro/file";
    const done = await call(
      "run",
      "--rm",
      "--read-only",
      "--tmpfs",
      "/t",
      "-v",
      `${host}:/v`,
      "--mount",
      `type=bind,src=${host},dst=/ro,readonly`,
      "busybox",
      "sh",
      "-c",
      script,
    );
    expect(done.stdout).toBe("tmpfs\ndata\n");
    expect(readFileSync(join(host, "file"), "utf8")).toBe("data\n");
  });

  test("a named volume keeps its data, and rm -v is not its end", async () => {
    await call("run", "--rm", "-v", `vol-${cli}:/d`, "busybox", "sh", "-c", "echo kept >/d/f");
    expect((await call("run", "--rm", "-v", `vol-${cli}:/d`, "busybox", "cat", "/d/f")).stdout).toBe("kept\n");
    expect((await call("volume", "rm", `vol-${cli}`)).code).toBe(0);
  });

  test("limits are seen from inside", async () => {
    const script =
      "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null";
    const done = await call("run", "--rm", "-m", "64m", "--pids-limit", "33", "busybox", "sh", "-c", script);
    expect(done.stdout).toBe("67108864\n33\n");
  });

  test("capabilities are Docker's, and can be dropped and added", async () => {
    const bits = async (...flags: string[]): Promise<string> =>
      (await call("run", "--rm", ...flags, "busybox", "sh", "-c", "grep CapEff /proc/self/status")).stdout
        .trim()
        .split(/\s+/)[1] ?? "";
    expect(await bits()).toBe("00000000a80425fb");
    expect(await bits("--cap-drop", "ALL")).toBe("0000000000000000");
    expect(await bits("--cap-drop", "ALL", "--cap-add", "NET_ADMIN")).toBe("0000000000001000");
  });

  test("the default profile forbids mount and unshare", async () => {
    const done = await call(
      "run",
      "--rm",
      "--cap-add",
      "SYS_CHROOT",
      "busybox",
      "sh",
      "-c",
      "unshare -r true || echo forbidden",
    );
    expect(done.stdout).toBe("forbidden\n");
  });

  test("--cidfile and --name", async () => {
    const file = join(daemon.root, `cid-${cli}`);
    const done = await call("run", "-d", "--cidfile", file, "--name", `named-${cli}`, "busybox", "sleep", "100");
    expect(readFileSync(file, "utf8")).toBe(done.stdout.trim());
    const again = await call("run", "--name", `named-${cli}`, "busybox", "true");
    expect(again.code).toBe(125);
    expect(again.stderr).toContain(
      `The container name "/named-${cli}" is already in use by container "${done.stdout.trim()}"`,
    );
    await call("rm", "-f", `named-${cli}`);
  });

  test("--init reaps and forwards", async () => {
    const info = await daemon.ok("info", "-f", "{{.InitBinary}}");
    if (info === "" || info === "<no value>") return;
    const done = await call("run", "--rm", "--init", "busybox", "sh", "-c", "cat /proc/1/comm");
    expect(done.code).toBe(0);
    expect(done.stdout).toMatch(/init|tini|catatonit/);
  });

  test("logs: --tail, -t, streams", async () => {
    const name = `logs-${cli}`;
    await call(
      "run",
      "--name",
      name,
      "busybox",
      "sh",
      "-c",
      "for i in 1 2 3 4 5; do echo line $i; done; echo oops >&2",
    );
    expect((await call("logs", "--tail", "2", name)).stdout).toContain("line 5\n");
    const all = await call("logs", name);
    expect([all.stdout, all.stderr]).toEqual(["line 1\nline 2\nline 3\nline 4\nline 5\n", "oops\n"]);
    expect((await call("logs", "-t", "--tail", "1", name)).stderr).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z oops\n$/);
    await call("rm", name);
  });

  test("exec: output, exit code, environment, user, no such command", async () => {
    const name = `exec-${cli}`;
    await call("run", "-d", "--name", name, "busybox", "sleep", "1000");
    expect(
      (await call("exec", "-e", "A=1", "-w", "/tmp", "-u", "1", name, "sh", "-c", "echo $A $(pwd) $(id -u); exit 3"))
        .code,
    ).toBe(3);
    expect(
      (await call("exec", "-e", "A=1", "-w", "/tmp", "-u", "1", name, "sh", "-c", "echo $A $(pwd) $(id -u)")).stdout,
    ).toBe("1 /tmp 1\n");
    expect((await call("exec", name, "nosuch")).code).toBe(127);
    const cat = await run([
      "sh",
      "-c",
      `echo typed | ${cli === "berth" ? "dist/berth" : DOCKER} -H unix://${daemon.socket} exec -i ${name} cat`,
    ]);
    expect(cat.stdout).toBe("typed\n");
    await call("rm", "-f", name);
    expect((await call("exec", name, "true")).stderr).toContain(`No such container: ${name}`);
  });
});

test("ps, inspect, rename, kill, wait, restart, stop, start", async () => {
  const id = await daemon.ok("run", "-d", "--name", "one", "--label", "a=b", "busybox", "sleep", "1000");
  expect(await daemon.ok("ps", "--filter", "label=a=b", "--format", "{{.Names}} {{.Image}} {{.State}}")).toBe(
    "one busybox running",
  );
  await daemon.ok("rename", "one", "two");
  expect(await daemon.ok("inspect", "-f", "{{.Name}} {{.State.Running}}", id)).toBe("/two true");
  const waiting = daemon.ok("wait", "two");
  await daemon.ok("kill", "two");
  expect(await waiting).toBe("137");
  await daemon.ok("start", "two");
  const before = await daemon.ok("inspect", "-f", "{{.State.Pid}}", "two");
  await daemon.ok("restart", "-t", "0", "two");
  expect(await daemon.ok("inspect", "-f", "{{.State.Pid}}", "two")).not.toBe(before);
  await daemon.ok("stop", "two");
  expect(await daemon.ok("ps", "-aq", "--filter", "status=exited", "--no-trunc")).toBe(id);
  await daemon.ok("rm", "two");
  expect((await daemon.berth("inspect", "two")).code).toBe(1);
});

test("stop hands the signal to an init that waits for it, and the program ends as it wants to", async () => {
  for (const [script, code] of [
    ["trap 'exit 4' TERM; echo up; sleep 1000 & wait", "4"],
    ["echo up; exec sleep 1000", "143"],
  ] as const) {
    await daemon.ok("run", "-d", "--init", "--name", "heard", "busybox", "sh", "-c", script);
    while ((await daemon.ok("logs", "heard")) !== "up");
    await daemon.ok("stop", "-t", "60", "heard");
    expect(await daemon.ok("inspect", "-f", "{{.State.ExitCode}}", "heard")).toBe(code);
    await daemon.ok("rm", "heard");
  }
});

test("stop does not wait for a PID 1 that cannot hear the signal, and the event says why", async () => {
  await daemon.ok("run", "-d", "--name", "deaf", "busybox", "sleep", "1000");
  const begin = Date.now();
  await daemon.ok("stop", "-t", "60", "deaf");
  const elapsed = Date.now() - begin;
  expect(elapsed).toBeLessThan(30_000);
  const events = await daemon.ok(
    "events",
    "--since",
    "5m",
    "--until",
    "0s",
    "--filter",
    "container=deaf",
    "--filter",
    "event=kill",
    "--format",
    "{{json .}}",
  );
  expect(events).toContain("no handler");
  await daemon.ok("rm", "deaf");
});

test("stop waits for a PID 1 that has a handler, and its exit code is its own", async () => {
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "polite",
    "busybox",
    "sh",
    "-c",
    "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done",
  );
  while (!(await daemon.ok("logs", "polite")).includes("ready")) await Bun.sleep(20);
  await daemon.ok("stop", "polite");
  expect(await daemon.ok("logs", "polite")).toContain("bye");
  expect(await daemon.ok("inspect", "-f", "{{.State.ExitCode}}", "polite")).toBe("5");
  await daemon.ok("rm", "polite");
});

test("a restart policy brings a failed container back, as often as it says", async () => {
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "again",
    "--restart",
    "on-failure:2",
    "busybox",
    "sh",
    "-c",
    "echo try; exit 1",
  );
  expect(await daemon.ok("wait", "again")).toBe("1");
  while ((await daemon.ok("inspect", "-f", "{{.RestartCount}} {{.State.Status}}", "again")) !== "2 exited")
    await Bun.sleep(50);
  expect(await daemon.ok("logs", "again")).toBe("try\ntry\ntry");
  await daemon.ok("rm", "again");
});

test("tty: the container sees a terminal of the right size", async () => {
  const child = spawn(
    "script",
    [
      "-qec",
      `stty rows 33 cols 77; dist/berth -H unix://${daemon.socket} run -it --rm busybox sh -c 'stty size; test -t 0 && echo tty'`,
      "/dev/null",
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let out = "";
  child.stdout.on("data", (b: Buffer) => {
    out += b.toString();
  });
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
  expect(out).toContain("33 77");
  expect(out).toContain("tty");
});

test("a container's output of 50 MB arrives whole", async () => {
  const done = await run([
    "sh",
    "-c",
    `dist/berth -H unix://${daemon.socket} run --rm busybox sh -c 'yes 0123456789abcde | head -n 3276800' | sha256sum`,
  ]);
  const want = await run(["sh", "-c", "yes 0123456789abcde | head -n 3276800 | sha256sum"]);
  expect(done.stdout).toBe(want.stdout);
});

test("env files and label files", async () => {
  const file = join(daemon.root, "env");
  writeFileSync(file, "# comment\nA=1\nB=two words\n");
  expect((await daemon.berth("run", "--rm", "--env-file", file, "busybox", "sh", "-c", "echo $A-$B")).stdout).toBe(
    "1-two words\n",
  );
});
