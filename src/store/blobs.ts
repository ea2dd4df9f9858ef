import { createHash, randomUUID } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, readSync, renameSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { ensureDir, fsyncPath, removeTree } from "../host/files.ts";
import { type Digest, hexOf, isDigest } from "../spec/digest.ts";
import { BerthError, errnoOf, fromErrno } from "../spec/errors.ts";
import type { BlobInfo, BlobStore, Lease } from "./types.ts";

const DEFAULT_READ_LIMIT = 4 * 1024 * 1024;

/**
 * Opens the content below `root` (OCI image-layout, "blobs") and empties `<root>/tmp`, where a killed daemon may have left unfinished blobs. One open
 * store per root.
 */
export function openBlobStore(root: string): BlobStore {
  const dir = join(root, "blobs", "sha256");
  const tmp = join(root, "tmp");
  removeTree(tmp);
  ensureDir(dir);
  ensureDir(tmp, 0o700);
  return new FileBlobs(dir, tmp);
}

class FileBlobs implements BlobStore {
  constructor(
    private readonly dir: string,
    private readonly tmp: string,
  ) {}

  has(digest: Digest): boolean {
    return existsSync(this.path(digest));
  }

  path(digest: Digest): string {
    if (!isDigest(digest)) throw new BerthError("invalid-argument", `invalid digest "${String(digest).slice(0, 100)}"`);
    return join(this.dir, hexOf(digest));
  }

  size(digest: Digest): number | undefined {
    return statSync(this.path(digest), { throwIfNoEntry: false })?.size;
  }

  async ingest(
    source: AsyncIterable<Uint8Array>,
    expected: { digest?: Digest; size?: number; lease?: Lease } = {},
  ): Promise<BlobInfo> {
    const partial = join(this.tmp, randomUUID());
    try {
      const info = await spool(source, partial, expected);
      expected.lease?.add(info.digest);
      this.#publish(partial, info.digest);
      return info;
    } catch (error) {
      rmSync(partial, { force: true });
      throw errnoOf(error) === undefined ? error : fromErrno(error, `blob ${expected.digest ?? partial}`);
    }
  }

  async ingestBytes(bytes: Uint8Array): Promise<BlobInfo> {
    return this.ingest(once(bytes));
  }

  async read(digest: Digest, limit = DEFAULT_READ_LIMIT): Promise<Buffer> {
    const size = this.size(digest);
    if (size === undefined) throw new BerthError("not-found", `blob ${digest}: not in the store`);
    if (size > limit)
      throw new BerthError("invalid-argument", `blob ${digest}: ${size} bytes, at most ${limit} allowed`);
    return readWhole(this.path(digest), size);
  }

  list(): Digest[] {
    return readdirSync(this.dir)
      .map((name) => `sha256:${name}`)
      .filter(isDigest);
  }

  remove(digest: Digest): void {
    rmSync(this.path(digest), { force: true });
  }

  /** Of two ingests of one digest the second changes nothing: both files hold the same bytes, and a rename is atomic. */
  #publish(partial: string, digest: Digest): void {
    const path = this.path(digest);
    if (existsSync(path)) {
      rmSync(partial);
      return;
    }
    renameSync(partial, path);
    fsyncPath(this.dir);
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Writes the source to a new file, synced, and checks it against what was expected. A stream that outgrows its size is stopped at once. */
async function spool(
  source: AsyncIterable<Uint8Array>,
  path: string,
  expected: { digest?: Digest; size?: number },
): Promise<BlobInfo> {
  const hash = createHash("sha256");
  let size = 0;
  await using file = await open(path, "wx", 0o644);
  for await (const chunk of source) {
    size += chunk.byteLength;
    if (expected.size !== undefined && size > expected.size) throw wrongSize(expected, `more than ${expected.size}`);
    hash.update(chunk);
    await writeAll(file, chunk);
  }
  const digest: Digest = `sha256:${hash.digest("hex")}`;
  if (expected.size !== undefined && size !== expected.size) throw wrongSize(expected, String(size));
  if (expected.digest !== undefined && digest !== expected.digest) {
    throw new BerthError("invalid-argument", `digest mismatch: want ${expected.digest}, content has ${digest}`);
  }
  await file.sync();
  return { digest, size };
}

function wrongSize(expected: { digest?: Digest; size?: number }, got: string): BerthError {
  const name = expected.digest ?? "content";
  return new BerthError("invalid-argument", `size mismatch: ${name} should have ${expected.size} bytes, has ${got}`);
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.byteLength; ) {
    done += (await file.write(chunk, done, chunk.byteLength - done)).bytesWritten;
  }
}

function readWhole(path: string, size: number): Buffer {
  const fd = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(size);
    let done = 0;
    for (let n = -1; n !== 0 && done < size; done += n) n = readSync(fd, bytes, done, size - done, done);
    return bytes.subarray(0, done);
  } finally {
    closeSync(fd);
  }
}
