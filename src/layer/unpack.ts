import { closeSync, constants } from "node:fs";
import { normalize } from "node:path/posix";
import { mknodat, openat2, S_IF } from "../host/sys.ts";
import { BerthError, errnoOf, fromErrno, messageOf } from "../spec/errors.ts";
import { encodeName, sysName } from "../spec/names.ts";
import {
  dirAttributes,
  makeDir,
  makeFile,
  makeHardLink,
  makeNode,
  makeSymlink,
  type Place,
  setOpaque,
  setTimes,
} from "./entry.ts";
import { badTar, quoted } from "./tar/error.ts";
import type { TarHeader } from "./tar/header.ts";
import { readTar, type TarEntry } from "./tar/reader.ts";
import { cleanPath, splitPath, statAt, TreeRoot } from "./tree.ts";

/** How an archive becomes a tree. */
export interface UnpackOptions {
  /** `overlay`: `.wh.` names become overlay's whiteouts and opaque marks (a layer's tree). `plain`: they are ordinary names. */
  whiteouts: "overlay" | "plain";
  /** Folder inside the root that the archive's own root is; links in it resolve inside the root. Made where it is missing. */
  prefix?: string;
  /** Owner of everything, in place of the archive's. */
  owner?: { uid: number; gid: number };
  /** Throws `invalid-argument` where a folder would take the place of something else, or the reverse (Docker's `noOverwriteDirNonDir`). */
  keepDirs?: boolean;
  /** What that error calls the folder that is unpacked into; with `inNames` names in it come with it. */
  called?: { folder: string; inNames: boolean };
}

/** What was unpacked: entries in the archive, and the bytes of its regular files (holes included). */
export interface UnpackResult {
  entries: number;
  size: number;
}

const WHITEOUT = ".wh.";
const OPAQUE_MARK = ".wh..wh..opq";
/** Names that aufs kept for itself; they make nothing. */
const AUFS = ".wh..wh.";

/** What the kernel says where it is the archive's names that are wrong, not the host. */
const NAME_ERRORS: Record<string, string> = {
  ENAMETOOLONG: "its name is too long",
  ENOTDIR: "one of its parents is not a folder",
  ELOOP: "too many symbolic links lead to it",
  EEXIST: "one of its parents is a link that leads nowhere",
  EINVAL: "the file system refuses it",
  EFBIG: "it is too large for the file system",
  E2BIG: "an attribute of it is too large",
  ERANGE: "an attribute of it is invalid",
};

/**
 * Unpacks a tar stream (uncompressed) into the folder `root`. Owners, modes, times, attributes, hard links, devices and holes are kept; what has
 * the same name is replaced, folders are merged. Nothing outside `root` is touched, whatever the names and links say. A malformed archive, or a
 * name that climbs out, throws `invalid-argument`, no room throws `no-space`; what was unpacked until then is the caller's to remove.
 */
export async function unpackTar(
  source: AsyncIterable<Uint8Array>,
  root: string,
  options: UnpackOptions,
): Promise<UnpackResult> {
  await using job = new Unpacking(openTree(root, options), options);
  for await (const entry of readTar(source)) {
    const waiting = job.add(entry);
    if (waiting) await waiting;
  }
  job.setDirTimes();
  return job.result;
}

function prefixOf(options: UnpackOptions): string {
  return cleanPath(normalize(`/${options.prefix ?? ""}`)) ?? "";
}

/** The root, with the prefix made in it. */
function openTree(root: string, options: UnpackOptions): TreeRoot {
  let tree: TreeRoot;
  try {
    tree = new TreeRoot(root, options.owner);
  } catch (e) {
    throw fromErrno(e, root);
  }
  try {
    tree.dir(prefixOf(options), true);
    return tree;
  } catch (e) {
    tree.close();
    throw entryError(e, options.prefix ?? "");
  }
}

class Unpacking implements AsyncDisposable {
  readonly result: UnpackResult = { entries: 0, size: 0 };
  readonly #tree: TreeRoot;
  readonly #options: UnpackOptions;
  /** Where the archive's root is. */
  readonly #prefix: string;
  /** Folders get their times when nothing more is put into them. */
  readonly #dirTimes = new Map<string, { mtimeSec: number; mtimeNsec: number }>();

  constructor(tree: TreeRoot, options: UnpackOptions) {
    this.#tree = tree;
    this.#options = options;
    this.#prefix = prefixOf(options);
  }

  add(entry: TarEntry): undefined | Promise<void> {
    const { header } = entry;
    const named = (e: unknown): never => {
      throw entryError(e, header.path);
    };
    try {
      return this.#add(entry)?.catch(named);
    } catch (e) {
      return named(e);
    }
  }

  setDirTimes(): void {
    for (const [path, time] of this.#dirTimes) {
      const { dir, base } = splitPath(path);
      try {
        if (path === "") setTimes(this.#tree.dir(""), "", time);
        else setTimes(this.#tree.dir(dir), base, time);
      } catch (e) {
        // A later entry took the folder away or put something else in its parents' place.
        if (errnoOf(e) !== "ENOENT" && errnoOf(e) !== "ENOTDIR") throw entryError(e, path);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#tree.close();
  }

  #add(entry: TarEntry): undefined | Promise<void> {
    const { header } = entry;
    this.result.entries += 1;
    if (this.#options.owner) Object.assign(header, this.#options.owner);
    const path = this.#inside(header.path);
    if (path === this.#prefix) {
      this.#addRoot(header, path);
      return undefined;
    }
    const { dir, base } = splitPath(path);
    const parent = this.#tree.dir(dir, true);
    if (this.#options.whiteouts === "overlay" && base.startsWith(WHITEOUT)) {
      this.#addWhiteout({ parent, base });
      return undefined;
    }
    if (this.#options.keepDirs) this.#refuseChange({ parent, base }, header);
    return this.#make(entry, { parent, base }, path);
  }

  #make(entry: TarEntry, place: Place, path: string): undefined | Promise<void> {
    const { header } = entry;
    switch (header.type) {
      case "file":
        this.result.size += header.size;
        return makeFile(this.#tree, place, entry);
      case "dir":
        this.#tree.keep(path, makeDir(this.#tree, place, header));
        this.#dirTimes.set(path, { mtimeSec: header.mtimeSec, mtimeNsec: header.mtimeNsec });
        return undefined;
      case "symlink":
        this.result.size += encodeName(header.link).length;
        makeSymlink(this.#tree, place, header);
        return undefined;
      case "link":
        this.#addLink(header, place, path);
        return undefined;
      default:
        makeNode(this.#tree, place, header);
        return undefined;
    }
  }

  /** The clean path below the root. */
  #inside(name: string): string {
    const clean = cleanPath(name);
    if (clean === undefined) throw badTar(`${quoted(name)} climbs out of its root`);
    return this.#prefix && clean ? `${this.#prefix}/${clean}` : this.#prefix || clean;
  }

  #addRoot(header: TarHeader, path: string): void {
    if (header.type !== "dir") throw badTar(`${quoted(header.path)} names the root, but is not a folder`);
    const fd = openat2(this.#tree.dir(path), ".", { flags: constants.O_RDONLY | constants.O_DIRECTORY });
    try {
      dirAttributes(fd, header);
    } finally {
      closeSync(fd);
    }
    this.#dirTimes.set(path, { mtimeSec: header.mtimeSec, mtimeNsec: header.mtimeNsec });
  }

  #addLink(header: TarHeader, place: Place, path: string): void {
    const target = this.#inside(header.link);
    if (target === path) return;
    const { dir, base } = splitPath(target);
    try {
      // Opened a second time: making room for the new name may close what the tree keeps open.
      const parent = openat2(this.#tree.dir(dir), ".", { flags: constants.O_RDONLY | constants.O_DIRECTORY });
      try {
        makeHardLink(this.#tree, place, { parent, base });
      } finally {
        closeSync(parent);
      }
    } catch (e) {
      const why = { ENOENT: "does not exist", EPERM: "is not a file", ENOTDIR: "does not exist" }[errnoOf(e) ?? ""];
      if (!why) throw e;
      throw badTar(`hard link ${quoted(header.path)}: its target ${quoted(header.link)} ${why}`);
    }
  }

  /** OCI image-spec, layer.md, "Whiteouts": they hide what is below this layer, never what the layer itself brings, in whatever order. */
  #addWhiteout({ parent, base }: Place): void {
    if (base === OPAQUE_MARK) this.#markOpaque(parent, ".");
    if (base.startsWith(AUFS)) return;
    const name = base.slice(WHITEOUT.length);
    if (name === "" || name === "." || name === "..") throw badTar(`${quoted(base)} is not a whiteout`);
    const own = statAt(parent, name);
    if (!own) mknodat(parent, sysName(name), S_IF.CHR, 0);
    else if ((own.mode & S_IF.MT) === S_IF.DIR) this.#markOpaque(parent, name);
  }

  #markOpaque(parent: number, name: string): void {
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    const fd = openat2(parent, sysName(name), { flags });
    try {
      setOpaque(fd);
    } finally {
      closeSync(fd);
    }
  }

  #refuseChange({ parent, base }: Place, header: TarHeader): void {
    const old = statAt(parent, base);
    if (!old) return;
    const wasDir = (old.mode & S_IF.MT) === S_IF.DIR;
    if (wasDir === (header.type === "dir")) return;
    const [kept, put] = wasDir ? ["directory", "non-directory"] : ["non-directory", "directory"];
    const { folder, inNames } = this.#options.called ?? { folder: `/${this.#prefix}`, inNames: false };
    const name = cleanPath(header.path) ?? base;
    throw new BerthError(
      "invalid-argument",
      `cannot overwrite ${kept} ${quoted(inNames ? `${folder}/${name}` : name)} with ${put} ${quoted(folder)}`,
    );
  }
}

function entryError(error: unknown, path: string): BerthError {
  const code = errnoOf(error) ?? "";
  if (error instanceof BerthError) return error;
  const why = NAME_ERRORS[code];
  if (why) return badTar(`${quoted(path)}: ${why}`);
  if (code === "ENOSPC" || code === "EDQUOT") return fromErrno(error, `unpacking ${quoted(path)}`);
  return new BerthError("internal", `unpacking ${quoted(path)}: ${messageOf(error)}`, { cause: error });
}
