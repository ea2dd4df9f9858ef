import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Digest } from "../../spec/digest.ts";
import { BerthError, errnoOf, fromErrno } from "../../spec/errors.ts";
import { type ArchivePlace, formatImagePlace } from "../../spec/image-place.ts";
import type { ContentDescriptor } from "../content.ts";
import { type ArchivePart, planArchive } from "./archive-plan.ts";
import { writeAll } from "./layout-files.ts";
import type { CopySink, OpenBlob, PlannedImage } from "./types.ts";

const AT_ONCE = 3;

/** Takes bytes in their order; a promise where the reader is slow. */
export type WriteBytes = (bytes: Uint8Array) => void | Promise<void>;

/**
 * A tar as a file: each blob is written at its own place, some at once, under a temporary name beside the file; at the end that is renamed, in place of what was there. A kill leaves the temporary file.
 * A device, a pipe, and standard output get the same bytes in their order.
 */
export async function archiveSink(place: ArchivePlace, output: WriteBytes): Promise<CopySink> {
  if (place.digest)
    throw new BerthError("invalid-argument", `${formatImagePlace(place)}: a copy is given a name, not a digest`);
  if (place.path === "-") return new StreamSink(place, output);
  const there = await stat(place.path).catch(() => undefined);
  if (there?.isDirectory()) {
    throw new BerthError("invalid-argument", `${place.path}: is a folder`, {
      hint: "layouts in folders are oci:FOLDER",
    });
  }
  if (there && !there.isFile()) return openStream(place);
  return new FileSink(place);
}

class FileSink implements CopySink {
  readonly name: string;
  readonly atOnce = AT_ONCE;
  readonly #temporary: string;
  readonly #places = new Map<Digest, number>();
  #file: FileHandle | undefined;

  constructor(private readonly place: ArchivePlace) {
    this.name = formatImagePlace(place);
    this.#temporary = `${place.path}.${process.pid}.tmp`;
  }

  async begin(images: readonly PlannedImage[], blobs: readonly ContentDescriptor[]): Promise<ContentDescriptor[]> {
    const parts = await planArchive(this.place, images, blobs);
    return explained(this.name, async () => {
      const file = await open(this.#temporary, "w", 0o644).catch((error: unknown) => {
        if (errnoOf(error) !== "ENOENT") throw error;
        throw new BerthError("invalid-argument", `${this.name}: there is no folder ${dirname(this.place.path)}`);
      });
      this.#file = file;
      let at = 0;
      for (const part of parts) {
        if ("bytes" in part) at += await writeAll(file, part.bytes, at);
        else {
          this.#places.set(part.blob.digest, at);
          at += part.blob.size + part.padding;
        }
      }
      return blobs.filter((blob) => this.#places.has(blob.digest));
    });
  }

  async already(): Promise<undefined> {}

  async write({ digest }: ContentDescriptor, open: OpenBlob): Promise<void> {
    const file = this.#file;
    let at = this.#places.get(digest);
    if (!file || at === undefined) throw new Error(`${digest} has no place in the archive`);
    for await (const chunk of open()) {
      const place = at;
      at += await explained(this.name, () => writeAll(file, chunk, place));
    }
  }

  async finish(): Promise<void> {
    await explained(this.name, async () => {
      await this.#file?.close();
      this.#file = undefined;
      await rename(this.#temporary, this.place.path);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
    await rm(this.#temporary, { force: true });
  }
}

/** What is written cannot be taken back: a reader of a copy that failed finds an archive without its end. */
class StreamSink implements CopySink {
  readonly name: string;
  readonly atOnce = 1;
  #parts: ArchivePart[] = [];

  constructor(
    private readonly place: ArchivePlace,
    private readonly output: WriteBytes,
    private readonly close: () => Promise<void> = async () => undefined,
  ) {
    this.name = formatImagePlace(place);
  }

  async begin(images: readonly PlannedImage[], blobs: readonly ContentDescriptor[]): Promise<ContentDescriptor[]> {
    this.#parts = await planArchive(this.place, images, blobs);
    return this.#parts.flatMap((part) => ("blob" in part ? [part.blob] : []));
  }

  async already(): Promise<undefined> {}

  async write(blob: ContentDescriptor, open: OpenBlob): Promise<void> {
    await this.#upTo(blob.digest);
    for await (const chunk of open()) await this.output(chunk);
    const own = this.#parts.shift();
    if (own && "padding" in own) await this.output(Buffer.alloc(own.padding));
  }

  async finish(): Promise<void> {
    await this.#upTo(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What comes before the blob. */
  async #upTo(blob: Digest | undefined): Promise<void> {
    for (let [next] = this.#parts; next; [next] = this.#parts) {
      if ("blob" in next) {
        if (next.blob.digest === blob) return;
        throw new Error(`${next.blob.digest} was not written`);
      }
      await this.output(next.bytes);
      this.#parts.shift();
    }
  }
}

async function openStream(place: ArchivePlace): Promise<CopySink> {
  const file = await explained(place.path, () => open(place.path, "w"));
  const output = async (bytes: Uint8Array): Promise<void> => {
    for (let done = 0; done < bytes.byteLength; ) done += (await file.write(bytes, done)).bytesWritten;
  };
  return new StreamSink(place, output, () => file.close());
}

async function explained<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw errnoOf(error) === undefined ? error : fromErrno(error, name);
  }
}
