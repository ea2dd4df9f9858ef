import { closeSync, constants } from "node:fs";
import { AT, O_PATH, openat2 } from "../../host/sys.ts";
import { BerthError } from "../../spec/errors.ts";
import { baseName, dirName } from "../../spec/paths.ts";
import { packEntry } from "../pack.ts";
import { readTar } from "../tar/reader.ts";
import { type TarItem, writeTar } from "../tar/writer.ts";
import { unpackTar } from "../unpack.ts";

/** A file or folder of this machine as a tar, under the name `as`. "x/." and "x/" name what the link x leads to. */
export async function* packLocal(path: string, as: string): AsyncGenerator<Uint8Array, void, void> {
  const inside = /(^|\/)\.?$/.test(path);
  const dir = openat2(AT.FDCWD, inside ? path : dirName(path), { flags: O_PATH | constants.O_DIRECTORY });
  try {
    yield* packEntry({ dir, name: inside ? "." : baseName(path), as }, { whiteouts: "plain" });
  } finally {
    closeSync(dir);
  }
}

/** Unpacks into an existing folder; all belongs to who does it. Throws where a folder would take the place of something else, or the reverse. */
export async function unpackLocal(tar: AsyncIterable<Uint8Array>, folder: string): Promise<void> {
  const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  await unpackTar(tar, folder, { whiteouts: "plain", keepDirs: true, owner, called: { folder, inNames: true } });
}

/** The same archive with entries whose name begins with `from` under `to`; "/" begins every name. Throws for sparse files. */
export function renameEntries(
  tar: AsyncIterable<Uint8Array>,
  from: string,
  to: string,
): AsyncGenerator<Uint8Array, void, void> {
  const rename = (name: string): string => {
    if (from === "/") return `${to}/${name.replace(/^\/+/, "")}`;
    return name.startsWith(from) ? to + name.slice(from.length) : name;
  };
  return writeTar(renamed(tar, rename));
}

async function* renamed(tar: AsyncIterable<Uint8Array>, rename: (name: string) => string): AsyncGenerator<TarItem> {
  for await (const { header, body, segments } of readTar(tar)) {
    if (segments) throw new BerthError("not-implemented", `${header.path}: sparse files cannot be renamed on the way`);
    const link = header.type === "link" ? rename(header.link) : header.link;
    yield { header: { ...header, path: rename(header.path), link }, body: pieces(body) };
  }
}

async function* pieces(body: {
  next(): Buffer | undefined | Promise<Buffer | undefined>;
}): AsyncGenerator<Uint8Array, void, void> {
  for (let piece = await body.next(); piece; piece = await body.next()) yield piece;
}
