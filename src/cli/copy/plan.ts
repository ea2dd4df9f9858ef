import { posix } from "node:path";
import { BerthError } from "../../spec/errors.ts";

/** What is copied: `name` is what its entries begin with, "/" for a root. */
export interface CopySource {
  name: string;
  isDir: boolean;
}

/** Where it goes, as far as it is there already. */
export interface CopyTarget {
  path: string;
  exists: boolean;
  isDir: boolean;
}

/** The folder to unpack into, and the name that the entries get in place of the source's. */
export interface CopyPlan {
  folder: string;
  name: string;
}

/** Docker's rules for what a copy makes (docker cp, "Extended description"). Throws its words where it makes nothing. */
export function planCopy(source: CopySource, target: CopyTarget): CopyPlan {
  const { path, exists, isDir } = target;
  if (exists && isDir) return { folder: path, name: source.name };
  const { folder, base } = splitEntry(path);
  if (exists && source.isDir) throw new BerthError("invalid-argument", "cannot copy directory");
  if (!exists && !source.isDir && saysFolder(path)) throw new BerthError("not-found", "no such directory");
  return { folder, name: base };
}

/** `CONTAINER:PATH`, or a path of this machine: those that begin with "/" or "." and those without a colon. */
export function splitArgument(argument: string): { container: string; path: string } {
  const colon = argument.indexOf(":");
  if (argument.startsWith("/") || argument.startsWith(".") || colon < 0) return { container: "", path: argument };
  return { container: argument.slice(0, colon), path: argument.slice(colon + 1) };
}

/** Folder and last name; a "." at the end is a name of its own. */
export function splitEntry(path: string): { folder: string; base: string } {
  const clean = cleanPath(path);
  if (isHere(path) && !isHere(clean)) return { folder: clean, base: "." };
  return { folder: posix.dirname(clean), base: posix.basename(clean) || "/" };
}

/** A path without what is superfluous, but with the slash or "/." at the end of `original`. */
export function keepEnding(clean: string, original: string): string {
  const slashed = clean.endsWith("/") ? clean : `${clean}/`;
  const path = !isHere(clean) && isHere(original) ? `${slashed}.` : clean;
  return !path.endsWith("/") && original.endsWith("/") ? `${path}/` : path;
}

/**
 * A source whose link is followed to `target`: the path to read, and the name that its entries go by, where that is not the path's own.
 */
export function followed(path: string, target: string): { path: string; name?: string } {
  let at = isHere(path) && !isHere(target) ? `${target}/.` : target;
  if (path.endsWith("/") && !at.endsWith("/")) at += "/";
  const [old, now] = [baseOf(path), baseOf(at)];
  return old === now ? { path: at } : { path: at, name: old };
}

/** The last part of a path as Go's filepath.Base has it. */
export function baseOf(path: string): string {
  return path === "" ? "." : posix.basename(path) || "/";
}

function cleanPath(path: string): string {
  const clean = posix.normalize(path === "" ? "." : path);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}

const isHere = (path: string): boolean => baseOf(path) === ".";

const saysFolder = (path: string): boolean => path.endsWith("/") || isHere(path);
