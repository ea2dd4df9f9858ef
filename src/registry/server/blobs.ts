import type { ResponseBody } from "../../host/http-server.ts";
import { RegistryError } from "./errors.ts";
import { type Generation, generationName, generationsOf, live, segmentsOf } from "./generations.ts";
import { decoded, KEYS } from "./keys.ts";
import type { Reliance } from "./reliance.ts";
import type { Change, ContentDigest, Span, Storage } from "./types.ts";

/** A presence is written anew when it is asked for at this age in milliseconds, if not said otherwise: GC's grace counts from the last use, so it is to be much less than that. */
export const TOUCH_MS = 10 * 60_000;

/** Repositories that are searched for a blob whose place is not named. */
const MOST_ASKED = 1000;

/** A blob as one repository has it. `data` is the id of its bytes, `size` their number. */
export interface FoundBlob {
  size: number;
  data: string;
}

/**
 * Blobs of all repositories. Bytes are kept once; a repository has a blob where it has a presence of it and the bytes are there. Of both records there may be several
 * generations, each with its own life: what GC has condemned is replaced by a new one, never saved.
 */
export class Blobs {
  constructor(
    private readonly storage: Storage,
    private readonly reliance: Reliance,
    private readonly touchMs: number = TOUCH_MS,
  ) {}

  /** For readers: also what is condemned and not yet gone. */
  async find(repository: string, digest: ContentDigest): Promise<FoundBlob | undefined> {
    const { metadata } = this.storage;
    const [presence] = await generationsOf(metadata, KEYS.presences(repository, digest));
    if (!presence) return undefined;
    const generations = await generationsOf(metadata, KEYS.blobs(digest));
    const found = live(generations) ?? generations[0];
    return found && { size: found.size, data: found.id };
  }

  /** For writers: what may be relied on, from now and for at least GC's grace. */
  async reliable(repository: string, digest: ContentDigest): Promise<FoundBlob | undefined> {
    this.reliance.note(relied(repository, digest));
    const { metadata } = this.storage;
    const presence = live(await generationsOf(metadata, KEYS.presences(repository, digest)));
    if (!presence) return undefined;
    const data = live(await generationsOf(metadata, KEYS.blobs(digest)));
    if (!data) return undefined;
    if (Date.now() - presence.modified > this.touchMs) await metadata.write([{ put: presence.key, value: "" }]);
    return { size: data.size, data: data.id };
  }

  /** Takes sealed data of this digest, verified, into the repository; where the bytes are there already the new ones go. `more` is written with it. */
  async add(
    repository: string,
    blob: { digest: ContentDigest; data: string; size: number },
    more: readonly Change[] = [],
  ): Promise<void> {
    const { digest, data, size } = blob;
    const { metadata } = this.storage;
    const presence = { put: KEYS.presences(repository, digest, generationName(size)), value: "" };
    const own = { put: KEYS.blobs(digest, generationName(size, data)), value: "" };
    let known: Generation | undefined;
    await this.reliance.write(relied(repository, digest), {
      look: async () => live(await generationsOf(metadata, KEYS.blobs(digest))),
      write: async (there) => {
        known = there;
        await metadata.write([...(there ? [] : [own]), presence, ...more]);
      },
      undo: () => metadata.write([{ remove: presence.put }]),
    });
    // Elsewhere that may be the same data, taken in by another machine: there GC decides.
    if (known && known.id !== data && this.storage.exclusive) await this.storage.data.remove(data);
  }

  /** A repository that has the blob and that `may` allows; of many only the first thousand are asked. Undefined where there is none. */
  async holder(digest: ContentDigest, may: (repository: string) => boolean): Promise<string | undefined> {
    const { metadata } = this.storage;
    if (!live(await generationsOf(metadata, KEYS.blobs(digest)))) return undefined;
    let asked = 0;
    for await (const segment of segmentsOf(metadata, "presences/")) {
      const repository = decoded(segment);
      if (asked++ === MOST_ASKED) return undefined;
      if (may(repository) && live(await generationsOf(metadata, KEYS.presences(repository, digest)))) return repository;
    }
    return undefined;
  }

  /** True where the blob is in `repository` now because `from` has it. */
  async mount(repository: string, digest: ContentDigest, from: string): Promise<boolean> {
    const found = await this.reliable(from, digest);
    if (!found) return false;
    const { metadata } = this.storage;
    const key = KEYS.presences(repository, digest, generationName(found.size));
    let mounted = true;
    await this.reliance.write(relied(repository, digest), {
      look: async () => {
        mounted = live(await generationsOf(metadata, KEYS.blobs(digest))) !== undefined;
      },
      write: async () => {
        if (mounted) await metadata.write([{ put: key, value: "" }]);
      },
      undo: () => metadata.write([{ remove: key }]),
    });
    return mounted;
  }

  /**
   * The repository has it no more; the bytes go with GC. False where it had not. `unneeded` throws where a manifest needs it; what a manifest that comes meanwhile needs
   * stays, or is there again before this returns. Throws DENIED then.
   */
  async remove(repository: string, digest: ContentDigest, unneeded: () => Promise<void>): Promise<boolean> {
    const { metadata } = this.storage;
    using watch = this.reliance.watch();
    await unneeded();
    const generations = await generationsOf(metadata, KEYS.presences(repository, digest));
    if (watch.has(KEYS.presences(repository, digest))) throw stillNamed(digest, "something that is being pushed");
    await metadata.write(generations.map(({ key }) => ({ remove: key })));
    const [first] = generations;
    if (!first || this.storage.settleMs === 0) return first !== undefined;
    try {
      // A manifest that another machine took in meanwhile.
      await unneeded();
    } catch (error) {
      await metadata.write([{ put: KEYS.presences(repository, digest, generationName(first.size)), value: "" }]);
      throw error;
    }
    return true;
  }

  /** Bytes of all blobs that the repository has. */
  async usage(repository: string): Promise<number> {
    const sizes = new Map<string, number>();
    for (const { key, size } of await generationsOf(this.storage.metadata, KEYS.presences(repository)))
      sizes.set(key.slice(0, key.lastIndexOf("/")), size);
    return [...sizes.values()].reduce((sum, size) => sum + size, 0);
  }

  /** A response's body. Throws BLOB_UNKNOWN where the bytes went a moment ago. */
  async body(digest: ContentDigest, { data }: FoundBlob, span: Span): Promise<ResponseBody> {
    try {
      return await this.storage.data.body(data, span);
    } catch (error) {
      if (error instanceof Error && "kind" in error && error.kind === "not-found") throw unknownBlob(digest);
      throw error;
    }
  }
}

/** The prefixes that somebody relies on who relies on this blob of this repository. */
export function relied(repository: string, digest: ContentDigest): string[] {
  return [KEYS.presences(repository, digest), KEYS.blobs(digest)];
}

/** DENIED: somebody needs it. */
export function stillNamed(digest: ContentDigest, by: string): RegistryError {
  return new RegistryError("DENIED", `blob ${digest} is named by ${by}; delete that first`, { status: 405 });
}

/** BLOB_UNKNOWN. */
export function unknownBlob(digest: ContentDigest): RegistryError {
  return new RegistryError("BLOB_UNKNOWN", `blob ${digest} is not in this repository`, { detail: { digest } });
}
