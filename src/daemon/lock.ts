import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { flock, LOCK } from "../host/sys.ts";
import { BerthError, errnoOf } from "../spec/errors.ts";

/** Held until `release`, or until the process ends however it ends. */
export interface DataRootLock {
  release(): void;
}

/** A daemon that is leaving has closed its socket some moments before it lets go of the lock. */
const PATIENCE_MS = 3000;
const STEP_MS = 20;

/** Takes the data root for this process alone. Throws `conflict` where another daemon keeps it, naming its pid. */
export async function lockDataRoot(dataRoot: string): Promise<DataRootLock> {
  const path = join(dataRoot, "daemon.lock");
  const fd = openSync(path, "a+", 0o600);
  const deadline = Date.now() + PATIENCE_MS;
  while (!tryLock(fd)) {
    if (Date.now() > deadline) {
      closeSync(fd);
      const holder = readFileSync(path, "utf8").trim();
      throw new BerthError("conflict", `data root ${dataRoot} is in use by another daemon, pid ${holder}`, {
        hint: "stop that one, or give this one another --data-root, --exec-root and --bridge",
      });
    }
    await new Promise((done) => setTimeout(done, STEP_MS));
  }
  writePid(path);
  return { release: () => closeSync(fd) };
}

function tryLock(fd: number): boolean {
  try {
    flock(fd, LOCK.EX | LOCK.NB);
    return true;
  } catch (error) {
    if (errnoOf(error) === "EAGAIN" || errnoOf(error) === "EWOULDBLOCK") return false;
    throw error;
  }
}

function writePid(path: string): void {
  const fd = openSync(path, "w");
  writeSync(fd, `${process.pid}\n`);
  closeSync(fd);
}
