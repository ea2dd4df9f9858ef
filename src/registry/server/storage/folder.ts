import { closeSync, ftruncateSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openDb } from "../../../host/db.ts";
import { ensureDir } from "../../../host/files.ts";
import { flock, LOCK } from "../../../host/sys.ts";
import { BerthError, errnoOf } from "../../../spec/errors.ts";
import type { Storage } from "../types.ts";
import { DbMetadata } from "./db-metadata.ts";
import { FileData } from "./file-data.ts";
import { Reserve } from "./reserve.ts";

/**
 * A registry's storage in a folder: records in SQLite, data in files. One process at a time. Throws `conflict` where another has it.
 */
export function openFolderStorage(root: string): Storage {
  ensureDir(root, 0o700);
  const lock = takeLock(root);
  try {
    const db = openDb(join(root, "registry.db"));
    const data = join(root, "data");
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const reserve = new Reserve(join(root, "reserve"));
    reserve.fill();
    return {
      metadata: new DbMetadata(db, reserve),
      data: new FileData(data, reserve),
      exclusive: true,
      atomicCreate: true,
      settleMs: 0,
      name: `folder ${root}`,
      async [Symbol.asyncDispose]() {
        db.close();
        closeSync(lock);
      },
    };
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

function takeLock(root: string): number {
  const fd = openSync(join(root, "lock"), "a", 0o600);
  try {
    flock(fd, LOCK.EX | LOCK.NB);
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}`);
    return fd;
  } catch (error) {
    closeSync(fd);
    if (errnoOf(error) !== "EAGAIN" && errnoOf(error) !== "EWOULDBLOCK") throw error;
    throw new BerthError("conflict", `${root} is in use by another registry`, {
      hint: "stop that one, or use another --root; several registries share an object store only",
    });
  }
}
