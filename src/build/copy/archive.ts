import { chmodSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { decompress } from "../../layer/compression.ts";
import { readTar } from "../../layer/tar/reader.ts";
import type { ChainId, LayerRecord, LayerStore } from "../../layer/types.ts";
import { unpackTar } from "../../layer/unpack.ts";
import { isKind } from "../../spec/errors.ts";
import type { Owner } from "./owner.ts";
import { collect, type Source, type SourceEntry } from "./source.ts";

/** True for a tar archive with at least one entry: none, gzip, bzip2, xz or zstd, found by its content and not by its name. */
export async function isArchive(entry: SourceEntry): Promise<boolean> {
  if (entry.type !== "file" || entry.size === 0) return false;
  try {
    for await (const _ of readTar(decompress(entry.read()))) return true;
  } catch (error) {
    // What is no archive, or a damaged one, is copied as the file it is, as in Docker.
    if (!isKind(error, "invalid-argument")) throw error;
  }
  return false;
}

/** Unpacks an archive into a folder below `tmp` and gives its tree as a source, with the archive's owners, modes and times. */
export async function unpackSource(archive: SourceEntry, tmp: string, layers: LayerStore): Promise<Source> {
  const folder = mkdtempSync(join(tmp, "add-"));
  await unpackTar(decompress(archive.read()), folder, { whiteouts: "plain" });
  const [top, ...rest] = await collect(layers.view(undefined, folder), "/");
  return { name: "", entries: top ? [{ ...top, mode: 0o755 }, ...rest] : [], keepTimes: true };
}

/**
 * A root file system's archive as the first layer of an image: nothing is below that it could meet, so the layer is the archive itself, with hard
 * links, devices and attributes.
 */
export async function rootLayer(
  archive: SourceEntry,
  options: { tmp: string; layers: LayerStore; hold: (chain: ChainId) => void; owner?: Owner },
): Promise<LayerRecord> {
  const folder = mkdtempSync(join(options.tmp, "root-"));
  chmodSync(folder, 0o755);
  const owner = options.owner ? { owner: options.owner } : {};
  await unpackTar(decompress(archive.read()), folder, { whiteouts: "overlay", ...owner });
  return options.layers.commit(folder, { hold: options.hold, move: true });
}
