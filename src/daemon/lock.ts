import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { flock, LOCK } from "../host/sys.ts";
import { BerthError, errnoOf } from "../spec/errors.ts";

/** Held until `release`, or until the process ends however it ends. */
export interface DataRootLock {
  release(): void;
}

/** Takes the data root for this process alone. Throws `conflict` where another daemon has it, naming its pid. */
export function lockDataRoot(dataRoot: string): DataRootLock {
  const path = join(dataRoot, "daemon.lock");
  const fd = openSync(path, "a+", 0o600);
  try {
    flock(fd, LOCK.EX | LOCK.NB);
  } catch (error) {
    const holder = readFileSync(path, "utf8").trim();
    closeSync(fd);
    if (errnoOf(error) !== "EAGAIN" && errnoOf(error) !== "EWOULDBLOCK") throw error;
    throw new BerthError("conflict", `data root ${dataRoot} is in use by another daemon, pid ${holder}`, {
      hint: "stop that one, or give this one another --data-root, --exec-root and --bridge",
    });
  }
  writePid(path);
  return { release: () => closeSync(fd) };
}

function writePid(path: string): void {
  const fd = openSync(path, "w");
  writeSync(fd, `${process.pid}\n`);
  closeSync(fd);
}
