import { createHash } from "node:crypto";
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { decompress } from "../../../../layer/compression.ts";
import { readTar, type TarBody } from "../../../../layer/tar/reader.ts";
import { type TarItem, writeTar } from "../../../../layer/tar/writer.ts";
import { unpackTar } from "../../../../layer/unpack.ts";
import type { Installed } from "./database.ts";
import type { ApkPackage } from "./package.ts";
import { damaged } from "./segments.ts";

/**
 * Unpacks a checked package's files into `root`, by the same code as layers: nothing outside is touched. A folder in the place of a link to one leaves the link. A cut in the middle
 * leaves what was unpacked until then.
 */
export async function unpackPackage(pkg: ApkPackage, root: string): Promise<Installed> {
  const own: Installed = { pkg, folders: new Map(), files: new Map() };
  await unpackTar(writeTar(items(pkg, { root, own })), root, { whiteouts: "plain" });
  return own;
}

async function* items(pkg: ApkPackage, to: { root: string; own: Installed }): AsyncGenerator<TarItem> {
  for await (const { header, body, segments } of readTar(decompress(pkg.data()))) {
    const path = header.path.replace(/^(\.?\/)+|\/+$/g, "");
    // Names with a dot at the top are the package's own data.
    if (path === "" || path === "." || path.startsWith(".")) continue;
    if (segments) throw damaged("it has files with holes");
    if (header.type === "dir") {
      to.own.folders.set(path, header);
      if (isLink(join(to.root, path))) continue;
      yield { header };
      continue;
    }
    const hash = createHash("sha1");
    if (header.type === "symlink") hash.update(header.link);
    yield { header, body: hashed(body, hash) };
    const first = header.type === "link" ? to.own.files.get(header.link.replace(/^(\.?\/)+/, "")) : undefined;
    to.own.files.set(path, { header, sha1: first?.sha1 ?? hash.digest() });
  }
}

async function* hashed(body: TarBody, hash: { update(data: Uint8Array): unknown }): AsyncGenerator<Uint8Array> {
  for (;;) {
    const piece = await body.next();
    if (!piece) return;
    hash.update(piece);
    yield Buffer.from(piece);
  }
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

/** The folders that a set of packages has files or folders in, with a slash before each: what triggers look at. */
export function touchedFolders(installed: readonly Installed[]): string[] {
  const all = new Set<string>();
  for (const { folders, files } of installed) {
    for (const path of folders.keys()) all.add(`/${path}`);
    for (const path of files.keys()) all.add(`/${path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ""}`);
  }
  return [...all].sort();
}

/** Whether a folder fits a trigger's pattern: `*`, `?` and `[…]` as in fnmatch(3) with FNM_PATHNAME. */
export function fitsPattern(folder: string, pattern: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replaceAll("*", "[^/]*")
    .replaceAll("?", "[^/]");
  try {
    return new RegExp(`^${source}$`).test(folder);
  } catch {
    return false; // No pattern.
  }
}
