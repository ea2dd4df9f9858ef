import { createHash } from "node:crypto";
import { posix } from "node:path";
import { decompress } from "../layer/compression.ts";
import { readTar, type TarBody, type TarEntry } from "../layer/tar/reader.ts";
import { type Digest, isDigest } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import type { BlobInfo } from "../store/types.ts";
import { MAX_JSON } from "./config.ts";
import type { Intake } from "./intake.ts";

/** More files than any image archive has; a root file system given by mistake is refused before it fills the store. */
const MAX_FILES = 16_384;
/** Files up to this size are held in memory until it is known whether an image needs them. */
const SMALL = 256 * 1024;
const MAX_SMALL_TOTAL = 64 * 1024 * 1024;
const MAX_HOPS = 16;
const BLOB_NAME = /^blobs\/sha256\/([0-9a-f]{64})$/;

type File = { bytes: Buffer } | { blob: BlobInfo } | { link: string };

/**
 * The files of an image archive, by their cleaned names. Names are keys in memory and never reach the file system. Files in `blobs/sha256/` hold what their name says (verified while
 * reading); links are followed inside the archive only.
 */
export class ArchiveFiles {
  readonly #files = new Map<string, File>();

  constructor(private readonly intake: Intake) {}

  add(name: string, file: File): void {
    this.#files.set(name, file);
    if (this.#files.size > MAX_FILES) throw notAnImage(`it has more than ${MAX_FILES} files`);
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /** A small file's content, or undefined where there is none. Throws where it is larger than a config may be. */
  async read(name: string): Promise<Buffer | undefined> {
    const file = this.#find(name);
    if (!file) return undefined;
    return "bytes" in file ? file.bytes : this.intake.blobs.read(file.blob.digest, MAX_JSON);
  }

  /** The file as a blob of the store. Throws `invalid-argument` that says who wants it where it is missing. */
  async blob(name: string, wantedBy: string): Promise<BlobInfo> {
    const clean = cleanName(name);
    if (clean === undefined) {
      throw new BerthError("invalid-argument", `${wantedBy} points outside of the archive: ${JSON.stringify(name)}`);
    }
    const file = this.#find(clean);
    if (!file)
      throw new BerthError(
        "invalid-argument",
        `${wantedBy} names ${JSON.stringify(name)}, which the archive does not have`,
      );
    return "bytes" in file ? this.intake.bytes(file.bytes) : file.blob;
  }

  /** Where the archive has that digest, as OCI layout or as any other file: the blob. */
  async digest(digest: Digest, wantedBy: string): Promise<BlobInfo> {
    return this.blob(`blobs/${digest.replace(":", "/")}`, wantedBy);
  }

  #find(name: string): Exclude<File, { link: string }> | undefined {
    let at: string | undefined = cleanName(name);
    for (let hops = 0; at !== undefined && hops < MAX_HOPS; hops++) {
      const file = this.#files.get(at);
      if (!file || !("link" in file)) return file;
      at = cleanName(file.link);
    }
    return undefined;
  }
}

/** Reads the whole archive, plain or compressed, into memory (small files) and the blob store (the rest). Throws `invalid-argument` for what is no tar. */
export async function readArchive(archive: AsyncIterable<Uint8Array>, intake: Intake): Promise<ArchiveFiles> {
  const files = new ArchiveFiles(intake);
  let held = 0;
  for await (const entry of readTar(decompress(archive))) {
    const { header } = entry;
    const name = cleanName(header.path);
    if (name === undefined) throw notAnImage(`entry ${JSON.stringify(header.path)} points outside of it`);
    if (header.type === "symlink") files.add(name, { link: posix.join(posix.dirname(name), header.link) });
    else if (header.type === "link") files.add(name, { link: header.link });
    else if (header.type === "file") {
      const file = await takeFile(entry, { name, intake, room: MAX_SMALL_TOTAL - held });
      if ("bytes" in file) held += file.bytes.length;
      files.add(name, file);
    }
  }
  return files;
}

async function takeFile(
  { header, body, segments }: TarEntry,
  { name, intake, room }: { name: string; intake: Intake; room: number },
): Promise<{ bytes: Buffer } | { blob: BlobInfo }> {
  if (segments) throw notAnImage(`entry ${JSON.stringify(name)} is stored as a sparse file`);
  const digest = `sha256:${BLOB_NAME.exec(name)?.[1] ?? ""}`;
  if (header.size > Math.min(SMALL, room)) {
    return { blob: await intake.stream(chunksOf(body), isDigest(digest) ? { digest } : {}) };
  }
  const bytes = await wholeOf(body);
  const actual = createHash("sha256").update(bytes).digest("hex");
  if (isDigest(digest) && digest !== `sha256:${actual}`) {
    throw new BerthError("invalid-argument", `digest mismatch: want ${digest}, content has sha256:${actual}`);
  }
  return { bytes };
}

async function* chunksOf(body: TarBody): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = await body.next();
    if (!chunk) return;
    yield chunk;
  }
}

async function wholeOf(body: TarBody): Promise<Buffer> {
  const parts: Buffer[] = [];
  // The pieces are views that the next read may overwrite.
  for await (const chunk of chunksOf(body)) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts);
}

/** `a/b` for `./a//b/`; undefined for what climbs out or is absolute. */
export function cleanName(name: string): string | undefined {
  if (name.startsWith("/")) return undefined;
  const clean = posix.normalize(name).replace(/\/$/, "");
  return clean === ".." || clean.startsWith("../") ? undefined : clean;
}

/** The error for a tar that is no image. */
export function notAnImage(why: string): BerthError {
  return new BerthError("invalid-argument", `not an image archive: ${why}`, {
    hint: "for the tar of a root file system use 'import'",
  });
}
