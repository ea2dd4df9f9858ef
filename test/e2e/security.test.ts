import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, runOk } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// What a hostile container or image must not get.
setDefaultTimeout(300_000);

/** A path of the host that hostile images point to. Nothing may appear there. */
const BAIT = `/var/tmp/berth-bait-${process.pid}`;
const SECRET = "a-value-that-nobody-else-has-4711";

let daemon: TestDaemon;
beforeAll(async () => {
  process.env["BERTH_TEST_DAEMON_ENV"] = "of-the-daemon";
  daemon = await TestDaemon.start();
  await hostileImage();
});
afterAll(async () => {
  delete process.env["BERTH_TEST_DAEMON_ENV"];
  await daemon[Symbol.asyncDispose]();
  expect(existsSync(BAIT)).toBe(false);
});

const inside = (...args: string[]) => daemon.docker("run", "--rm", ...args);
async function sh(script: string, ...flags: string[]): Promise<string> {
  const done = await inside(...flags, "busybox", "sh", "-c", script);
  return done.stdout + done.stderr;
}

/** busybox with links and special files where the engine mounts, reads and copies. */
async function hostileImage(): Promise<void> {
  const script = `
import tarfile, io
t = tarfile.open(${JSON.stringify(join(daemon.root, "hostile.tar"))}, "w")
def add(name, data=b"", **kw):
    i = tarfile.TarInfo(name); i.size = len(data); i.mode = 0o755
    for k, v in kw.items(): setattr(i, k, v)
    t.addfile(i, io.BytesIO(data) if data else None)
link = lambda name, to: add(name, type=tarfile.SYMTYPE, linkname=to)
add("bin", type=tarfile.DIRTYPE)
add("bin/busybox", open("/bin/busybox", "rb").read())
for name in ["sh", "cat", "ls", "id", "touch", "pwd", "head", "true", "sleep"]: link("bin/" + name, "busybox")
link("data", "${BAIT}/data")
link("climb", "../../../../../../..${BAIT}/climb")
link("work", "${BAIT}/work")
link("sbin", "${BAIT}/sbin")
link("copied", "${daemon.root}/host-folder")
for name in ["proc", "sys", "dev", "etc"]: link(name, "${BAIT}/" + name)
link("loop", "loop2"); link("loop2", "loop")
add("disk", type=tarfile.BLKTYPE, devmajor=7, devminor=0)
add("mem", type=tarfile.CHRTYPE, devmajor=1, devminor=1)
t.close()
`;
  mkdirSync(join(daemon.root, "host-folder"));
  writeFileSync(join(daemon.root, "host-folder", "secret"), SECRET);
  await runOk(["python3", "-c", script]);
  await daemon.ok("import", join(daemon.root, "hostile.tar"), "hostile");
}

describe("a container without privileges", () => {
  test("cannot mount, unshare, make namespaces or trace the kernel", async () => {
    const source = `
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/syscall.h>
#define TRY(name, ...) do { errno = 0; long r = syscall(SYS_##name, ##__VA_ARGS__); printf("%s %s\\n", #name, r < 0 && (errno == EPERM || errno == ENOSYS) ? "refused" : "open"); } while (0)
int main(void) {
  TRY(mount, "none", "/", "tmpfs", 0, 0); TRY(umount2, "/proc", 0); TRY(unshare, 0x10000000); TRY(unshare, 0x00020000);
  TRY(setns, 0, 0); TRY(pivot_root, "/", "/"); TRY(keyctl, 0, -3, 0, 0, 0); TRY(add_key, "user", "a", "b", 1, -3); TRY(request_key, "user", "a", 0, 0);
  TRY(bpf, 5, 0, 0); TRY(kexec_load, 0, 0, 0, 0); TRY(init_module, 0, 0, ""); TRY(finit_module, 0, "", 0); TRY(delete_module, "x", 0);
  TRY(perf_event_open, 0, 0, -1, -1, 0); TRY(userfaultfd, 0); TRY(open_by_handle_at, 0, 0, 0); TRY(reboot, 0, 0, 0, 0); TRY(swapon, "/x", 0);
  TRY(acct, "/x"); TRY(settimeofday, 0, 0); TRY(clock_settime, 0, 0); TRY(iopl, 3); TRY(quotactl, 0, 0, 0, 0); TRY(fsopen, "tmpfs", 0);
  TRY(open_tree, -100, "/", 1); TRY(move_mount, 0, "", 0, "", 0); TRY(fsmount, 0, 0, 0); TRY(io_uring_setup, 1, 0); TRY(process_vm_readv, 1, 0, 0, 0, 0, 0) ; return 0;
}`;
    const folder = join(daemon.root, "probe");
    mkdirSync(folder);
    writeFileSync(join(folder, "probe.c"), source.replaceAll("TRY(process_vm_readv, 1, 0, 0, 0, 0, 0) ;", ""));
    await runOk(["cc", "-static", "-o", join(folder, "probe"), join(folder, "probe.c")]);
    const done = await inside("-v", `${folder}:/probe:ro`, "busybox", "/probe/probe");
    const calls = done.stdout.trim().split("\n");
    expect(calls.length).toBeGreaterThan(25);
    expect(calls.filter((line) => line.endsWith(" open"))).toEqual([]);
  });

  test("sees no file descriptors but its own three", async () => {
    const id = await daemon.ok("run", "-d", "busybox", "sleep", "1000");
    expect(await daemon.ok("exec", id, "ls", "/proc/1/fd")).toBe("0\n1\n2");
    const pid = (await daemon.ok("inspect", "-f", "{{.State.Pid}}", id)).trim();
    expect(readdirSync(`/proc/${pid}/fd`).sort()).toEqual(["0", "1", "2"]);
    const shell = await daemon.ok("exec", id, "sh", "-c", "ls /proc/$$/fd; exit 0");
    expect(shell).toBe("0\n1\n2");
    await daemon.ok("rm", "-f", id);
  });

  test("has no inheritable and ambient capabilities, also in an exec", async () => {
    const id = await daemon.ok("run", "-d", "busybox", "sleep", "1000");
    for (const flags of [[], ["--privileged"], ["-u", "1000"]]) {
      const status = await daemon.ok("exec", ...flags, id, "grep", "-E", "CapInh|CapAmb", "/proc/self/status");
      expect(status.match(/[0-9a-f]{16}/g)).toEqual(["0000000000000000", "0000000000000000"]);
    }
    await daemon.ok("rm", "-f", id);
  });

  test("gains nothing by a set-uid program where it asked for that, also in an exec", async () => {
    const id = await daemon.ok("run", "-d", "--security-opt", "no-new-privileges", "busybox", "sleep", "1000");
    expect(await daemon.ok("exec", id, "grep", "NoNewPrivs", "/proc/1/status", "/proc/self/status")).toBe(
      "/proc/1/status:NoNewPrivs:\t1\n/proc/self/status:NoNewPrivs:\t1",
    );
    await daemon.ok("rm", "-f", id);
  });

  test("reads no masked path and writes no system setting", async () => {
    const script = `
for f in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/latency_stats /proc/interrupts; do [ -z "$(head -c1 $f 2>/dev/null)" ] || echo read $f; done
for d in /proc/acpi /proc/asound /proc/scsi /sys/firmware /sys/devices/virtual/powercap; do [ -z "$(ls -A $d 2>/dev/null)" ] || echo listed $d; done
for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/panic /proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/irq/default_smp_affinity /sys/kernel/mm/ksm/run /sys/power/state; do (echo 1 >$f) 2>/dev/null && echo wrote $f; done
for f in /sys/kernel/uevent_helper $(find /sys/fs/cgroup -name cgroup.procs -o -name release_agent); do (echo 0 >$f) 2>/dev/null && echo wrote $f; done; true`;
    expect(await sh(script)).toBe("");
  });

  test("has no device of the host: nodes of the image and its own are shut", async () => {
    const script = "(cat /disk || cat /mem) 2>&1 | head -c 200";
    const done = await inside("hostile", "sh", "-c", script);
    expect(done.stdout).toBe(
      "cat: can't open '/disk': Operation not permitted\ncat: can't open '/mem': Operation not permitted\n",
    );
    const nodes = await sh(
      "mknod /k c 1 2 && head -c1 /k; mknod /b b 254 0 && head -c1 /b; mknod /d b 7 0 && head -c1 /d",
    );
    expect(nodes.match(/Operation not permitted/g)).toHaveLength(3);
  });

  test("sees no process, cgroup, host name or mount of the host", async () => {
    const seen = await sh("ls -d /proc/[0-9]* | wc -l; cut -d: -f3 /proc/self/cgroup | sort -u; cat /proc/1/comm");
    expect(seen).toMatch(/^[1-6]\n\/\n(sh|cat)\n$/);
    expect(await sh("cat /proc/self/mountinfo /proc/mounts | cut -d' ' -f5")).not.toContain(daemon.root);
    expect(await sh("awk '{print $5}' /proc/self/mountinfo")).not.toContain("berth");
  });

  test("does not find the daemon's socket, state or monitor", async () => {
    const found = await sh(`ls ${daemon.root} /run/berth /var/lib/berth 2>&1; ls /run`);
    expect(found).not.toContain("berth.sock");
    expect(found.match(/No such file/g)?.length).toBeGreaterThanOrEqual(3);
    expect(await sh("kill -9 1; cat /proc/sys/kernel/hostname")).toMatch(/^[0-9a-f]{12}\n$/);
  });

  test("does not see abstract sockets and interfaces of the host", async () => {
    expect(await sh("cat /proc/net/unix | grep -c @; ls /sys/class/net")).toBe("0\neth0\nlo\n");
  });
});

test("the daemon's environment does not reach containers and execs", async () => {
  const id = await daemon.ok("run", "-d", "busybox", "sleep", "1000");
  const text = (await daemon.ok("exec", id, "env")) + (await daemon.ok("exec", id, "cat", "/proc/1/environ"));
  expect(text).not.toContain("of-the-daemon");
  expect(text).not.toContain("BERTH_");
  await daemon.ok("rm", "-f", id);
});

test("values of the environment are in no command line, no log and no file that others may read", async () => {
  const id = await daemon.ok("run", "-d", "-e", `TOKEN=${SECRET}`, "busybox", "sleep", "1000");
  await daemon.ok("exec", "-e", `MORE=${SECRET}`, id, "true");
  const lines = readdirSync("/proc").filter((n) => /^\d+$/.test(n) && Number(n) !== process.pid);
  const shown = lines.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(SECRET);
    } catch {
      return false; // It has ended.
    }
  });
  expect(shown).toEqual([]);
  expect(daemon.log).not.toContain(SECRET);
  const holders = (await run(["grep", "-rlas", SECRET, join(daemon.root, "data"), join(daemon.root, "run")])).stdout;
  const readable = holders
    .trim()
    .split("\n")
    .filter((path) => path && (statSync(path).mode & 0o077) !== 0 && !behindClosedDoor(path));
  expect(readable).toEqual([]);
  await daemon.ok("rm", "-f", id);
});

/** Whether a folder above keeps all but root out. */
function behindClosedDoor(path: string): boolean {
  for (let at = join(path, ".."); at.startsWith(`${daemon.root}/`); at = join(at, ".."))
    if ((statSync(at).mode & 0o007) === 0 && at !== daemon.root) return true;
  return false;
}

test("modes: nobody but root gets at layers, records, logs and bundles", async () => {
  const id = await daemon.ok("run", "-d", "-v", "modes:/v", "busybox", "sleep", "1000");
  const mode = (...names: string[]): string => (statSync(join(daemon.root, ...names)).mode & 0o7777).toString(8);
  expect(mode("run", "berth.sock")).toBe("660");
  expect(mode("data")).toBe("710");
  expect([mode("data", "containers"), mode("data", "layers"), mode("data", "tmp")]).toEqual(["700", "700", "700"]);
  expect(mode("run", "containers")).toBe("700");
  expect(mode("data", "berth.db")).toBe("600");
  expect(mode("data", "containers", id, `${id}-json.log`)).toBe("600");
  expect(mode("run", "containers", id, "config.json")).toBe("600");
  expect(mode("run", "containers", id, "monitor.conf")).toBe("600");
  const asNobody = await run([
    "setpriv",
    "--reuid=65534",
    "--clear-groups",
    "ls",
    join(daemon.root, "data", "containers", id),
  ]);
  expect(asNobody.code).not.toBe(0);
  await daemon.ok("rm", "-f", id);
  await daemon.ok("volume", "rm", "modes");
});

describe("a hostile image", () => {
  test("does not lead mounts out of its root", async () => {
    const flags = [
      "-v",
      "hv:/data",
      "-v",
      `${daemon.root}/host-folder:/climb/x:ro`,
      "--tmpfs",
      "/data/deeper",
      "--init",
      "-w",
      "/work/below",
    ];
    const done = await inside(
      ...flags,
      "hostile",
      "sh",
      "-c",
      `pwd; cat /climb/x/secret; touch /data/f && ls ${BAIT}; ls /etc`,
    );
    expect(done).toMatchObject({ stderr: "", code: 0 });
    expect(done.stdout).toContain(SECRET);
    expect(existsSync(BAIT)).toBe(false);
    expect(done.stdout).toContain("resolv.conf");
    await daemon.berth("volume", "rm", "hv");
  });

  test("has real /proc, /sys, /dev and /etc, whatever it had there", async () => {
    const done = await inside(
      "hostile",
      "sh",
      "-c",
      "cat /proc/1/comm; ls /sys/kernel /dev/null /etc/hosts; head -c0 /dev/zero",
    );
    expect(done.stdout).toContain("/dev/null\n/etc/hosts\n");
    expect(done.stdout).toStartWith("sh\n");
    expect(existsSync(BAIT)).toBe(false);
  });

  test("does not get the host's files copied into its volumes", async () => {
    const done = await inside("-v", "copied:/copied", "hostile", "ls", "-A", "/copied");
    expect(done.stdout).not.toContain("secret");
    await daemon.ok("volume", "rm", "copied");
  });

  test("with a loop of links as a mount's target fails and leaves nothing", async () => {
    const done = await inside("-v", "looped:/loop", "hostile", "true");
    expect(done.code).not.toBe(0);
    expect(daemon.log).not.toContain("internal error");
    expect(await daemon.ok("ps", "-aq")).toBe("");
    await daemon.berth("volume", "rm", "looped");
  });

  test.each([
    ["a fifo", "mkfifo /etc/passwd"],
    ["a device", "mknod /etc/passwd c 1 5"],
    ["a link to the host's", "ln -s ../../../../../../../etc/passwd /etc/passwd"],
    ["a link to nowhere", "ln -s /proc/self/root/etc/shadow /etc/passwd"],
    ["a folder", "mkdir /etc/passwd"],
    ["a huge file", "dd if=/dev/zero of=/etc/passwd bs=1M count=40 2>/dev/null"],
    ["a link to itself", "ln -s passwd /etc/passwd"],
  ])("whose passwd is %s: an answer, and at once", async (_, make) => {
    const id = await daemon.ok("run", "-d", "busybox", "sh", "-c", `rm /etc/passwd; ${make}`);
    await daemon.ok("wait", id);
    await daemon.ok("commit", id, "passwd").catch(() => undefined);
    const started = await daemon.docker("start", "-a", id);
    expect(started.code).toBeLessThan(128);
    const named = await daemon.docker("exec", "-u", "sync", id, "true");
    expect(named.code).not.toBe(0);
    await daemon.ok("rm", "-f", id);
    expect((await daemon.ok("version", "--format", "{{.Server.Version}}")).length).toBeGreaterThan(0);
  });
});

describe("a hostile build", () => {
  const build = async (
    dockerfile: string,
    files: Record<string, string> = {},
  ): Promise<{ code: number; text: string }> => {
    const folder = join(daemon.root, `ctx${Math.random()}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "Dockerfile"), dockerfile);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const done = await daemon.berth("build", "-q", folder);
    return { code: done.code, text: done.stdout + done.stderr };
  };

  test("does not write through links of its base", async () => {
    const done = await build(
      "FROM hostile\nCOPY f /data/f\nCOPY f /climb/f\nCOPY f /copied/planted\nWORKDIR /work/x\n",
      { f: "x" },
    );
    expect(existsSync(BAIT)).toBe(false);
    expect(readdirSync(join(daemon.root, "host-folder"))).toEqual(["secret"]);
    expect(done.text).not.toContain(SECRET);
  });

  test("does not read the host through links of a stage", async () => {
    const done = await build("FROM hostile AS a\nFROM busybox\nCOPY --from=a /copied/secret /s\nRUN cat /s\n");
    expect(done.code).not.toBe(0);
    expect(done.text).not.toContain(SECRET);
  });

  test.each(["../../../../etc/passwd", "/etc/../../../etc/passwd"])("does not read %s of the host", async (path) => {
    const done = await build(`FROM busybox\nCOPY ${path} /p\n`);
    expect(done.code).not.toBe(0);
  });
});

test.each(["../x", "a/../../x", "/abs", "a b", "a\u0000b", "..%2f", "a\nb"])(
  "names that lead out are refused: %j",
  async (name) => {
    const post = (path: string, body: unknown) =>
      fetch(`http://d${path}`, {
        unix: daemon.socket,
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
    const before = readdirSync(join(daemon.root, "data")).sort();
    const container = await post(`/containers/create?name=${encodeURIComponent(name)}`, { Image: "busybox" });
    expect(container.status).toBe(name === "/abs" ? 201 : 400);
    if (container.status === 201) await daemon.ok("rm", "abs");
    expect((await post("/volumes/create", { Name: name })).status).toBe(400);
    for (const path of ["containers", "volumes", "images", "networks"]) {
      const found = await fetch(`http://d/${path}/${encodeURIComponent(name)}/json`, { unix: daemon.socket });
      expect(found.status).toBeOneOf([400, 404, 405]);
      await found.text();
    }
    expect(readdirSync(join(daemon.root, "data")).sort()).toEqual(before);
  },
);
