import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdirSync, statSync } from "node:fs";
import { helperPath } from "../../host/embedded.ts";
import { CLONE, MS, mount, O_PATH, openat2, RESOLVE, unshare } from "../../host/sys.ts";
import { BerthError, errnoOf, fromErrno, messageOf } from "../../spec/errors.ts";
import { sysName } from "../../spec/names.ts";
import { joinPaths } from "../../spec/paths.ts";
import { cleanPath, splitPath, TreeRoot } from "../tree.ts";
import type { BoundPath, FilesRoot } from "./types.ts";

const AT_FDCWD = -100;
const OVERLAY = "index=off,redirect_dir=nofollow,metacopy=off";
const FOLDER = O_PATH | constants.O_DIRECTORY;

/** Opens a job's root. For `mount` this process moves into a mount namespace of its own, whose mounts go when it ends, however it ends. */
export function enterRoot(root: FilesRoot): number {
  if (root.kind === "mount") return mountRoot(root);
  if (root.kind === "folder") return openat2(AT_FDCWD, root.path, { flags: FOLDER });
  const own = openOwn(root.pid);
  if (root.folder === undefined) return own;
  const folder = openat2(own, root.folder.slice(1), { flags: FOLDER, resolve: RESOLVE.IN_ROOT });
  closeSync(own);
  return folder;
}

/** The root as the process itself sees it: a path that goes on from here goes through its mounts, not ours. */
function openOwn(pid: number): number {
  try {
    return openat2(AT_FDCWD, `/proc/${pid}/root`, { flags: FOLDER });
  } catch (e) {
    if (errnoOf(e) !== "ENOENT" && errnoOf(e) !== "ESRCH") throw e;
    throw new BerthError("conflict", "the container has ended meanwhile", { hint: "try again" });
  }
}

function mountRoot(root: FilesRoot & { kind: "mount" }): number {
  const { scratch, overlay } = root;
  unshare(CLONE.NEWNS);
  mount({ source: "none", target: "/", flags: MS.REC | MS.SLAVE });
  // Hides the folder of that name, for us alone.
  mount({ source: "files", target: scratch, type: "tmpfs", flags: MS.NODEV | MS.NOSUID, data: "mode=700" });
  const { upper = `${scratch}/upper`, work = `${scratch}/work` } = overlay;
  if (!overlay.upper) for (const dir of [upper, work]) mkdirSync(dir);
  const target = `${scratch}/root`;
  mkdirSync(target);
  const lower = overlay.lower.map((name) => escaped(name, /[\\,:]/g)).join(":");
  const data = `${OVERLAY},lowerdir=${lower},upperdir=${escaped(upper, /[\\,]/g)},workdir=${escaped(work, /[\\,]/g)}`;
  // Names of lower layers are relative, so that mount(2)'s one page holds 130 of them.
  process.chdir(overlay.base);
  mount({ source: "overlay", target, type: "overlay", data });
  for (const bound of root.binds) makeTarget(target, bound);
  if (root.readonly) mount({ source: "none", target, flags: MS.REMOUNT | MS.BIND | MS.RDONLY });
  for (const bound of root.binds) bind(target, bound, root.helpers);
  return openat2(AT_FDCWD, target, { flags: FOLDER });
}

function escaped(text: string, what: RegExp): string {
  return text.replace(what, (c) => `\\${c}`);
}

/** What is mounted on has to be there before: links on the way are followed inside the root. */
function makeTarget(root: string, bound: BoundPath): void {
  const tree = new TreeRoot(root);
  try {
    const path = cleanPath(bound.destination.slice(1)) ?? "";
    if (statSync(joinPaths(bound.source, bound.subpath ?? "")).isDirectory()) return void tree.dir(path, true);
    const { dir, base } = splitPath(path);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    closeSync(openat2(tree.dir(dir, true), sysName(base), { flags, mode: 0o644 }));
  } catch (e) {
    // A link as the target of a file is followed by the mount.
    if (errnoOf(e) !== "ELOOP") throw fromErrno(e, `mounting on ${bound.destination}`);
  } finally {
    tree.close();
  }
}

function bind(root: string, bound: BoundPath, helpers: string): void {
  const { source, destination, rw } = bound;
  onTarget(root, destination, (target) => {
    if (bound.subpath !== undefined || bound.owners) bindByHelper(bound, target, helpers);
    else mount({ source, target, flags: MS.BIND | MS.REC });
  });
  if (rw) return;
  onTarget(root, destination, (target) => mount({ source: "none", target, flags: MS.REMOUNT | MS.BIND | MS.RDONLY }));
}

/** As the container's monitor does it. */
function bindByHelper({ source, subpath = "", owners }: BoundPath, target: string, helpers: string): void {
  // Our descriptors are the helper's too only under our own number.
  const path = target.replace("self", String(process.pid));
  const words = ["bind", source, subpath, owners?.uids ?? "", owners?.gids ?? "", path];
  const { status, stderr, error } = spawnSync(helperPath(helpers), words, { encoding: "utf8" });
  if (status !== 0) throw new BerthError("internal", error ? messageOf(error) : stderr.trim());
}

function onTarget(root: string, destination: string, use: (path: string) => void): void {
  const at = openat2(AT_FDCWD, root, { flags: FOLDER });
  try {
    const fd = openat2(at, destination, { flags: O_PATH, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS });
    try {
      use(`/proc/self/fd/${fd}`);
    } finally {
      closeSync(fd);
    }
  } finally {
    closeSync(at);
  }
}
