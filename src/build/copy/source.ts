import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { RootView, ViewEntry } from "../../layer/types.ts";
import { BerthError } from "../../spec/errors.ts";
import { elementPattern, hasWildcard } from "../../spec/gomatch.ts";
import { sysName } from "../../spec/names.ts";
import { baseName, joinPaths } from "../../spec/paths.ts";

/** One file, folder or link to be copied. `path` is below the source, "" for the source itself; `mtime` in seconds since 1970. */
export interface SourceEntry {
  path: string;
  type: ViewEntry["type"];
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  link?: string;
  rdev?: number;
  /** The same for all names of one file. */
  inode?: string;
  xattrs?: Map<string, Buffer>;
  read: () => AsyncIterable<Uint8Array>;
}

/** What one source word of COPY or ADD stands for. `name` is what it is called inside a destination folder. */
export interface Source {
  name: string;
  entries: SourceEntry[];
  /** A tar archive that ADD unpacks: the file itself, instead of entries. */
  archive?: SourceEntry;
  /** Keep what the archive says of times. */
  keepTimes?: boolean;
}

const SMALL_FILE = 256 * 1024;
const PIECE = 256 * 1024;
/** Entries between two turns of the event loop. */
const BREATH = 200;
const MODE_BITS = 0o7777;

/** The paths that a pattern of Go's filepath.Match matches in a view, sorted; links on the way are followed. Absolute paths. */
export function glob(view: RootView, pattern: string): string[] {
  let found = ["/"];
  for (const element of pattern.split("/").filter((e) => e !== "" && e !== ".")) {
    const regex = hasWildcard(element) ? elementPattern(element) : undefined;
    const next: string[] = [];
    for (const base of found) {
      const folder = view.resolve(base);
      if (view.lstat(folder)?.type !== "dir") continue;
      const names = regex ? view.readdir(folder).filter((n) => regex.test(n)) : [element];
      next.push(
        ...names
          .sort()
          .map((n) => joinPaths(base, n))
          .filter((p) => view.lstat(joinPaths(folder, baseName(p)))),
      );
    }
    found = next;
  }
  return found;
}

/** A file or folder with all below it, in the order of a walk with sorted names. Links are entries of their own. */
export async function collect(view: RootView, path: string): Promise<SourceEntry[]> {
  const entries: SourceEntry[] = [];
  const pending = [""];
  for (let below = pending.pop(); below !== undefined; below = pending.pop()) {
    const at = joinPaths(path, below);
    const stat = view.lstat(at, { xattrs: true });
    if (!stat) continue;
    entries.push(entryOf(view, at, { below, stat }));
    if (entries.length % BREATH === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    if (stat.type !== "dir") continue;
    for (const name of view.readdir(at).sort().reverse()) pending.push(below === "" ? name : `${below}/${name}`);
  }
  return entries;
}

function entryOf(view: RootView, path: string, at: { below: string; stat: ViewEntry }): SourceEntry {
  const { stat } = at;
  return {
    path: at.below,
    type: stat.type,
    mode: stat.mode & MODE_BITS,
    uid: stat.uid,
    gid: stat.gid,
    size: stat.type === "file" ? stat.size : 0,
    mtime: Math.floor(stat.mtimeMs / 1000),
    ...(stat.link === undefined ? {} : { link: stat.link }),
    ...(stat.rdev === undefined ? {} : { rdev: stat.rdev }),
    ...(stat.inode === undefined ? {} : { inode: stat.inode }),
    ...(stat.xattrs ? { xattrs: stat.xattrs } : {}),
    read: () => (stat.size <= SMALL_FILE ? readSmall(view, path) : readPieces(stat.hostPath)),
  };
}

/** A file of the given bytes: a here-document. */
export function bytesSource(name: string, bytes: Uint8Array): Source {
  const entry = { path: "", type: "file" as const, mode: 0o644, uid: 0, gid: 0, size: bytes.length, mtime: 0 };
  return { name, entries: [{ ...entry, read: () => once(bytes) }] };
}

/**
 * What the layer of these sources depends on: names, types, modes, owners, link targets, attributes and bytes; not times. One digest per entry, in order.
 */
export async function digestOf(source: Source): Promise<string> {
  const hash = createHash("sha256");
  const entries = source.archive ? [source.archive] : source.entries;
  const firstNames = new Map<string, string>();
  for (const [i, e] of entries.entries()) {
    const content = e.type === "file" ? await contentDigest(e) : "";
    const own = [e.path, e.type, e.mode, e.uid, e.gid, e.link ?? "", e.rdev ?? 0, content];
    hash.update(`${JSON.stringify([...own, ...rarities(e, firstNames)])}\n`);
    if (i % BREATH === BREATH - 1) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return JSON.stringify([source.name, source.archive ? "unpack" : "copy", hash.digest("hex")]);
}

/** What few files have: another name of the same file, before it; extended attributes. */
function rarities({ path, inode, xattrs }: SourceEntry, firstNames: Map<string, string>): unknown[] {
  const first = inode === undefined ? undefined : firstNames.get(inode);
  if (inode !== undefined && first === undefined) firstNames.set(inode, path);
  const attributes = [...(xattrs ?? [])].map(([name, value]) => [name, value.toString("base64")]).sort();
  return [...(first === undefined ? [] : [{ first }]), ...(attributes.length > 0 ? [{ attributes }] : [])];
}

/** sha256 of a file's bytes, hex. */
export async function contentDigest(entry: SourceEntry): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of entry.read()) hash.update(piece);
  return hash.digest("hex");
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* readSmall(view: RootView, path: string): AsyncGenerator<Uint8Array> {
  const bytes = view.readFile(path, SMALL_FILE);
  if (!bytes) throw new BerthError("internal", `${path}: went away while it was copied`);
  yield bytes;
}

/** Streams a regular file; the last name is not followed. */
export async function* readPieces(hostPath: string): AsyncGenerator<Uint8Array> {
  const file = await open(sysName(hostPath), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(PIECE);
      const { bytesRead } = await file.read(buffer, 0, PIECE, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
