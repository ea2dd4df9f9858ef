import { createHash } from "node:crypto";
import { closeSync, constants, openSync } from "node:fs";
import { errnoOf } from "../spec/errors.ts";
import { addon } from "./embedded.ts";

const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const TRIES = 16;

/**
 * Holds folders together to `bytes`, by a project quota (ext4, XFS): what is made in them from now on counts. They are empty, on one file system, and
 * renames between them work, as overlay needs for its upper and work folders. The project's id comes from `seed`: nothing has to be remembered, and
 * `releaseTree` finds it in the folder. False, and nothing is changed, where the file system has no such limits or does not enforce them.
 */
export function limitTrees(folders: readonly string[], bytes: number, seed: string): boolean {
  const fds = folders.map((path) => openSync(path, FOLDER));
  const [first = -1] = fds;
  try {
    if (!enforces(first)) return false;
    const id = freeProject(first, seed);
    // In this order: a kill in between leaves a folder that tells its project, never a limit that nobody finds.
    for (const fd of fds) addon().setProject(fd, id);
    addon().limitProject(first, id, bytes);
    return true;
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/** Takes the limit away that `limitTrees` gave this folder; nothing where it has none or is gone. */
export function releaseTree(folder: string): void {
  let fd = -1;
  try {
    fd = openSync(folder, FOLDER);
    const id = addon().projectId(fd);
    if (id !== 0) addon().limitProject(fd, id, 0);
  } catch (error) {
    if (!without(error)) throw error;
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

function enforces(fd: number): boolean {
  try {
    return addon().projectsLimited(fd) === 1;
  } catch (error) {
    if (without(error)) return false;
    throw error;
  }
}

/** Errors of a kernel or a file system without project quotas, and of folders that are not there. */
function without(error: unknown): boolean {
  const none = ["ENOSYS", "ENOTTY", "EOPNOTSUPP", "ENOTSUP", "ESRCH", "EINVAL", "ENOENT", "ENODEV"];
  return none.includes(errnoOf(error) ?? "");
}

/** An id that nothing on the file system uses. Ids of others are small numbers mostly: the upper half is ours. */
function freeProject(fd: number, seed: string): number {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const id = (createHash("sha256").update(`${seed} ${attempt}`).digest().readUInt32BE() | 0x8000_0000) >>> 0;
    if (id !== 0xffff_ffff && !isUsed(fd, id)) return id;
  }
  throw new Error("no project id is free for a quota");
}

function isUsed(fd: number, id: number): boolean {
  try {
    return addon().projectUsage(fd, id) > 0;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false; // XFS knows no such project.
    throw error;
  }
}
