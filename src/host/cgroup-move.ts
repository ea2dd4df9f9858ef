import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { cgroupDir, cgroupMode } from "./cgroup.ts";

/** So long the kernel stays ready after a move; longer on a busy machine. */
const READY_MS = 8;

let own: string | undefined;
let last = Number.NEGATIVE_INFINITY;

/**
 * Called when a process is about to be moved into a cgroup. The first move for a while waits for an RCU grace period, some 14 ms
 * (kernel/cgroup/cgroup.c, cgroup_attach_lock: a percpu_rw_semaphore); those that come during it and shortly after do not wait again. So
 * this process is moved, by a thread, to where it is anyway: when the OCI runtime has come as far as its own move, the time is over.
 */
export function prepareMove(): void {
  const now = performance.now();
  if (now - last < READY_MS) return;
  last = now;
  own ??= ownProcs();
  // Not allowed, or refused: then the runtime waits.
  if (own !== "") void writeFile(own, String(process.pid)).catch(() => undefined);
}

/** `cgroup.procs` of this process's own cgroup; empty where it cannot be seen. */
function ownProcs(): string {
  const controller = cgroupMode() === "v1" ? "pids" : "";
  for (const line of readFileSync("/proc/self/cgroup", "utf8").split("\n")) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (!controllers.split(",").includes(controller)) continue;
    const file = `${cgroupDir(controller, path)}/cgroup.procs`;
    return existsSync(file) ? file : "";
  }
  return "";
}
