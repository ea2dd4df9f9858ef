import { describe, expect, test } from "bun:test";
import type { HostConfig } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import type { RuntimeSpec } from "../spec/runtime-spec.ts";
import { capabilitySet } from "./capabilities.ts";
import { parseLimits, rlimits } from "./limits.ts";
import { linuxResources } from "./resources.ts";
import { customSeccomp, defaultSeccomp } from "./seccomp.ts";
import { cgroupPath, containerSpec, type HostFacts } from "./spec.ts";
import type { LaunchRequest } from "./types.ts";

const ALL_BITS = (1n << 41n) - 1n;
const FACTS: HostFacts = {
  held: ALL_BITS,
  limits: { hard: new Map([["nofile", 1000]]), canRaise: false },
  seccomp: true,
  apparmor: false,
  cdiDirs: [],
  cgroupParent: "berth",
  oomScoreAdj: 0,
};

function specOf(hostConfig: HostConfig, more: Partial<LaunchRequest> = {}): RuntimeSpec {
  const request: LaunchRequest = {
    id: "abc",
    config: {},
    hostConfig,
    args: ["true"],
    env: [],
    cwd: "/",
    user: { uid: 0, gid: 0, additionalGids: [], home: "/root" },
    hostname: "box",
    rootfs: { base: "/b", lower: ["x"] },
    mounts: [],
    netns: "/run/netns/x",
    ...more,
  };
  return containerSpec(request, FACTS);
}

const namespaces = (spec: RuntimeSpec): string[] => spec.linux.namespaces.map((n) => n.type);

describe("defaults", () => {
  test("a container gets 14 capabilities and none inheritable", () => {
    const caps = specOf({}).process.capabilities;
    expect(caps?.effective).toHaveLength(14);
    expect(caps?.bounding).not.toContain("CAP_SYS_ADMIN");
    expect(caps?.inheritable).toEqual([]);
  });

  test("another user than root starts without effective capabilities", () => {
    const caps = specOf({}, { user: { uid: 1000, gid: 1000, additionalGids: [], home: "/" } }).process.capabilities;
    expect(caps?.effective).toEqual([]);
    expect(caps?.permitted).toEqual([]);
    expect(caps?.bounding).toHaveLength(14);
  });

  test("namespaces, masked paths and read-only paths are there", () => {
    const spec = specOf({});
    expect(namespaces(spec)).toEqual(["mount", "network", "uts", "pid", "ipc", "cgroup"]);
    expect(spec.linux.maskedPaths).toContain("/proc/kcore");
    expect(spec.linux.readonlyPaths).toContain("/proc/sys");
    expect(spec.linux.seccomp?.defaultAction).toBe("SCMP_ACT_ERRNO");
  });

  test("/sys is read-only unless privileged", () => {
    const options = (h: HostConfig): string[] | undefined =>
      specOf(h).mounts.find((m) => m.destination === "/sys")?.options;
    expect(options({})).toContain("ro");
    expect(options({ Privileged: true })).toContain("rw");
  });
});

describe("privileged", () => {
  test("has every capability that the engine holds, no seccomp, nothing masked, all devices", () => {
    const spec = specOf({ Privileged: true });
    expect(spec.process.capabilities?.effective).toHaveLength(41);
    expect(spec.linux.seccomp).toBeUndefined();
    expect(spec.linux.maskedPaths).toEqual([]);
    expect(spec.linux.resources?.devices).toEqual([{ allow: true, access: "rwm" }]);
    expect(spec.linux.devices?.some((d) => d.path.startsWith("/dev/pts"))).toBe(false);
  });

  test("a capability that the engine lacks is not promised", () => {
    const withoutResource = ALL_BITS & ~(1n << 24n);
    expect(capabilitySet({ add: [], drop: [], privileged: true, held: withoutResource })).not.toContain(
      "CAP_SYS_RESOURCE",
    );
  });
});

describe("capabilities", () => {
  const set = (add: string[], drop: string[]): string[] =>
    capabilitySet({ add, drop, privileged: false, held: ALL_BITS });

  test("names work with and without CAP_, in any case", () => {
    expect(set(["net_admin", "CAP_SYS_TIME"], ["MKNOD"])).toEqual(
      expect.arrayContaining(["CAP_NET_ADMIN", "CAP_SYS_TIME"]),
    );
    expect(set([], ["mknod"])).not.toContain("CAP_MKNOD");
  });

  test("drop ALL leaves what is added by name", () => {
    expect(set(["NET_BIND_SERVICE"], ["ALL"])).toEqual(["CAP_NET_BIND_SERVICE"]);
  });

  test("add ALL without one", () => {
    const all = set(["ALL"], ["SYS_ADMIN"]);
    expect(all).toHaveLength(40);
    expect(all).not.toContain("CAP_SYS_ADMIN");
  });

  test("an unknown name is refused by name", () => {
    expect(() => set(["FLY"], [])).toThrow('unknown capability "FLY"');
  });
});

describe("seccomp", () => {
  const names = (capabilities: string[]): Set<string> =>
    new Set(
      defaultSeccomp({ capabilities, architecture: "amd64" })
        .syscalls?.filter((s) => s.action === "SCMP_ACT_ALLOW" && !s.args)
        .flatMap((s) => s.names),
    );

  test("dangerous calls need their capability", () => {
    for (const call of [
      "mount",
      "setns",
      "bpf",
      "init_module",
      "reboot",
      "open_by_handle_at",
      "keyctl",
      "kexec_load",
      "userfaultfd",
      "io_uring_setup",
    ]) {
      expect(names([]).has(call)).toBe(false);
    }
    expect(names(["CAP_SYS_ADMIN"]).has("mount")).toBe(true);
    expect(names(["CAP_SYS_BOOT"]).has("reboot")).toBe(true);
  });

  test("clone3 answers ENOSYS without CAP_SYS_ADMIN, so that the C library falls back to clone", () => {
    const rule = defaultSeccomp({ capabilities: [], architecture: "amd64" }).syscalls?.find((s) =>
      s.names.includes("clone3"),
    );
    expect(rule).toMatchObject({ action: "SCMP_ACT_ERRNO", errnoRet: 38 });
  });

  test("a profile of one's own, with conditions", () => {
    const profile = {
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [
        { names: ["read"], action: "SCMP_ACT_ALLOW" },
        { names: ["reboot"], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_SYS_BOOT"] } },
        { name: "chmod", action: "SCMP_ACT_ALLOW", excludes: { arches: ["amd64"] } },
      ],
    };
    const rules = customSeccomp(JSON.stringify(profile), { capabilities: [], architecture: "amd64" })?.syscalls;
    expect(rules).toEqual([{ names: ["read"], action: "SCMP_ACT_ALLOW" }]);
  });

  test("an empty one is none", () => {
    expect(customSeccomp("{}", { capabilities: [], architecture: "amd64" })).toBeUndefined();
  });

  test("unconfined, and broken profiles", () => {
    expect(specOf({ SecurityOpt: ["seccomp=unconfined"] }).linux.seccomp).toBeUndefined();
    expect(() => specOf({ SecurityOpt: ["seccomp={"] })).toThrow("Decoding seccomp profile failed");
  });
});

describe("resources", () => {
  test("memory alone allows as much swap again; cpus become quota and period", () => {
    const r = linuxResources({ Memory: 64 << 20, NanoCpus: 1_500_000_000, PidsLimit: 7 }, () => undefined);
    expect(r).toEqual({
      memory: { limit: 64 << 20, swap: 128 << 20 },
      cpu: { quota: 150_000, period: 100_000 },
      pids: { limit: 7 },
    });
  });

  test("unlimited swap, no pids limit", () => {
    const r = linuxResources({ Memory: 64 << 20, MemorySwap: -1, PidsLimit: -1 }, () => undefined);
    expect(r.memory?.swap).toBe(-1);
    expect(r.pids).toBeUndefined();
  });

  test("device rates are left out for what is not a device", () => {
    const r = linuxResources(
      {
        BlkioDeviceReadBps: [
          { Path: "/dev/a", Rate: 5 },
          { Path: "/x", Rate: 6 },
        ],
      },
      (p) => (p === "/dev/a" ? { major: 8, minor: 1 } : undefined),
    );
    expect(r.blockIO?.throttleReadBpsDevice).toEqual([{ major: 8, minor: 1, rate: 5 }]);
  });

  test("a hard limit above the engine's own is cut down, not fatal", () => {
    const own = { hard: new Map([["nofile", 1000]]), canRaise: false };
    expect(rlimits({ Ulimits: [{ Name: "nofile", Soft: 10, Hard: 5000 }] }, own)).toEqual([
      { type: "RLIMIT_NOFILE", soft: 10, hard: 1000 },
    ]);
    expect(() => rlimits({ Ulimits: [{ Name: "wings", Soft: 1, Hard: 1 }] }, own)).toThrow(
      "invalid ulimit type: wings",
    );
  });

  test("limits are read from the kernel's table", () => {
    const table =
      "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 524288               files\nMax processes             unlimited            unlimited            processes\n";
    expect(parseLimits(table)).toEqual(new Map([["nofile", 524288]]));
  });
});

describe("sharing with the host", () => {
  test("pid, ipc, uts and network", () => {
    const { netns: _, ...noNet } = { netns: "" };
    const spec = containerSpec(
      {
        ...noNet,
        id: "a",
        config: {},
        hostConfig: { PidMode: "host", IpcMode: "host", UTSMode: "host" },
        args: ["a"],
        env: [],
        cwd: "/",
        user: { uid: 0, gid: 0, additionalGids: [], home: "/" },
        hostname: "h",
        rootfs: { base: "/", lower: ["x"] },
        mounts: [],
      },
      FACTS,
    );
    expect(namespaces(spec)).toEqual(["mount", "cgroup"]);
    expect(spec.hostname).toBeUndefined();
    expect(spec.linux.sysctl).toEqual({});
  });

  test("another container's namespace is refused by name", () => {
    expect(() => specOf({ PidMode: "container:x" })).toThrow(BerthError);
  });
});

test("a container's own mount takes the place of the system's; parents come first", () => {
  const mounts = [{ destination: "/data/sub" }, { destination: "/dev/shm" }, { destination: "/data" }];
  const found = specOf({}, { mounts }).mounts.map((m) => m.destination);
  expect(found.filter((d) => d === "/dev/shm")).toHaveLength(1);
  expect(found.indexOf("/data")).toBeLessThan(found.indexOf("/data/sub"));
});

test("a cgroup parent cannot climb out", () => {
  expect(cgroupPath("id", {}, FACTS)).toBe("/berth/id");
  expect(cgroupPath("id", { CgroupParent: "/../../a/./b" }, FACTS)).toBe("/a/b/id");
});

test("a lower oom_score_adj than the engine may set is left out; a higher one is kept", () => {
  expect(specOf({ OomScoreAdj: -500 }).process.oomScoreAdj).toBeUndefined();
  expect(specOf({ OomScoreAdj: 500 }).process.oomScoreAdj).toBe(500);
});

test("a missing device is named", () => {
  expect(() => specOf({ Devices: [{ PathOnHost: "/dev/nosuch" }] })).toThrow(
    'custom device "/dev/nosuch": no such file or directory',
  );
});
