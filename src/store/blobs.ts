import { createHash, randomUUID } from "node:crypto";
import {
  closeSync,
  createReadStream,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename, join } from "node:path";
import { ensureDir, removeTree } from "../host/files.ts";
import { type Digest, hexOf, isDigest } from "../spec/digest.ts";
import { BerthError, errnoOf, fromErrno } from "../spec/errors.ts";
import { type Disk, openDisk } from "./disk.ts";
import { completeFile, type OpenFrom, wrongDigest, wrongSize } from "./partial.ts";
import type { BlobInfo, BlobStore, Lease } from "./types.ts";
import { Unsynced } from "./unsynced.ts";

const DEFAULT_READ_LIMIT = 4 * 1024 * 1024;

/**
 * Opens the content below `root` (OCI image-layout, "blobs") and empties `<root>/tmp`, where a killed daemon may have left unfinished blobs. Those that are
 * to be gone on with are in `<root>/partial`, which keeps them; marks of those that the disk has not surely got are in `<root>/unsynced`. One open store per root.
 */
export function openBlobStore(root: string, disk: Disk = openDisk(root)): BlobStore {
  const dir = join(root, "blobs", "sha256");
  const tmp = join(root, "tmp");
  const partial = join(root, "partial");
  removeTree(tmp);
  ensureDir(dir);
  ensureDir(tmp, 0o700);
  ensureDir(partial, 0o700);
  for (const name of readdirSync(partial)) {
    if (!isDigest(`sha256:${name}`)) removeTree(join(partial, name));
  }
  return new FileBlobs({ dir, tmp, partial, unsynced: new Unsynced(join(root, "unsynced"), disk) });
}

class FileBlobs implements BlobStore {
  private readonly dir: string;
  private readonly tmp: string;
  readonly #partial: string;
  readonly #unsynced: Unsynced;
  readonly #completing = new Set<Digest>();

  constructor({ dir, tmp, partial, unsynced }: { dir: string; tmp: string; partial: string; unsynced: Unsynced }) {
    this.dir = dir;
    this.tmp = tmp;
    this.#partial = partial;
    this.#unsynced = unsynced;
  }

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

  async complete(source: OpenFrom, expected: { digest: Digest; size: number; lease?: Lease }): Promise<BlobInfo> {
    const { digest, lease } = expected;
    lease?.add(digest);
    if (this.#completing.has(digest)) throw new BerthError("internal", `blob ${digest}: is being fetched already`);
    this.#completing.add(digest);
    const file = this.#partialPath(digest);
    try {
      const info = await completeFile(file, expected, source);
      this.#publish(file, digest);
      return info;
    } catch (error) {
      throw isSystem(error) ? fromErrno(error, `blob ${digest}`) : error;
    } finally {
      this.#completing.delete(digest);
    }
  }

  partial(digest: Digest): number | undefined {
    return statSync(this.#partialPath(digest), { throwIfNoEntry: false })?.size;
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
    return digestsIn(this.dir);
  }

  partials(): Digest[] {
    return digestsIn(this.#partial);
  }

  remove(digest: Digest): void {
    rmSync(this.path(digest), { force: true });
    this.#unsynced.forget(hexOf(digest));
    if (!this.#completing.has(digest)) rmSync(this.#partialPath(digest), { force: true });
  }

  async recover(): Promise<Digest[]> {
    const lost: Digest[] = [];
    for (const digest of this.#unsynced.earlier()) {
      const path = this.path(digest);
      if (existsSync(path) && (await digestOf(path)) === digest) continue;
      rmSync(path, { force: true });
      lost.push(digest);
    }
    this.#unsynced.forgetEarlier();
    return lost;
  }

  #partialPath(digest: Digest): string {
    return join(this.#partial, basename(this.path(digest)));
  }

  /** Of two ingests of one digest the second changes nothing: both files hold the same bytes, and a rename is atomic. */
  #publish(partial: string, digest: Digest): void {
    const path = this.path(digest);
    if (existsSync(path)) {
      rmSync(partial);
      return;
    }
    this.#unsynced.mark(hexOf(digest), partial);
    renameSync(partial, path);
  }
}

function digestsIn(folder: string): Digest[] {
  return readdirSync(folder)
    .map((name) => `sha256:${name}`)
    .filter(isDigest);
}

/** True for what a file failed with; a network's errors are said by whoever asked it. */
function isSystem(error: unknown): boolean {
  return !(error instanceof BerthError) && typeof (error as { syscall?: unknown }).syscall === "string";
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Writes the source to a new file, and checks it against what was expected. A stream that outgrows its size is stopped at once. */
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
    throw wrongDigest(expected.digest, digest);
  }
  return { digest, size };
}

async function digestOf(path: string): Promise<Digest> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return `sha256:${hash.digest("hex")}`;
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
