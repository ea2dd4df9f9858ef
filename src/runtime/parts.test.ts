import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findRuntimes } from "./binaries.ts";
import { deviceNumbers, deviceSetup } from "./devices.ts";
import { hostFacts } from "./facts.ts";
import { maskedPaths, mergeMounts, readonlyPaths, systemMounts } from "./mounts.ts";
import { linuxResources } from "./resources.ts";

const targets = (mounts: { destination: string }[]): string[] => mounts.map((m) => m.destination);

test("IpcMode decides on /dev/shm, and never on the message queues", () => {
  const shm = (mode: string, shared?: string) =>
    systemMounts({ IpcMode: mode }, shared).filter((m) => m.destination === "/dev/shm");
  expect(shm("private")).toMatchObject([
    { type: "tmpfs", options: expect.arrayContaining(["size=67108864", "noexec", "nosuid", "nodev"]) },
  ]);
  expect(shm("none")).toEqual([]);
  expect(shm("host")).toMatchObject([{ type: "bind", source: "/dev/shm" }]);
  expect(shm("shareable", "/run/x/shm")).toMatchObject([
    { type: "bind", source: "/run/x/shm", options: expect.arrayContaining(["nosuid", "nodev", "noexec"]) },
  ]);
  for (const mode of ["private", "none", "host"])
    expect(targets(systemMounts({ IpcMode: mode }))).toContain("/dev/mqueue");
});

test("a mount of the container's own takes a system mount's place; parents come before what is below them", () => {
  const own = ["/a/b/c", "/dev/shm", "/a", "/a/b"].map((destination) => ({ destination, type: "bind", source: "/s" }));
  const merged = mergeMounts(systemMounts({}), own);
  expect(targets(merged).filter((d) => d === "/dev/shm")).toHaveLength(1);
  expect(merged.find((m) => m.destination === "/dev/shm")?.type).toBe("bind");
  expect(targets(merged).filter((d) => d.startsWith("/a"))).toEqual(["/a", "/a/b", "/a/b/c"]);
});

test("systempaths=unconfined arrives as empty lists; privileged wins", () => {
  expect([maskedPaths({ MaskedPaths: [] }), readonlyPaths({ ReadonlyPaths: [] })]).toEqual([[], []]);
  expect(maskedPaths({})).toEqual(expect.arrayContaining(["/proc/kcore", "/proc/keys", "/sys/firmware"]));
  expect(readonlyPaths({})).toEqual(expect.arrayContaining(["/proc/sys", "/proc/sysrq-trigger"]));
  expect([maskedPaths({ Privileged: true }), readonlyPaths({ Privileged: true, ReadonlyPaths: ["/x"] })]).toEqual([
    [],
    [],
  ]);
});

test("devices: a node under another name, a folder of nodes, permissions, and what is none", () => {
  const one = deviceSetup({
    Devices: [{ PathOnHost: "/dev/zero", PathInContainer: "/dev/z", CgroupPermissions: "r" }],
  });
  expect(one.devices).toMatchObject([{ path: "/dev/z", type: "c", major: 1, minor: 5 }]);
  expect(one.rules.at(-1)).toEqual({ allow: true, type: "c", major: 1, minor: 5, access: "r" });
  expect(one.rules[0]).toEqual({ allow: false, access: "rwm" });
  for (const [path, words] of [
    ["/dev/nosuch", "no such file or directory"],
    ["/etc/passwd", "not a device node"],
  ] as const)
    expect(() => deviceSetup({ Devices: [{ PathOnHost: path }] })).toThrow(words);
  expect(deviceNumbers("/dev/null")).toEqual({ major: 1, minor: 3 });
  expect([deviceNumbers("/etc/passwd"), deviceNumbers("/nosuch")]).toEqual([undefined, undefined]);
});

test.each([
  ["c 1:3 rwm", { allow: true, type: "c", major: 1, minor: 3, access: "rwm" }],
  ["b 8:* r", { allow: true, type: "b", major: 8, access: "r" }],
  ["a *:* rwm", { allow: true, access: "rwm" }],
] as const)("device cgroup rule %s", (text, rule) => {
  expect(deviceSetup({ DeviceCgroupRules: [text] }).rules.at(-1)).toEqual(rule);
});

test.each(["x 1:1 r", "c 1 r", "c 1:1", "c 1:1 x", "c 1:1 rwmr", " c 1:1 r"])(
  "device cgroup rule %j is refused",
  (text) => {
    expect(() => deviceSetup({ DeviceCgroupRules: [text] })).toThrow("invalid device cgroup rule format");
  },
);

test("limits: any negative swap is none, zero is no limit, nothing set is nothing", () => {
  const of = (host: Parameters<typeof linuxResources>[0]) => linuxResources(host, () => undefined);
  expect(of({})).toEqual({});
  expect(of({ Memory: 64, MemorySwap: -5 }).memory).toEqual({ limit: 64, swap: -1 });
  expect(of({ Memory: 0, PidsLimit: 0, CpuShares: 0 })).toEqual({});
  expect(of({ NanoCpus: 1 }).cpu).toEqual({ period: 100_000 });
  expect(of({ NanoCpus: 1_500_000_000 }).cpu).toEqual({ period: 100_000, quota: 150_000 });
  const throttled = linuxResources({ BlkioDeviceReadBps: [{ Path: "/dev/x", Rate: 7 }] }, () => ({
    major: 8,
    minor: 1,
  }));
  expect(throttled.blockIO).toEqual({ throttleReadBpsDevice: [{ major: 8, minor: 1, rate: 7 }] });
});

test("what this process holds is read from the kernel", () => {
  const facts = hostFacts("group");
  expect(facts.cgroupParent).toBe("group");
  expect(facts.held > 0n).toBe(true);
  expect(facts.oomScoreAdj).toBeWithin(-1000, 1001);
});

test("runtimes: configured ones are found by path and by name; what is missing is told, and never chosen", () => {
  const dir = mkdtempSync("/tmp/berth-runtimes.");
  try {
    const mine = join(dir, "mine");
    writeFileSync(mine, "#!/bin/sh\n");
    chmodSync(mine, 0o755);
    const table = findRuntimes(
      { mine: { path: mine, runtimeArgs: ["--x"] }, named: { path: "sh" }, gone: { path: join(dir, "gone") } },
      "mine",
    );
    expect(table.default).toBe("mine");
    expect(table.all["mine"]).toEqual({ path: mine, runtimeArgs: ["--x"] });
    expect(table.all["named"]?.path).toEndWith("/sh");
    expect(table.all["gone"]).toBeUndefined();
    expect(table.warnings).toContain(`WARNING: runtime gone: ${join(dir, "gone")} does not exist`);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
