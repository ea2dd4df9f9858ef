import { lstat, opendir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../spec/errors.ts";
import { containerDir, type EngineContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";

const MAX_ENTRIES = 1_000_000;

/** What a container has written, and that with its image, in bytes. Off the hot path: it walks the writable layer. */
export async function sizesOf(
  ctx: EngineContext,
  record: ContainerRecord,
): Promise<{ SizeRw: number; SizeRootFs: number }> {
  const own = await treeSize(`${containerDir(ctx, record.id)}/upper`);
  return { SizeRw: own, SizeRootFs: own + (ctx.images.get(record.image)?.size ?? 0) };
}

/** Bytes of a tree's regular files, each inode once; at most a million entries are counted. A missing tree has none. */
export async function treeSize(root: string): Promise<number> {
  const seen = new Set<number>();
  const folders = [root];
  let total = 0;
  for (let folder = folders.pop(); folder !== undefined && seen.size < MAX_ENTRIES; folder = folders.pop()) {
    for await (const entry of entriesOf(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) total += await sizeOnce(path, seen);
    }
  }
  return total;
}

async function* entriesOf(folder: string): AsyncGenerator<{ name: string; isDirectory(): boolean; isFile(): boolean }> {
  try {
    yield* await opendir(folder);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw error;
  }
}

async function sizeOnce(path: string, seen: Set<number>): Promise<number> {
  try {
    const { ino, size } = await lstat(path);
    if (seen.has(ino)) return 0;
    seen.add(ino);
    return size;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return 0; // Removed meanwhile by the container.
    throw error;
  }
}
