import { createHash, type Hash } from "node:crypto";
import { rmSync } from "node:fs";
import { constants, type FileHandle, open } from "node:fs/promises";
import type { Digest } from "../spec/digest.ts";
import { BerthError, isKind } from "../spec/errors.ts";
import type { BlobInfo } from "./types.ts";

const CHUNK = 1024 * 1024;

/** The bytes of a blob from `from` on. */
export type OpenFrom = (from: number) => Promise<AsyncIterable<Uint8Array>>;

/**
 * Completes the file at `path`, which may have the beginning of the blob: what is there is hashed, the source goes on behind it, and the whole is compared. A
 * failure of the source, or a kill, leaves the file for the next time. Where the whole is wrong it goes; where an older part may be what is wrong, all is fetched once
 * more. No room leaves nothing.
 */
export async function completeFile(
  path: string,
  expected: { digest: Digest; size: number },
  source: OpenFrom,
): Promise<BlobInfo> {
  for (;;) {
    const older = { bytes: 0 };
    try {
      return await complete(path, expected, { source, older });
    } catch (error) {
      if (!isKind(error, "invalid-argument") && !isNoRoom(error)) throw error;
      rmSync(path, { force: true });
      if (older.bytes === 0 || isNoRoom(error)) throw error;
    }
  }
}

async function complete(
  path: string,
  { digest, size }: { digest: Digest; size: number },
  { source, older }: { source: OpenFrom; older: { bytes: number } },
): Promise<BlobInfo> {
  await using file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
  const hash = createHash("sha256");
  if ((await file.stat()).size > size) await file.truncate(0);
  let at = await hashed(file, hash);
  older.bytes = at;
  for await (const chunk of await source(at)) {
    if (at + chunk.byteLength > size) throw wrongSize({ digest, size }, `more than ${size}`);
    hash.update(chunk);
    await writeAt(file, chunk, at);
    at += chunk.byteLength;
  }
  if (at !== size) throw wrongSize({ digest, size }, String(at));
  const found: Digest = `sha256:${hash.digest("hex")}`;
  if (found !== digest) throw wrongDigest(digest, found);
  return { digest, size };
}

/** Feeds what is there to the hash; returns how many bytes that were. */
async function hashed(file: FileHandle, hash: Hash): Promise<number> {
  const buffer = Buffer.allocUnsafe(CHUNK);
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK, at);
    if (bytesRead === 0) return at;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

async function writeAt(file: FileHandle, chunk: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < chunk.byteLength; ) {
    done += (await file.write(chunk, done, chunk.byteLength - done, at + done)).bytesWritten;
  }
}

function isNoRoom(error: unknown): boolean {
  const code = (error as { code?: string } | undefined)?.code;
  return code === "ENOSPC" || code === "EDQUOT";
}

/** A stream that has another length than it was said to have. */
export function wrongSize(expected: { digest?: Digest; size?: number }, got: string): BerthError {
  const name = expected.digest ?? "content";
  return new BerthError("invalid-argument", `size mismatch: ${name} should have ${expected.size} bytes, has ${got}`);
}

/** Bytes that are not those of their digest. */
export function wrongDigest(want: Digest, got: Digest): BerthError {
  return new BerthError("invalid-argument", `digest mismatch: want ${want}, content has ${got}`);
}
