import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import type { RootView } from "../../layer/types.ts";
import { onTree, workingFolder } from "./mount-targets.ts";
import { checkPropagation } from "./propagation.ts";
import { checkCpusets, checkIsolation } from "./validate-isolation.ts";

test.each([
  ["no-new-privileges"],
  ["no-new-privileges:true"],
  ["no-new-privileges=0"],
  ["label=disable"],
  ["label:user:x"],
  ["apparmor=unconfined"],
  ["seccomp={}"],
  ["writable-cgroups=false"],
  ["disable"],
])("security option %s is taken", (option) => checkIsolation({ SecurityOpt: [option] }));

test.each([
  ["seccomp", 'invalid --security-opt 1: "seccomp"'],
  ["", 'invalid --security-opt 1: ""'],
  ["no-new-privileges=", 'invalid --security-opt 2: "no-new-privileges="'],
  ["systempaths=unconfined", "invalid --security-opt 2"],
  ["writable-cgroups=yes", "invalid --security-opt 2"],
])("security option %j is refused", (option, words) => {
  expect(() => checkIsolation({ SecurityOpt: [option] })).toThrow(words);
});

test.each([
  ["host", "bad format for add-host"],
  [":1.2.3.4", "bad format for add-host"],
  ["host:1.2.3", 'invalid IP address in add-host: "1.2.3"'],
  ["host:1.2.3.4\n6.6.6.6 bank", "invalid IP address"],
])("host entry %j is refused: it would be a line of a file", (entry, words) => {
  expect(() => checkIsolation({ ExtraHosts: [entry] })).toThrow(words);
});

test("host entries with IPv6, brackets and the gateway are taken", () =>
  checkIsolation({
    ExtraHosts: ["a:::1", "b:[fe80::1]", "c=10.0.0.1", "d:host-gateway"],
    Dns: ["::1"],
  }));

test("cpusets are ranges of what is online", () => {
  checkCpusets({ CpusetCpus: "0", CpusetMems: "0" });
  checkCpusets({});
  for (const wrong of ["-1", "1-0", "0,", "0-", "a", " 0", "0;1", "9".repeat(40)])
    expect(() => checkCpusets({ CpusetCpus: wrong })).toThrow("for cpuset cpus: invalid format");
  expect(() => checkCpusets({ CpusetCpus: "0-99998" })).toThrow("Requested CPUs are not available - requested 0-99998");
  expect(() => checkCpusets({ CpusetMems: "0,77" })).toThrow("Requested memory nodes are not available");
});

test("propagation is checked for binds alone", () => {
  checkPropagation({ type: "volume", source: "/nosuch", propagation: "rshared" });
  checkPropagation({ type: "bind", source: "/", propagation: "rprivate" });
  const dir = mkdtempSync("/tmp/berth-propagation.");
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", dir]);
  try {
    execFileSync("mount", ["--make-private", dir]);
    mkdirSync(`${dir}/below`);
    const slave = { type: "bind", source: `${dir}/below`, propagation: "rslave" } as const;
    expect(() => checkPropagation(slave)).toThrow(
      `path ${dir}/below is mounted on ${dir} but it is not a shared or slave mount`,
    );
    execFileSync("mount", ["--make-shared", dir]);
    checkPropagation(slave);
    checkPropagation({ ...slave, propagation: "shared" });
  } finally {
    execFileSync("umount", [dir]);
    rmSync(dir, { recursive: true });
  }
});

/** A view with links and folders: `/data` leads to nothing, `/etc` is a link, as a hostile image has it. */
function viewOf(links: Record<string, string>, folders: Record<string, number>): RootView {
  const resolve = (path: string): string => {
    const [, first = "", ...rest] = path.split("/");
    const to = links[`/${first}`];
    return to === undefined ? path : [to, ...rest].join("/");
  };
  const lstat = (path: string) =>
    links[path] ? { type: "symlink" } : path in folders ? { type: "dir", mode: folders[path] } : undefined;
  return { resolve, lstat } as unknown as RootView;
}

test("mount targets are where the image's links lead, but for folders that the init layer covers", () => {
  const view = viewOf({ "/data": "/gone", "/etc": "/elsewhere" }, { "/run": 0o755, "/tmp": 0o1777 });
  const targets = ["/data/x", "/etc/hosts", "/plain"].map((destination) => ({ destination }));
  expect(onTree(view, targets).map((m) => m.destination)).toEqual(["/gone/x", "/etc/hosts", "/plain"]);
  const tmpfs = (destination: string, options: string[] = []) =>
    onTree(view, [{ destination, type: "tmpfs", options }])[0]?.options;
  expect([tmpfs("/run"), tmpfs("/tmp"), tmpfs("/new"), tmpfs("/run", ["mode=700"])]).toEqual([
    ["mode=755"],
    ["mode=1777"],
    [],
    ["mode=700"],
  ]);
  expect([workingFolder(view, "/data/w"), workingFolder(view, "/run"), workingFolder(view, "/")]).toEqual([
    "/gone/w",
    "/run",
    "/",
  ]);
});
