import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cgroupMode } from "../../src/host/cgroup.ts";
import { run, runOk } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// What each option of `docker run` is, seen from inside: by the unmodified docker command line, with what dockerd 28 shows as the measure.
setDefaultTimeout(300_000);

const V2 = cgroupMode() === "v2";
let daemon: TestDaemon;
let host = "";
beforeAll(async () => {
  daemon = await TestDaemon.start();
  host = join(daemon.root, "host");
  mkdirSync(host);
  // A mount of its own, since hosts differ in whether theirs propagate.
  await runOk(["mount", "-t", "tmpfs", "tmpfs", host]);
  await runOk(["mount", "--make-private", host]);
  mkdirSync(join(host, "sub"));
  writeFileSync(join(host, "file"), "content\n");
  writeFileSync(join(host, "env"), "A=1\n# comment\nNOT_SET_HERE\nC=x y\n\n");
  writeFileSync(join(host, "labels"), "one=1\n# comment\ntwo\n");
  const profile = {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 5 }],
  };
  writeFileSync(join(host, "seccomp.json"), JSON.stringify(profile));
});
afterAll(async () => {
  await run(["umount", "-l", host]);
  await daemon[Symbol.asyncDispose]();
});

const fill = (flag: string): string => flag.replace("HOST", host);
async function inside(flags: string[], script: string): Promise<string> {
  const done = await daemon.docker("run", "--rm", ...flags.map(fill), "busybox", "sh", "-c", script);
  return done.stdout + done.stderr;
}

/** A file of the container's own cgroup: v1 controller and name, v2 name. */
const cgroup = (v1: string, v2: string): string => `cat /sys/fs/cgroup/${V2 ? v2 : v1}`;
const onV = (v1: string, v2: string): string => (V2 ? v2 : v1);
const mountOf = (path: string): string => `awk '$2 == "${path}" {print $1, $3, $4}' /proc/mounts`;

describe.each(["crun", "runc"])("by %s", (runtime) => {
  const seen = (flags: string[], script: string): Promise<string> => inside(["--runtime", runtime, ...flags], script);

  test.each([
    [["--cpus", "1.5"], cgroup("cpu/cpu.cfs_quota_us", "cpu.max"), onV("150000\n", "150000 100000\n")],
    [
      ["--cpu-quota", "50000", "--cpu-period", "80000"],
      cgroup("cpu/cpu.cfs_quota_us", "cpu.max"),
      onV("50000\n", "50000 80000\n"),
    ],
    [["--cpuset-cpus", "0"], "grep Cpus_allowed_list /proc/self/status; nproc", "Cpus_allowed_list:\t0\n1\n"],
    [["-m", "64m"], cgroup("memory/memory.limit_in_bytes", "memory.max"), "67108864\n"],
    [
      ["-m", "64m", "--memory-reservation", "32m"],
      cgroup("memory/memory.soft_limit_in_bytes", "memory.low"),
      "33554432\n",
    ],
    [["--pids-limit", "33"], cgroup("pids/pids.max", "pids.max"), "33\n"],
    [["--pids-limit", "-1"], cgroup("pids/pids.max", "pids.max"), "max\n"],
    [
      ["--shm-size", "1m"],
      `${mountOf("/dev/shm")}; df -k /dev/shm | awk 'END {print $2}'`,
      "shm tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k\n1024\n",
    ],
    [["--ulimit", "nofile=100:200", "--ulimit", "core=0"], "ulimit -n; ulimit -Hn; ulimit -c", "100\n200\n0\n"],
    [
      ["--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.msgmax=9000"],
      "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax",
      "1\n9000\n",
    ],
    [["--device", "/dev/zero:/dev/nought:r"], "head -c2 /dev/nought | wc -c; stat -c '%t %T' /dev/nought", "2\n1 5\n"],
    [
      ["--device", "/dev/kmsg:/dev/k:r"],
      "(: >/dev/k) 2>&1 | grep -o 'Operation not permitted'",
      "Operation not permitted\n",
    ],
    [
      ["--device-cgroup-rule", "c 10:229 rwm"],
      "mknod /f c 10 229; mknod /g c 1 11; (: </g) 2>&1 | grep -o 'not permitted'; (: </f) 2>&1 | grep -c 'not permitted'",
      "not permitted\n0\n",
    ],
    [["--tmpfs", "/t"], `${mountOf("/t")}; stat -c %a /t`, "tmpfs tmpfs rw,nosuid,nodev,noexec,relatime\n1777\n"],
    [
      ["--tmpfs", "/t:size=1m,mode=700,exec,uid=3"],
      `${mountOf("/t")}; stat -c '%a %u' /t`,
      "tmpfs tmpfs rw,nosuid,nodev,relatime,size=1024k,mode=700,uid=3\n700 3\n",
    ],
    [["--tmpfs", "/root"], "stat -c %a /root; stat -c %a /tmp", "700\n1777\n"],
    [
      ["--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770"],
      "stat -c %a /t; df -k /t | awk 'END {print $2}'",
      "1770\n1024\n",
    ],
    [
      ["--read-only"],
      "for f in /x /etc/hosts /etc/resolv.conf; do touch $f 2>&1; done | grep -c 'Read-only'; touch /dev/shm/x && echo shm",
      "3\nshm\n",
    ],
    [
      ["--cap-drop", "ALL", "--cap-add", "cap_chown"],
      "awk '/CapEff|CapBnd/ {print $2}' /proc/self/status",
      "0000000000000001\n0000000000000001\n",
    ],
    [["--security-opt", "no-new-privileges"], "awk '/NoNewPrivs/ {print $2}' /proc/self/status", "1\n"],
    [["--security-opt", "no-new-privileges=false"], "awk '/NoNewPrivs/ {print $2}' /proc/self/status", "0\n"],
    [
      ["--security-opt", "seccomp=HOST/seccomp.json"],
      "mkdir /x 2>&1 | grep -o 'Input/output error'; awk '/Seccomp:/ {print $2}' /proc/self/status",
      "Input/output error\n2\n",
    ],
    [
      ["--security-opt", "seccomp=unconfined"],
      "awk '/Seccomp:/ {print $2}' /proc/self/status; unshare -U true && echo namespace",
      "0\nnamespace\n",
    ],
    [
      ["--security-opt", "systempaths=unconfined"],
      "awk '$2 ~ \"^/proc/\"' /proc/mounts; head -c1 /proc/interrupts | wc -c",
      "1\n",
    ],
    [
      ["--privileged"],
      "awk '/Seccomp:/ {print $2}' /proc/self/status; awk '$2 ~ \"^/proc/\"' /proc/mounts; [ -w /sys/kernel ] && echo sys",
      "0\nsys\n",
    ],
    [["-u", "1234"], "id -u; id -g; awk '/Groups/ {print $2}' /proc/self/status; echo $HOME", "1234\n0\n0\n/\n"],
    [
      ["-u", "1234:56", "--group-add", "777"],
      "id -u; awk '/Groups/ {print $2, $3}' /proc/self/status",
      "1234\n56 777\n",
    ],
    [["-u", "daemon"], "id -u; id -g", "1\n1\n"],
    [["--pid", "host"], "[ $(echo /proc/[0-9]* | wc -w) -gt 3 ] && echo many", "many\n"],
    [
      ["--ipc", "host"],
      `${mountOf("/dev/mqueue")}; ls -di /dev/shm | wc -l`,
      "mqueue mqueue rw,nosuid,nodev,noexec,relatime\n1\n",
    ],
    [["--ipc", "none"], "ls -d /dev/shm 2>&1 | grep -c 'No such file'", "1\n"],
    [["--cgroupns", "host"], "tail -n1 /proc/self/cgroup | cut -c1-4", "0::/\n"],
    [["--hostname", "a.b.c"], "hostname; cat /etc/hostname; tail -n1 /etc/hosts | cut -f2", "a.b.c\na.b.c\na.b.c a\n"],
    [
      ["--hostname", "h", "--domainname", "ex.org"],
      "cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname; tail -n1 /etc/hosts | cut -f2",
      "h\nex.org\nh.ex.org h\n",
    ],
    [
      ["--add-host", "x:1.2.3.4", "--add-host", "y=::1"],
      "grep -E '[xy]$' /etc/hosts | tail -n2",
      "1.2.3.4\tx\n::1\ty\n",
    ],
    [
      ["--dns", "192.0.2.1", "--dns-search", "ex.org", "--dns-option", "ndots:3"],
      "grep -v '^#' /etc/resolv.conf | grep .",
      "nameserver 127.0.0.11\nnameserver 192.0.2.1\nsearch ex.org\noptions ndots:3\n",
    ],
    [["--oom-score-adj", "300"], "cat /proc/self/oom_score_adj", "300\n"],
    [["--init"], "cat /proc/1/comm", "docker-init\n"],
    [
      ["-v", "HOST:/b:ro"],
      `cat /b/file; touch /b/x 2>&1 | grep -o Read-only; ${mountOf("/b")} | cut -d' ' -f3 | cut -c1-3`,
      "content\nRead-only\nro,\n",
    ],
    [["-v", "HOST:/b:z"], "cat /b/file", "content\n"],
    [["-v", "HOST/file:/x/y/f"], "cat /x/y/f; stat -c %a /x/y", "content\n755\n"],
    [["--mount", "type=bind,src=HOST,dst=/b,readonly"], "touch /b/x 2>&1 | grep -o Read-only", "Read-only\n"],
    [["--mount", "type=volume,dst=/etc"], "ls /etc/passwd", "/etc/passwd\n"],
    [["--mount", "type=volume,dst=/etc,volume-nocopy"], "ls /etc", "hostname\nhosts\nresolv.conf\n"],
    [
      ["--tmpfs", "/a", "-v", "HOST:/a/b", "--tmpfs", "/a/b/sub"],
      "awk '$2 ~ \"^/a\" {print $2}' /proc/mounts; cat /a/b/file",
      "/a\n/a/b\n/a/b/sub\ncontent\n",
    ],
    [["--env-file", "HOST/env", "-e", "E="], "env | grep -E '^(A|C|E|NOT_SET_HERE)=' | sort", "A=1\nC=x y\nE=\n"],
    [["-w", "/new/folder", "-u", "1000"], "pwd; stat -c '%u %a' /new /new/folder", "/new/folder\n0 755\n0 755\n"],
    [["--stop-signal", "SIGUSR1", "--stop-timeout", "3"], "umask", "0022\n"],
  ] as [string[], string, string][])("%j", async (flags, script, expected) =>
    expect(await seen(flags, script)).toBe(expected),
  );

  test("an empty entrypoint takes the image's away", async () => {
    const done = await daemon.docker("run", "--rm", "--runtime", runtime, "--entrypoint", "", "busybox", "echo", "hi");
    expect(done.stdout).toBe("hi\n");
    const none = await daemon.docker("run", "--rm", "--runtime", runtime, "--entrypoint", "", "busybox");
    expect([none.code, none.stderr]).toEqual([125, expect.stringContaining("no command specified")]);
  });

  test("life of a container: tty, stdin, exec, stop signal, exit codes", async () => {
    const flags = ["-d", "--runtime", runtime, "--stop-signal", "USR1", "--label-file", join(host, "labels")];
    const id = await daemon.ok(
      "run",
      ...flags,
      "busybox",
      "sh",
      "-c",
      "trap 'echo caught; exit 9' USR1; touch /ready; while :; do sleep 0.05; done",
    );
    expect((await daemon.docker("exec", id, "sh", "-c", "exit 3")).code).toBe(3);
    expect((await daemon.docker("exec", id, "nosuch")).code).toBe(127);
    expect(JSON.parse(await daemon.ok("inspect", "-f", "{{json .Config.Labels}}", id))).toEqual({ one: "1" });
    while ((await daemon.berth("exec", id, "ls", "/ready")).code !== 0) await daemon.ok("ps");
    await daemon.ok("stop", id);
    expect(await daemon.ok("wait", id)).toBe("9");
    expect(await daemon.ok("logs", id)).toBe("caught");
    await daemon.ok("rm", id);
    expect((await daemon.docker("run", "--rm", "--runtime", runtime, "busybox", "nosuch")).code).toBe(127);
    expect((await daemon.docker("run", "--rm", "--runtime", runtime, "busybox", "/etc")).code).toBe(126);
    const tty = await daemon.docker("run", "--rm", "-t", "--runtime", runtime, "busybox", "tty");
    expect(tty.stdout).toBe("/dev/pts/0\r\n");
  });
});

test("a bind that is a slave sees what the host mounts and unmounts later; a private one does not", async () => {
  const shared = join(daemon.root, "shared");
  mkdirSync(join(shared), { recursive: true });
  await runOk(["mount", "-t", "tmpfs", "tmpfs", shared]);
  try {
    await runOk(["mount", "--make-shared", shared]);
    mkdirSync(join(shared, "in"));
    const id = await daemon.ok(
      "run",
      "-d",
      "-v",
      `${shared}:/slave:rslave`,
      "-v",
      `${shared}:/private`,
      "busybox",
      "sleep",
      "1000",
    );
    await runOk(["mount", "-t", "tmpfs", "tmpfs", join(shared, "in")]);
    writeFileSync(join(shared, "in", "late"), "");
    expect(await daemon.ok("exec", id, "ls", "/slave/in", "/private/in")).toBe("/private/in:\n\n/slave/in:\nlate");
    await runOk(["umount", join(shared, "in")]);
    expect(await daemon.ok("exec", id, "ls", "/slave/in")).toBe("");
    await daemon.ok("rm", "-f", id);
  } finally {
    await run(["umount", "-R", shared]);
  }
});

test("--link gives the other container's address under the alias", async () => {
  await daemon.ok("run", "-d", "--name", "linked", "busybox", "sleep", "1000");
  const ip = await daemon.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "linked");
  expect(await inside(["--link", "linked:other"], "grep other /etc/hosts")).toStartWith(`${ip}\tother `);
  await daemon.ok("rm", "-f", "linked");
});

describe("refused in dockerd's words", () => {
  test.each([
    [["--cpuset-cpus", "999"], "Requested CPUs are not available - requested 999, available: "],
    [["--cpuset-cpus", "x"], "Invalid value x for cpuset cpus: invalid format: x"],
    [["--cpuset-mems", "99"], "Requested memory nodes are not available - requested 99, available: "],
    [["--cpu-period", "1"], "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"],
    [["--cpu-quota", "1"], "CPU cfs quota can not be less than 1ms (i.e. 1000)"],
    [["--memory-reservation", "1k"], "Minimum memory reservation allowed is 6MB"],
    [["--tmpfs", "/t:nope"], 'invalid tmpfs option "nope"'],
    [["--security-opt", "foo=bar"], 'invalid --security-opt 2: "foo=bar"'],
    [["--security-opt", "no-new-privileges=maybe"], 'invalid --security-opt 2: "no-new-privileges=maybe"'],
    [["-u", "-1"], "uids and gids must be in range 0-2147483647"],
    [["-v", "HOST:/b:ro,rw"], "invalid mode: ro,rw"],
    [["-v", "HOST:/b:rshared"], "but it is not a shared mount"],
    [
      ["--mount", "type=bind,src=HOST,dst=/b,bind-propagation=foo"],
      'invalid mount config for type "bind": invalid propagation mode: foo',
    ],
    [["--link", "nope:x"], "could not get container for nope: No such container: nope"],
    [["--isolation", "hyperv"], "invalid isolation (hyperv): linux only supports 'default'"],
    [["--device-read-bps", "/dev/nope:1mb"], "stat /dev/nope: no such file or directory"],
    [
      ["--device", "/dev/nope"],
      'error gathering device information while adding custom device "/dev/nope": no such file or directory',
    ],
    [["--gpus", "all"], 'could not select device driver "" with capabilities: [[gpu]]'],
    [["--storage-opt", "size=1g"], "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"],
    [["--log-opt", "colour=blue"], "unknown log opt 'colour' for json-file log driver"],
    [["--health-cmd", "true", "--health-interval", "1us"], "Interval in Healthcheck cannot be less than 1ms"],
  ])("%j", async (flags, words) => {
    const done = await daemon.docker("run", "--rm", ...flags.map(fill), "busybox", "true");
    expect(done.code).not.toBe(0);
    expect(done.stderr).toContain(words);
  });
});
