import { constants } from "node:fs";
import {
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile as readWhole,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../../spec/digest.ts";
import { BerthError, errnoOf, fromErrno } from "../../spec/errors.ts";
import { type ArchivePlace, formatImagePlace } from "../../spec/image-place.ts";
import { type Descriptor, MediaType } from "../../spec/oci.ts";
import type { Reference } from "../../spec/reference.ts";
import { MAX_JSON } from "../config.ts";
import { type ContentDescriptor, parseContent } from "../content.ts";
import { writeAll } from "./layout-files.ts";
import { blobPath } from "./layout-source.ts";
import { annotationsFor, isNamed, REF_NAME } from "./names.ts";
import type { CopySink, OpenBlob, PlannedImage } from "./types.ts";

const AT_ONCE = 3;
const TEMPORARY = ".berth-copy.";
const LOCK = ".berth-copy-lock";
const LOCK_TRIES = 500;
const LOCK_WAIT_MS = 20;

/**
 * A folder in OCI's layout, new, empty or with images in it: a name that it has is replaced. A blob is written under a temporary name, verified, synced and renamed; `index.json` is replaced at the end, while a lock
 * keeps others from doing the same. A kill leaves temporary files, which the next copy removes, and blobs that nothing names.
 */
export function layoutSink(place: ArchivePlace): CopySink {
  return new LayoutSink(place);
}

class LayoutSink implements CopySink {
  readonly name: string;
  readonly atOnce = AT_ONCE;
  readonly #folder: string;
  #temporary = "";
  /** The topmost folder that was made for it. */
  #made: string | undefined;
  #images: readonly PlannedImage[] = [];

  constructor(private readonly place: ArchivePlace) {
    this.name = formatImagePlace(place);
    this.#folder = place.path;
  }

  async begin(images: readonly PlannedImage[], blobs: readonly ContentDescriptor[]): Promise<ContentDescriptor[]> {
    this.#images = images;
    if (this.place.digest)
      throw new BerthError("invalid-argument", `${this.name}: a copy is given a name, not a digest`);
    if (this.place.name !== undefined && images.length > 1)
      throw new BerthError("invalid-argument", `${this.name}: several images cannot have one name`);
    await this.#explained(async () => {
      await this.#checkFolder();
      this.#made = await mkdir(join(this.#folder, "blobs/sha256"), { recursive: true });
      await removeLeftOver(this.#folder);
      this.#temporary = await mkdtemp(join(this.#folder, `${TEMPORARY}${process.pid}.`));
    });
    return [...blobs];
  }

  async already({ digest, size }: ContentDescriptor): Promise<string | undefined> {
    const there = await stat(join(this.#folder, blobPath(digest))).catch(() => undefined);
    return there?.isFile() && there.size === size ? "Already exists" : undefined;
  }

  async write({ digest }: ContentDescriptor, open: OpenBlob): Promise<void> {
    await this.#explained(() => this.#put(digest, open()));
  }

  async finish(): Promise<void> {
    await this.#explained(async () => {
      for (const { manifests, referrers } of this.#images) {
        for (const { manifest } of [...manifests, ...referrers])
          await this.#put(
            manifest.digest,
            (async function* () {
              yield manifest.bytes;
            })(),
          );
      }
      await writeFile(join(this.#folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
      await this.#locked(() => this.#replaceIndex());
      this.#made = undefined;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#temporary !== "") await rm(this.#temporary, { recursive: true, force: true });
    if (this.#made === undefined) return;
    // Of a layout that did not come to be nothing stays, unless another copy has begun to use it.
    const names = await readdir(this.#folder);
    if (names.every((name) => name === "blobs")) await rm(this.#made, { recursive: true, force: true });
  }

  async #put(digest: Digest, source: AsyncIterable<Uint8Array>): Promise<void> {
    const temporary = join(this.#temporary, digest.slice("sha256:".length));
    await using file = await open(temporary, constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY, 0o644);
    let at = 0;
    for await (const chunk of source) at += await writeAll(file, chunk, at);
    await file.sync();
    await rename(temporary, join(this.#folder, blobPath(digest)));
  }

  /** Others' files are not mixed with. */
  async #checkFolder(): Promise<void> {
    const names = await readdir(this.#folder).catch((error: unknown) => {
      if (errnoOf(error) === "ENOENT") return [];
      throw error;
    });
    const others = names.filter((name) => !name.startsWith(TEMPORARY));
    if (others.length === 0 || others.includes("oci-layout") || others.includes("index.json")) return;
    if (others.every((name) => name === "blobs")) return;
    throw new BerthError("conflict", `${this.name}: the folder has other things in it, and is no OCI layout`);
  }

  async #replaceIndex(): Promise<void> {
    const path = join(this.#folder, "index.json");
    const old = await this.#oldIndex(path);
    const own = this.#images.flatMap((image) => entriesOf(image, this.place.name));
    const names = own.flatMap((entry) => entry.annotations?.[REF_NAME] ?? []);
    const kept = old.filter((entry) => {
      const sameName = names.some((name) => isNamed(entry.annotations as Record<string, string> | undefined, name));
      const unnamed = entry.annotations?.[REF_NAME] === undefined;
      return !sameName && !(unnamed && own.some((mine) => mine.digest === entry.digest));
    });
    const index = { schemaVersion: 2, mediaType: MediaType.index, manifests: [...kept, ...own] };
    const temporary = join(this.#temporary, "index.json");
    await using file = await open(temporary, "w", 0o644);
    await writeAll(file, Buffer.from(JSON.stringify(index)), 0);
    await file.sync();
    await rename(temporary, path);
  }

  /** As they stand: what is not known here is kept too. */
  async #oldIndex(path: string): Promise<Descriptor[]> {
    const there = await stat(path).catch(() => undefined);
    if (!there) return [];
    const what = `${this.name}: index.json`;
    if (there.size > MAX_JSON) throw new BerthError("invalid-argument", `${what} has more than ${MAX_JSON} bytes`);
    const bytes = await readWhole(path);
    parseContent(bytes, MediaType.index, what);
    return (JSON.parse(bytes.toString()) as { manifests: Descriptor[] }).manifests;
  }

  async #locked(work: () => Promise<void>): Promise<void> {
    const path = join(this.#folder, LOCK);
    const own = join(this.#temporary, "lock");
    await writeFile(own, String(process.pid));
    for (let tries = 0; ; tries++) {
      try {
        await link(own, path);
        break;
      } catch (error) {
        if (errnoOf(error) !== "EEXIST") throw error;
        if (await isLeft(path)) await rm(path, { force: true });
        else if (tries >= LOCK_TRIES)
          throw new BerthError("unavailable", `${this.name}: another copy holds ${path}`, { hint: "try again later" });
        else await new Promise((resolve) => setTimeout(resolve, LOCK_WAIT_MS));
      }
    }
    try {
      await work();
    } finally {
      await rm(path, { force: true });
    }
  }

  async #explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw errnoOf(error) === undefined ? error : fromErrno(error, this.name);
    }
  }
}

/** The entry of an image, and of what refers to it, which has its own tag or no name. A name is a text as it stands, or a whole one; without it the image's own. */
export function entriesOf(
  { root, referrers, source }: PlannedImage,
  name: string | Reference | undefined,
): Descriptor[] {
  const described = ({ manifest: { mediaType, digest, bytes } }: PlannedImage["root"]): Descriptor => {
    return { mediaType, digest, size: bytes.byteLength };
  };
  const annotations = typeof name === "object" ? annotationsFor(undefined, name) : annotationsFor(name, source.ref);
  const own = { ...described(root), ...(Object.keys(annotations).length > 0 ? { annotations } : {}) };
  const about = referrers.map((one) => {
    return { ...described(one), ...(one.tag === undefined ? {} : { annotations: { [REF_NAME]: one.tag } }) };
  });
  return [own, ...about];
}

/** True for the lock of a process that is no more; false also where it is gone by now. */
async function isLeft(lock: string): Promise<boolean> {
  const holder = await readWhole(lock, "utf8").catch(() => undefined);
  return holder !== undefined && !(Number(holder) > 0 && isAlive(Number(holder)));
}

/** Temporary folders of copies that were killed. */
async function removeLeftOver(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, pid] = /^\.berth-copy\.(\d+)\./.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(folder, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== "ESRCH";
  }
}
