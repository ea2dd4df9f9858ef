import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { ensureDir, listIfThere, removeTree } from "../host/files.ts";
import { MNT, MS, mount, umount2 } from "../host/sys.ts";
import type { RuntimeSpec } from "../spec/runtime-spec.ts";
import { DEFAULT_SHM_BYTES } from "./mounts.ts";
import type { LaunchRequest } from "./types.ts";

const MODE = 0o1777;

/**
 * The folder that a container has as /dev/shm: `<exec-root>/shm/<id>` of the one that is `shareable`, a tmpfs of its ShmSize. Made where it is its own.
 * Undefined: a tmpfs that nobody else sees.
 */
export function sharedMemory(execRoot: string, request: LaunchRequest): string | undefined {
  const owner = request.joins?.shmOf ?? (request.hostConfig.IpcMode === "shareable" ? request.id : undefined);
  if (owner === undefined) return undefined;
  const path = join(execRoot, "shm", owner);
  if (owner === request.id) {
    ensureDir(path);
    if (!isMounted(path)) {
      const size = request.hostConfig.ShmSize || DEFAULT_SHM_BYTES;
      const flags = MS.NOSUID | MS.NODEV | MS.NOEXEC;
      mount({ source: "shm", target: path, type: "tmpfs", flags, data: `mode=${MODE.toString(8)},size=${size}` });
    }
  }
  return path;
}

/** Removes the folders that no bundle names any more: the last container that shares one takes it away, not its owner. Repeatable. */
export function sweepSharedMemory(execRoot: string): void {
  const folders = listIfThere(join(execRoot, "shm"));
  if (folders.length === 0) return;
  const used = new Set(listIfThere(join(execRoot, "containers")).map((id) => shmOf(join(execRoot, "containers", id))));
  for (const name of folders) {
    const path = join(execRoot, "shm", name);
    if (used.has(path)) continue;
    if (isMounted(path)) umount2(path, MNT.DETACH);
    removeTree(path);
  }
}

/** A kill between folder and mount leaves a plain folder. */
function isMounted(path: string): boolean {
  return statSync(path).dev !== statSync(dirname(path)).dev;
}

function shmOf(dir: string): string | undefined {
  try {
    const spec = JSON.parse(readFileSync(join(dir, "config.json"), "utf8")) as RuntimeSpec;
    return spec.mounts?.find((m) => m.destination === "/dev/shm")?.source;
  } catch {
    return undefined; // A kill before the bundle was written: nothing has run.
  }
}
