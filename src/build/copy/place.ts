import type { TarHeader } from "../../layer/tar/header.ts";
import { type TarItem, tarHeader } from "../../layer/tar/writer.ts";
import type { RootView, ViewEntry } from "../../layer/types.ts";
import { BerthError } from "../../spec/errors.ts";
import { comparePaths } from "../../spec/names.ts";
import { baseName, dirName, joinPaths } from "../../spec/paths.ts";
import type { ModeChange } from "./mode.ts";
import type { Owner } from "./owner.ts";
import type { Source, SourceEntry } from "./source.ts";

/** How entries become files of the image. */
export interface PlaceOptions {
  /** Of everything; absent: as the source has it. */
  owner?: Owner;
  /** Of new files and folders, from what the source has; absent: as the source has it. What ADD unpacks keeps its own. */
  mode?: ModeChange;
  /** The latest time that a file may have, seconds since 1970. */
  epoch: number;
}

/** One entry on its way, and which file's name it is. */
interface PlacedItem extends TarItem {
  inode?: string;
}

const NEW_FOLDER = 0o755;
const WHITEOUT = ".wh.";

/**
 * Collects what a COPY puts over the layers below, then gives it as a tar, sorted by name. Folders on the way are part of the tar with the
 * attributes they have below, since an upper folder's own attributes hide the lower one's. Paths resolve inside the image's root.
 */
export class Placement {
  private readonly sources: Source[] = [];
  private readonly items = new Map<string, PlacedItem>();

  constructor(
    private readonly view: RootView,
    private readonly options: PlaceOptions,
  ) {}

  /** Puts a file at `target`, or into it where it is a folder or ends in a slash; puts a folder's content into `target`. */
  add(source: Source, target: string): void {
    const [first] = source.entries;
    if (!first) return;
    const resolved = this.view.resolve(target);
    const isFolder = target.endsWith("/") || this.typeOf(resolved) === "dir";
    if (first.type === "dir") this.addFolder(source, resolved);
    else this.addFile(source, first, isFolder ? joinPaths(resolved, source.name) : resolved);
  }

  /** A folder with its parents, as WORKDIR makes it; false where it was there. */
  folder(path: string): boolean {
    const resolved = this.view.resolve(path);
    if (this.typeOf(resolved) === "dir") return false;
    this.parents(joinPaths(resolved, "x"));
    return true;
  }

  /** What was placed, in the order in which the layer's own tar has it (`packTree`): so that both have one digest. A file's second and further names are hard links to its first. */
  tar(): TarItem[] {
    const first = new Map<string, string>();
    return [...this.items]
      .sort(([a], [b]) => comparePaths(a, b))
      .map(([, { inode, ...item }]) => {
        const link = inode === undefined ? undefined : first.get(inode);
        if (inode !== undefined && link === undefined) first.set(inode, item.header.path);
        return link === undefined ? item : { header: { ...item.header, type: "link" as const, link, size: 0 } };
      });
  }

  private addFolder(source: Source, target: string): void {
    const existed = this.typeOf(target) !== undefined;
    for (const entry of source.entries) {
      const path = joinPaths(target, entry.path);
      if (entry.path !== "") this.addFile(source, entry, path);
      else if (existed) this.parents(joinPaths(path, "x"));
      else this.addTarget(source, path);
    }
  }

  /** The folder that a folder's content goes into: a new one, whatever the source's own attributes are. */
  private addTarget(source: Source, path: string): void {
    const { mode } = this.options;
    this.parents(path);
    const header = this.newFolder();
    this.put(path, mode?.absolute !== undefined && !source.keepTimes ? { ...header, mode: mode.absolute } : header);
  }

  private addFile(source: Source, entry: SourceEntry, path: string): void {
    const base = baseName(path);
    if (base.startsWith(WHITEOUT)) {
      throw new BerthError("invalid-argument", `${path}: a name that begins with ${WHITEOUT} cannot be in a layer`);
    }
    const there = this.typeOf(path);
    if (entry.type === "dir" && there !== undefined && there !== "dir") throw notFolder(path);
    if (entry.type !== "dir" && there === "dir") {
      throw new BerthError("invalid-argument", `cannot replace to directory ${path} with file`);
    }
    this.parents(path);
    this.put(path, this.headerOf(source, entry), entry);
    const item = this.items.get(path);
    if (item && entry.inode !== undefined) item.inode = `${this.numberOf(source)} ${entry.inode}`;
  }

  /** Sources are told apart: what has the same inode in two of them is copied twice, perhaps changed in between. */
  private numberOf(source: Source): number {
    const known = this.sources.indexOf(source);
    return known < 0 ? this.sources.push(source) - 1 : known;
  }

  private headerOf(source: Source, entry: SourceEntry): Omit<TarHeader, "path"> {
    const { owner, mode, epoch } = this.options;
    const rdev = entry.rdev ?? 0;
    return tarHeader({
      path: "",
      type: entry.type,
      link: entry.link ?? "",
      mode: mode && entry.type !== "symlink" && !source.keepTimes ? mode.of(entry) : entry.mode,
      uid: owner?.uid ?? entry.uid,
      gid: owner?.gid ?? entry.gid,
      size: entry.size,
      mtimeSec: source.keepTimes ? entry.mtime : Math.min(entry.mtime, epoch),
      major: majorOf(rdev),
      minor: minorOf(rdev),
      ...(entry.xattrs ? { xattrs: entry.xattrs } : {}),
    });
  }

  /** All folders above `path`: as they are below, or new. */
  private parents(path: string): void {
    const parts = dirName(path).split("/").filter(Boolean);
    for (let i = 1; i <= parts.length; i++) {
      const folder = `/${parts.slice(0, i).join("/")}`;
      if (this.items.has(folder)) {
        if (this.typeOf(folder) !== "dir") throw notFolder(folder);
        continue;
      }
      const below = this.view.lstat(folder, { xattrs: true });
      if (below && below.type !== "dir") throw notFolder(folder);
      this.put(folder, below ? carried(below) : this.newFolder());
    }
  }

  private newFolder(): Omit<TarHeader, "path"> {
    const { owner, epoch } = this.options;
    return tarHeader({ path: "", type: "dir", mode: NEW_FOLDER, ...owner, mtimeSec: epoch });
  }

  private put(path: string, header: Omit<TarHeader, "path">, entry?: SourceEntry): void {
    const item: TarItem = { header: { ...header, path: path.slice(1) } };
    if (entry?.type === "file") item.body = { [Symbol.asyncIterator]: () => entry.read()[Symbol.asyncIterator]() };
    if (path !== "/") this.items.set(path, item);
  }

  private typeOf(path: string): string | undefined {
    return this.items.get(path)?.header.type ?? this.view.lstat(path)?.type;
  }
}

function carried(below: ViewEntry): Omit<TarHeader, "path"> {
  const mtimeSec = Math.floor(below.mtimeMs / 1000);
  const { xattrs } = below;
  return tarHeader({
    path: "",
    type: "dir",
    mode: below.mode & 0o7777,
    uid: below.uid,
    gid: below.gid,
    mtimeSec,
    ...(xattrs ? { xattrs } : {}),
  });
}

function notFolder(path: string): BerthError {
  return new BerthError("invalid-argument", `cannot copy to non-directory: ${path}`);
}

/** Linux's dev_t (glibc, gnu_dev_major). */
function majorOf(rdev: number): number {
  return Math.floor(rdev / 256) % 4096;
}

function minorOf(rdev: number): number {
  return (rdev % 256) + Math.floor(rdev / 2 ** 20) * 256;
}
