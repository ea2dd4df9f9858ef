import type { Digest } from "../spec/digest.ts";
import { BerthError, messageOf } from "../spec/errors.ts";
import { INDEX_TYPES, MANIFEST_TYPES } from "../spec/oci.ts";
import { type Places, Round } from "./round.ts";
import type { BlobOptions, FetchedManifest, ManifestHead, Referrer, Repository } from "./types.ts";

/** Media types of what mirrors give as manifests. */
const MANIFESTS: readonly string[] = [...INDEX_TYPES, ...MANIFEST_TYPES];
/** Bytes after which a source that failed is asked once more before the others are. */
const PROGRESS = 16 * 1024;

/**
 * One repository at several places: each request goes to the mirrors in turn, and at last to the registry itself. So a mirror may have the manifest and not the
 * blobs. Mirrors that fail are passed over for a while; where nobody else answers, they are asked nevertheless. What writes goes to the registry itself.
 */
export class MirroredRepository implements Repository {
  /** The mirrors that gave bytes of a blob when it was asked for last. */
  readonly #gave = new Map<Digest, Set<string>>();
  /** The mirrors whose bytes of a blob were wrong, with what was wrong. */
  readonly #wrong = new Map<Digest, Map<string, string>>();

  constructor(private readonly places: Places) {}

  manifest(target: string): Promise<FetchedManifest> {
    return this.#first(async (repository, mirror) => {
      const found = await repository.manifest(target);
      if (mirror) refuseMalformed(found);
      return found;
    });
  }

  async headManifest(target: string): Promise<ManifestHead | undefined> {
    return this.#first(
      async (repository, mirror) => (await repository.headManifest(target)) ?? (mirror ? missing(target) : undefined),
    );
  }

  referrers(digest: Digest): Promise<Referrer[]> {
    return this.#first((repository) => repository.referrers(digest));
  }

  hasBlob(digest: Digest): Promise<boolean> {
    return this.#first(
      async (repository, mirror) => (await repository.hasBlob(digest)) || (mirror ? missing(digest) : false),
    );
  }

  tags(): Promise<string[]> {
    return this.#first((repository) => repository.tags());
  }

  /** Goes on at the next place where one ends early. */
  blob(digest: Digest, options: BlobOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    return begun(this.#parts(digest, options));
  }

  /** Of several mirrors that gave a part each, it is the first that is passed over: it broke off as well. */
  wrongBlob(digest: Digest, error: unknown): boolean {
    const [url] = this.#gave.get(digest) ?? [];
    if (url === undefined) return false;
    const words = messageOf(error);
    const wrong = this.#wrong.get(digest) ?? new Map<string, string>();
    this.#wrong.set(digest, wrong.set(url, words));
    this.#gave.delete(digest);
    this.places.health.failed(url, words);
    this.places.onWrong(url, words);
    return true;
  }

  foreignBlob(...args: Parameters<Repository["foreignBlob"]>): Promise<AsyncIterable<Uint8Array>> {
    return this.places.own.foreignBlob(...args);
  }

  mountBlob(...args: Parameters<Repository["mountBlob"]>): Promise<boolean> {
    return this.places.own.mountBlob(...args);
  }

  uploadBlob(...args: Parameters<Repository["uploadBlob"]>): Promise<void> {
    return this.places.own.uploadBlob(...args);
  }

  putManifest(...args: Parameters<Repository["putManifest"]>): Promise<Digest> {
    return this.places.own.putManifest(...args);
  }

  async #first<T>(work: (repository: Repository, mirror: boolean) => Promise<T>): Promise<T> {
    const round = new Round(this.places);
    for await (const { place, repository } of round.turns()) {
      try {
        const found = await work(repository, place !== undefined);
        round.served(place);
        return found;
      } catch (error) {
        round.failed(place, error);
      }
    }
    throw round.error();
  }

  async *#parts(digest: Digest, options: BlobOptions): AsyncGenerator<Uint8Array, void, void> {
    const round = new Round({ ...this.places, signal: options.signal ?? this.places.signal }, this.#wrong.get(digest));
    const gave = new Set<string>();
    this.#gave.set(digest, gave);
    let at = options.from ?? 0;
    for await (const { place, repository } of round.turns()) {
      for (let before = -PROGRESS; at - before >= PROGRESS; ) {
        before = at;
        try {
          for await (const part of await repository.blob(digest, { ...options, from: at })) {
            at += part.byteLength;
            if (place) gave.add(place.url);
            yield part;
          }
          return round.served(place);
        } catch (error) {
          round.failed(place, error);
        }
      }
    }
    // What is wrong now is the registry's word, not the bytes.
    gave.clear();
    throw round.error();
  }
}

/** Begins at once, so that what nobody has is an error now. */
async function begun(parts: AsyncGenerator<Uint8Array, void, void>): Promise<AsyncIterable<Uint8Array>> {
  const first = await parts.next();
  return rest(first, parts);
}

async function* rest(
  first: IteratorResult<Uint8Array, void>,
  parts: AsyncGenerator<Uint8Array, void, void>,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    for (let next = first; !next.done; next = await parts.next()) yield next.value;
  } finally {
    await parts.return();
  }
}

/** What a mirror has not, another may. */
function missing(what: string): never {
  throw new BerthError("not-found", `${what}: not there`);
}

/** A mirror that gives a page of HTML, or what no image is made of, gives nothing. */
function refuseMalformed({ mediaType, bytes, digest }: FetchedManifest): void {
  const parsed = parsedOf(bytes);
  const fits = MANIFESTS.includes(mediaType) && ("manifests" in parsed ? !("layers" in parsed) : "config" in parsed);
  if (!fits) throw new BerthError("invalid-argument", `what it gives as manifest ${digest} is none`);
}

function parsedOf(bytes: Buffer): object {
  try {
    const parsed: unknown = JSON.parse(bytes.toString());
    return typeof parsed === "object" && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}
