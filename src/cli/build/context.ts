import { createReadStream, openSync, type Stats } from "node:fs";
import { lstat, readdir, readFile, readlink, stat } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { type IgnoreRules, NO_RULES, parseIgnore } from "../../spec/dockerignore.ts";
import { BerthError, errnoOf, messageOf } from "../../spec/errors.ts";
import { decodeName, sysName } from "../../spec/names.ts";
import { type TarEntry, tarStream } from "./tar.ts";

/** A build context on its way to the engine: a tar, and the Dockerfile's name in it. */
export interface PackedContext {
  tar: AsyncIterable<Uint8Array>;
  dockerfile: string;
}

/** The Dockerfile that is used where none is named, and the file that says what stays out. */
const DOCKERFILE = "Dockerfile";
const IGNORE_FILE = ".dockerignore";

interface Extra {
  name: string;
  text: Uint8Array;
}

/**
 * Packs a folder: what .dockerignore names stays out, owners become root (Docker's classic builder does the same), sockets are
 * left out. A Dockerfile outside the folder, or from standard input, is added under a name of its own. Throws
 * `invalid-argument` before anything is packed where the folder or the Dockerfile is missing.
 */
export async function packFolder(folder: string, file: string | Uint8Array): Promise<PackedContext> {
  const root = resolve(folder);
  const info = await statFolder(root, folder);
  if (!info.isDirectory())
    throw new BerthError("invalid-argument", `unable to prepare context: context must be a directory: ${root}`);
  const { name, extra } = await placeDockerfile(root, file);
  const ignores = await ignoreRules(root, extra ? name : join(root, name));
  const kept = new Set([name, IGNORE_FILE]);
  const skip = (path: string): boolean => !kept.has(path) && ignores.excludes(path);
  const entries = walk(root, "", { skip, descend: ignores.hasExceptions });
  return { tar: tarStream(tarEntries(root, entries, extra)), dockerfile: name };
}

/** A context that is only a Dockerfile. */
export function packDockerfile(text: Uint8Array): PackedContext {
  return { tar: tarStream(tarEntries("/", emptyWalk(), { name: DOCKERFILE, text })), dockerfile: DOCKERFILE };
}

/** Everything in a folder, as it is. */
export function packAll(folder: string): AsyncGenerator<Uint8Array> {
  const root = resolve(folder);
  return tarStream(tarEntries(root, walk(root, "", { skip: () => false, descend: true })));
}

async function* emptyWalk(): AsyncGenerator<Found> {}

async function statFolder(root: string, shown: string): Promise<Stats> {
  try {
    return await stat(root);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    throw new BerthError("invalid-argument", `unable to prepare context: path "${shown}" not found`);
  }
}

async function placeDockerfile(root: string, file: string | Uint8Array): Promise<{ name: string; extra?: Extra }> {
  const unique = `.dockerfile.${process.pid.toString(16)}${Date.now().toString(16)}`;
  if (typeof file !== "string") return { name: unique, extra: { name: unique, text: file } };
  const path = file === "" ? join(root, DOCKERFILE) : resolve(file);
  const inside = relative(root, path);
  const text = await readFile(path).catch((error: unknown) => {
    const why = errnoOf(error) === "ENOENT" ? `lstat ${path}: no such file or directory` : messageOf(error);
    throw new BerthError(
      "invalid-argument",
      `unable to prepare context: unable to evaluate symlinks in Dockerfile path: ${why}`,
    );
  });
  if (inside === ".." || inside.startsWith("../")) return { name: unique, extra: { name: unique, text } };
  return { name: inside };
}

/** `Dockerfile.dockerignore` beside the Dockerfile counts before `.dockerignore` of the folder. */
async function ignoreRules(root: string, dockerfile: string): Promise<IgnoreRules> {
  for (const path of [`${dockerfile}.dockerignore`, join(root, IGNORE_FILE)]) {
    try {
      const text = await readFile(path, "utf8");
      return checked(text);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw error;
    }
  }
  return NO_RULES;
}

function checked(text: string): IgnoreRules {
  try {
    return parseIgnore(text);
  } catch (error) {
    const why = messageOf(error).replace(/^\.dockerignore: (syntax error in pattern): .*/s, "$1");
    throw new BerthError("invalid-argument", `error checking context: ${why}`, { cause: error });
  }
}

interface Found {
  path: string;
  info: Stats;
}

/** Everything below, in name order. An ignored folder is entered only where exceptions might bring back what is in it. */
async function* walk(
  root: string,
  folder: string,
  options: { skip: (path: string) => boolean; descend: boolean },
): AsyncGenerator<Found> {
  const names = await readdir(sysName(`${root}/${folder}`), { encoding: "buffer" });
  for (const name of names.map(decodeName).sort()) {
    const path = folder === "" ? name : `${folder}/${name}`;
    const info = await lstat(sysName(`${root}/${path}`));
    const skipped = options.skip(path);
    if (!skipped && !info.isSocket()) yield { path, info };
    if (info.isDirectory() && (!skipped || options.descend)) yield* walk(root, path, options);
  }
}

function kindOf(info: Stats): TarEntry["type"] {
  if (info.isDirectory()) return "directory";
  if (info.isSymbolicLink()) return "symlink";
  if (info.isFIFO()) return "fifo";
  if (info.isCharacterDevice()) return "character";
  return info.isBlockDevice() ? "block" : "file";
}

const MODE_BITS = 0o7777;

async function* tarEntries(root: string, found: AsyncIterable<Found>, extra?: Extra): AsyncGenerator<TarEntry> {
  const links = new Map<string, string>();
  for await (const { path, info } of found) yield tarEntry(root, { path, info, links });
  if (!extra) return;
  const { name, text } = extra;
  yield { name, type: "file", size: text.length, mode: 0o644, mtime: 0, body: [text] };
}

async function tarEntry(root: string, found: Found & { links: Map<string, string> }): Promise<TarEntry> {
  const { path, info, links } = found;
  // join would replace what is not UTF-8.
  const full = `${root}/${path}`;
  const common = { mode: info.mode & MODE_BITS, mtime: Math.floor(info.mtimeMs / 1000), size: 0 };
  const inode = `${info.dev}:${info.ino}`;
  const first = info.isFile() && info.nlink > 1 ? links.get(inode) : undefined;
  if (first !== undefined) return { ...common, name: path, type: "link", linkname: first };
  const type = kindOf(info);
  if (type === "symlink")
    return { ...common, name: path, type, linkname: decodeName(await readlink(sysName(full), { encoding: "buffer" })) };
  if (type !== "file") return { ...common, name: type === "directory" ? `${path}/` : path, type };
  if (info.nlink > 1) links.set(inode, path);
  return { ...common, name: path, type, size: info.size, ...(info.size > 0 ? { body: exactly(full, info.size) } : {}) };
}

/** The first `size` bytes of a file; one that shrinks while it is read is an error, one that grows is cut, so that the tar stays whole. */
async function* exactly(path: string, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  for await (const chunk of createReadStream("", {
    fd: openSync(sysName(path), "r"),
    end: size - 1,
    highWaterMark: 256 * 1024,
  })) {
    left -= chunk.length;
    yield chunk;
  }
  if (left !== 0) throw new BerthError("conflict", `${basename(path)}: changed while it was read`);
}
