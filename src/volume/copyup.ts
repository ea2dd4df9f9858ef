import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  type Stats,
  utimesSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { removeTree } from "../host/files.ts";
import { runOk } from "../host/spawn.ts";
import { BerthError, errnoOf } from "../spec/errors.ts";
import { decodeName, sysName } from "../spec/names.ts";

/** Beside the volume's folder, where no container sees them: a copy in the making, and one that is whole and moving in. */
const COPYING = ".copying";
const MOVING = ".moving";
/** For messages. */
const COPY_UP = "cannot copy the image's content into the volume";

/**
 * Fills an empty volume folder with what the image has at its place, as Docker does: owners, modes, times, xattrs, links and sparse
 * files kept, the folder's own attributes too. False, and nothing done, where the volume has content or `source` is no folder.
 *
 * `source` is an absolute path on the host whose parents are trusted or held open (`/proc/self/fd/N/.` will do); a symbolic link
 * in its last place is not followed. `target` is a folder in a folder of its own. The copy is made out of any
 * container's sight and then moved in entry by entry, so another container with the same volume cannot lead it elsewhere.
 * A kill before the move leaves the volume empty; one during the move is finished by the next call.
 */
export async function copyUp(source: string, target: string, what = COPY_UP): Promise<boolean> {
  const copying = join(dirname(target), COPYING);
  const moving = join(dirname(target), MOVING);
  if (existsSync(moving)) {
    await moveIn(moving, target);
    return true;
  }
  removeTree(copying);
  if (readdirSync(target).length > 0) return false;
  const fd = openFolder(source);
  if (fd === undefined) return false;
  const held = `/proc/${process.pid}/fd/${fd}/.`;
  try {
    if (isMountPoint(target)) {
      await copyTree(held, target, what);
      return true;
    }
    await copyTree(held, copying, what);
  } catch (error) {
    removeTree(copying);
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(copying, moving);
  await moveIn(moving, target);
  return true;
}

/** A volume with something mounted on it: nothing can be moved there from beside it. */
function isMountPoint(target: string): boolean {
  return lstatSync(target).dev !== lstatSync(dirname(target)).dev;
}

/** Undefined where there is no folder (a link counts as none). */
function openFolder(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}

async function copyTree(from: string, to: string, what = COPY_UP): Promise<void> {
  try {
    // It ends with the daemon: what is half there is taken away by the next one, which it must not meet.
    await runOk(["setpriv", "--pdeathsig", "KILL", "cp", "-a", "--reflink=auto", "-T", "--", from, to]);
  } catch (error) {
    if (error instanceof Error && /No space left/.test(error.message)) {
      throw new BerthError("no-space", `${what}: no space left on device`, {
        hint: "free some space, for example with 'berth image prune'",
      });
    }
    throw error;
  }
}

async function moveIn(moving: string, target: string): Promise<void> {
  const { atime, mtime, mode } = lstatSync(moving);
  for (const raw of readdirSync(moving, { encoding: "buffer" })) {
    const name = decodeName(raw);
    moveEntry(sysName(`${moving}/${name}`), sysName(`${target}/${name}`));
  }
  // With its entries gone, copying the folder brings over its owner and xattrs alone.
  await copyTree(moving, target);
  chmodSync(target, mode);
  utimesSync(target, atime, mtime);
  rmdirSync(moving);
}

/** A name that a container made in the meantime stays as that container made it. */
function moveEntry(from: string | Buffer, to: string | Buffer): void {
  if (statOf(to)) removeTree(from);
  else renameSync(from, to);
}

function statOf(path: string | Buffer): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
