import { closeSync, constants } from "node:fs";
import {
  AT,
  fchmodat,
  fchownat,
  fgetxattr,
  flistxattr,
  fsetxattr,
  fstatat,
  linkat,
  mkdirat,
  openat2,
  RESOLVE,
  readdir,
  S_IF,
  utimensat,
} from "../host/sys.ts";
import { decodeName, sysName } from "../spec/names.ts";
import { isWhiteout, statAt, TreeRoot } from "./tree.ts";

const OPAQUE = "trusted.overlay.opaque";
const FOLDER = { flags: constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW };
const BELOW = { ...FOLDER, resolve: RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS };

/** What a merge works with; `has` tells whether the layers below all of it have something at a path. */
interface Merge {
  root: TreeRoot;
  has: (path: string) => boolean;
}

/**
 * Makes of several layers one, in overlay's form, in the empty folder `target`: what all of them together change over what is below. `layers` are
 * folders of layers, the lowest first; they do not change, and files are linked, not copied. Whiteouts of what is not below are left out.
 */
export function mergeLayers(target: string, layers: readonly string[], has: (path: string) => boolean): void {
  const root = new TreeRoot(target);
  const to = root.dir("");
  try {
    for (const layer of layers) {
      const from = openat2(AT.FDCWD, layer, FOLDER);
      try {
        addFolder({ root, has }, { from, to, path: "" });
      } finally {
        closeSync(from);
      }
    }
  } finally {
    root.close();
  }
}

/** The layer's folder `from` onto the merged one, its own attributes last: they would change with its entries. */
function addFolder(merge: Merge, { from, to, path }: { from: number; to: number; path: string }): void {
  for (const entry of readdir(from)) {
    const name = entry.raw ? decodeName(entry.raw) : entry.name;
    addEntry(merge, { from, to, name, path: path === "" ? name : `${path}/${name}` });
  }
  copyAttributes(from, to);
}

function addEntry(
  merge: Merge,
  { from, to, name, path }: { from: number; to: number; name: string; path: string },
): void {
  const raw = sysName(name);
  const stat = fstatat(from, raw);
  const known = statAt(to, name);
  const wasFolder = known !== undefined && (known.mode & S_IF.MT) === S_IF.DIR;
  if ((stat.mode & S_IF.MT) !== S_IF.DIR) {
    if (known) merge.root.remove(to, name);
    if (!isWhiteout(stat) || merge.has(path)) linkat({ dirfd: from, path: raw }, { dirfd: to, path: raw });
    return;
  }
  const source = openat2(from, raw, BELOW);
  try {
    const opaque = fgetxattr(source, OPAQUE)?.toString() === "y";
    if (known && (opaque || !wasFolder)) merge.root.remove(to, name);
    if (!known || opaque || !wasFolder) mkdirat(to, raw, 0o700);
    const folder = openat2(to, raw, BELOW);
    try {
      // What was there hides what is below it; a folder in its place would let that through.
      if (known && !wasFolder && merge.has(path)) fsetxattr(folder, OPAQUE, Buffer.from("y"));
      addFolder(merge, { from: source, to: folder, path });
    } finally {
      closeSync(folder);
    }
  } finally {
    closeSync(source);
  }
}

/** Mode, owner, times and extended attributes of one open folder onto another. */
function copyAttributes(from: number, to: number): void {
  const stat = fstatat(from, "", AT.EMPTY_PATH);
  fchownat(to, "", { uid: stat.uid, gid: stat.gid, flags: AT.EMPTY_PATH });
  fchmodat(to, ".", stat.mode & 0o7777);
  for (const name of flistxattr(from)) {
    const value = fgetxattr(from, name);
    if (value) fsetxattr(to, name, value);
  }
  utimensat(to, ".", { atime: [stat.atimeSec, stat.atimeNsec], mtime: [stat.mtimeSec, stat.mtimeNsec] });
}
