import { lstatSync, readlinkSync, realpathSync, type Stats, statSync } from "node:fs";
import { posix, resolve } from "node:path";
import { BerthError, errnoOf } from "../../spec/errors.ts";
import { baseOf, type CopyTarget, followed, keepEnding, splitEntry } from "./plan.ts";

const MAX_LINKS = 10;
const WORDS: Record<string, string> = {
  ENOENT: "no such file or directory",
  ENOTDIR: "not a directory",
  EACCES: "permission denied",
  ELOOP: "too many levels of symbolic links",
};

/** Absolute and clean, but for the ending, which says what is meant. */
export function absolute(path: string): string {
  return keepEnding(resolve(path), path);
}

/** A file or folder of this machine to be copied. `follow`: what a link leads to, under the link's name. */
export function localSource(path: string, follow: boolean): { path: string; name: string; isDir: boolean } {
  const found = follow ? followed(path, realPath(path)) : inRealFolder(path);
  const isDir = go("lstat", found.path, () => lstatSync(found.path)).isDirectory();
  return { path: found.path, name: found.name ?? baseOf(found.path), isDir };
}

/** All links followed; where they lead to nothing, that is what is named. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const end = localTarget(path).path;
    return go("lstat", end, () => realpathSync(end));
  }
}

/** Links on the way are followed, that at the end only where the path ends in a slash. */
function inRealFolder(path: string): { path: string; name?: string } {
  if (path === "/") return { path };
  const bare = path.replace(/\/+$/, "");
  const stat = go("lstat", bare, () => (bare === path ? lstatSync(bare) : statSync(bare)));
  if (bare !== path && !stat.isDirectory()) throw new BerthError("invalid-argument", "not a directory");
  const folder = go("lstat", path, () => realpathSync(posix.dirname(bare)));
  const full = posix.join(folder, posix.basename(bare));
  return { path: posix.basename(bare) === "." ? `${folder}/.` : path.endsWith("/") ? `${full}/` : full };
}

/** Where a copy to this machine goes; a link there is followed. */
export function localTarget(path: string): CopyTarget {
  let at = path;
  let stat = lstatOrGone(at);
  for (let links = 0; stat?.isSymbolicLink(); links++) {
    if (links > MAX_LINKS) throw new BerthError("invalid-argument", `too many symlinks in ${path}`);
    at = posix.resolve(splitEntry(at).folder, readlinkSync(at));
    stat = lstatOrGone(at);
  }
  if (stat) return { path: at, exists: true, isDir: stat.isDirectory() };
  const { folder } = splitEntry(at);
  if (!go("stat", folder, () => statSync(folder)).isDirectory())
    throw new BerthError("invalid-argument", "not a directory");
  return { path: at, exists: false, isDir: false };
}

/** Throws Docker's words where nothing can be written at `path`: its folder is missing, or a device has its name. */
export function checkOutput(path: string): void {
  const folder = posix.dirname(posix.normalize(path).replace(/(.)\/$/, "$1"));
  if (folder !== "." && !statOrGone(folder))
    throw new BerthError("invalid-argument", `invalid output path: directory "${folder}" does not exist`);
  const stat = statOrGone(path);
  if (stat?.isCharacterDevice() || stat?.isBlockDevice()) {
    throw new BerthError(
      "invalid-argument",
      `invalid output path: "${path}" must be a directory or a regular file: got a device`,
    );
  }
}

function lstatOrGone(path: string): Stats | undefined {
  return go("lstat", path, () => lstatSync(path, { throwIfNoEntry: false }));
}

function statOrGone(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

/** Runs a system call; its failure is told as Go tells it. */
function go<T>(call: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const code = errnoOf(error) ?? "";
    throw new BerthError(
      code === "ENOENT" ? "not-found" : "invalid-argument",
      `${call} ${path}: ${WORDS[code] ?? code}`,
    );
  }
}
