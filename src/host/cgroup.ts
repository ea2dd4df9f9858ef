import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BerthError, errnoOf } from "../spec/errors.ts";

const ROOT = "/sys/fs/cgroup";
const V1_CONTROLLERS = [
  "memory",
  "cpu",
  "cpuacct",
  "cpuset",
  "pids",
  "blkio",
  "devices",
  "freezer",
  "systemd",
  "net_cls",
  "net_prio",
  "perf_event",
  "hugetlb",
  "rdma",
];
const RMDIR_TRIES = 50;

/** How this host has its cgroups (cgroups(7)). Hybrid hosts, v1 controllers with a cgroup2 mount beside them, count as `v1`. */
export type CgroupMode = "v1" | "v2";

let mode: CgroupMode | undefined;

/** The mode, from what is mounted when it is first asked for: it never changes while a host runs. */
export function cgroupMode(): CgroupMode {
  mode ??= existsSync(join(ROOT, "cgroup.controllers")) ? "v2" : "v1";
  return mode;
}

/** The folders of a cgroup path such as `/berth/<id>` that exist: one on v2, one for each hierarchy on v1. */
function cgroupDirs(path: string): string[] {
  if (cgroupMode() === "v2") return [join(ROOT, path)].filter((d) => existsSync(d));
  return V1_CONTROLLERS.map((c) => join(ROOT, c, path)).filter((d) => existsSync(d));
}

/** One controller's folder, whether it exists or not. */
export function cgroupDir(controller: string, path: string): string {
  return cgroupMode() === "v2" ? join(ROOT, path) : join(ROOT, controller, path);
}

/** All processes of a cgroup and of those below it. */
export function cgroupProcesses(path: string): number[] {
  const pids = new Set<number>();
  for (const dir of cgroupDirs(path)) collect(dir, pids);
  return [...pids];
}

/** Removes a cgroup and those below it, once its processes are dead. Repeatable. Returns false where some are still there. */
export async function removeCgroup(path: string): Promise<boolean> {
  for (let i = 0; i < RMDIR_TRIES; i++) {
    if (cgroupDirs(path).every(removeTreeOfCgroups)) return true;
    await new Promise((done) => setTimeout(done, 10)); // A killed process leaves its cgroup a moment later; the kernel has no event for it on v1.
  }
  return false;
}

const FREEZE_MS = 10_000;

/**
 * Freezes or thaws all processes of a cgroup (cgroup-v2.rst, cgroup.freeze; freezer-subsystem.rst for v1); answers when the kernel says that it
 * is done. Repeatable. Throws `internal` where it is not done after ten seconds: it is thawed then.
 */
export async function freezeCgroup(path: string, frozen: boolean): Promise<void> {
  const v2 = cgroupMode() === "v2";
  const order = v2 ? (frozen ? "1" : "0") : frozen ? "FROZEN" : "THAWED";
  const write = (text: string): void =>
    writeFileSync(join(cgroupDir("freezer", path), v2 ? "cgroup.freeze" : "freezer.state"), text);
  write(order);
  const end = performance.now() + FREEZE_MS;
  while (isFrozen(path) !== frozen) {
    if (performance.now() > end) {
      write(v2 ? "0" : "THAWED");
      throw new BerthError("internal", `cgroup ${path} could not be ${frozen ? "frozen" : "thawed"}`);
    }
    // Usually done at once. A process in an uninterruptible wait takes longer; v1 has no event for it, and wants the order again where something has forked meanwhile.
    await new Promise((done) => setTimeout(done, 2));
    write(order);
  }
}

/** True where all processes of a cgroup are frozen by an order to it. */
export function isFrozen(path: string): boolean {
  if (cgroupMode() === "v1") return readCgroup("freezer", path, "freezer.state")?.trim() === "FROZEN";
  return /^frozen 1$/m.test(readCgroup("freezer", path, "cgroup.events") ?? "");
}

/** A file of a cgroup as text, or undefined where there is none. */
export function readCgroup(controller: string, path: string, file: string): string | undefined {
  try {
    return readFileSync(join(cgroupDir(controller, path), file), "utf8");
  } catch {
    return undefined; // The controller or the cgroup is not there.
  }
}

function collect(dir: string, into: Set<number>): void {
  for (const child of children(dir)) collect(child, into);
  try {
    for (const line of readFileSync(join(dir, "cgroup.procs"), "utf8").split("\n")) if (line) into.add(Number(line));
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENODEV") throw error;
  }
}

function removeTreeOfCgroups(dir: string): boolean {
  if (!children(dir).every(removeTreeOfCgroups)) return false;
  try {
    rmdirSync(dir);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return true;
    if (errnoOf(error) === "EBUSY") return false;
    throw error;
  }
}

function children(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((e) => e.isDirectory())
      .map((e) => join(dir, e.name));
  } catch {
    return []; // Gone meanwhile.
  }
}
