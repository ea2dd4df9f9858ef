import { createHash, type Hash, randomUUID } from "node:crypto";
import { setImmediate as others } from "node:timers/promises";
import { isKind } from "../../spec/errors.ts";
import type { Blobs } from "./blobs.ts";
import { RegistryError } from "./errors.ts";
import { KEYS } from "./keys.ts";
import { hasherFor } from "./names.ts";
import type { Body, ContentDigest, Policy, Storage } from "./types.ts";

/** Uploads whose hash is remembered between requests; of others it is made again from their data at the end. */
const MOST_HASHES = 256;

interface Running {
  hash: Hash;
  size: number;
}

/** One writer of an upload. */
interface Turn {
  stop: AbortController;
  ended: Promise<void>;
}

/**
 * Uploads under way. A session is a record and data of the same id; it outlives the process, so that a client goes on where it was. Of two requests for one session the later
 * one counts: the earlier client has most likely gone without a word. A kill leaves the session with what had come; sessions that nobody goes on with are swept by GC.
 */
export class Uploads {
  readonly #turns = new Map<string, Turn>();
  readonly #hashes = new Map<string, Running>();

  constructor(private readonly deps: { storage: Storage; blobs: Blobs; policy: Policy }) {}

  /** A new session's id. */
  async begin(repository: string): Promise<string> {
    const id = randomUUID();
    await this.deps.storage.metadata.write([{ put: KEYS.uploads(repository, id), value: "" }], { volatile: true });
    return id;
  }

  /** Bytes so far. Throws BLOB_UPLOAD_UNKNOWN. */
  async size(repository: string, id: string): Promise<number> {
    await this.#known(repository, id);
    return (await this.deps.storage.data.size(id)) ?? 0;
  }

  /** Appends; `offset` is where the client believes it is. Returns the new size. Throws RANGE_INVALID where it is elsewhere. */
  async append(
    repository: string,
    id: string,
    { source, offset, length }: { source: Body; offset?: number; length?: number },
  ): Promise<number> {
    return this.#turn(repository, id, (signal) => this.#append(repository, id, { source, signal, offset, length }));
  }

  /** Appends what comes, verifies the whole, and takes it in. Returns its size. Throws DIGEST_INVALID, and then the session is gone. */
  async commit(
    repository: string,
    id: string,
    wanted: { digest: ContentDigest; source: Body; offset?: number; length?: number },
  ): Promise<number> {
    return this.#turn(repository, id, async (signal) => {
      const { digest, source, offset, length } = wanted;
      const { data } = this.deps.storage;
      const size = await this.#append(repository, id, { source, signal, offset, length });
      if (size === 0) await data.append(id, 0, nothing());
      const sealed = await data.seal(id, size);
      if (!sealed.own) this.#hashes.delete(id);
      const actual = await this.#digest(sealed.data, { id, size, like: digest });
      if (actual !== digest) {
        await this.#drop(repository, id);
        throw new RegistryError("DIGEST_INVALID", `content has ${actual}, not ${digest}`, { detail: { digest } });
      }
      const blob = { digest, data: sealed.data, size };
      await this.deps.blobs.add(repository, blob, [{ remove: KEYS.uploads(repository, id) }]);
      this.#hashes.delete(id);
      return size;
    });
  }

  /** Ends a session, with what it had brought. */
  async cancel(repository: string, id: string): Promise<void> {
    await this.#turn(repository, id, () => this.#drop(repository, id));
  }

  /** Ends a session, unless a request writes to it. False where one does, or where it has ended by itself. */
  async expire(repository: string, id: string): Promise<boolean> {
    if (this.#turns.has(KEYS.uploads(repository, id))) return false;
    return this.cancel(repository, id).then(
      () => true,
      (error: unknown) => {
        if (isKind(error, "not-found")) return false;
        throw error;
      },
    );
  }

  async #known(repository: string, id: string): Promise<void> {
    if (await this.deps.storage.metadata.get(KEYS.uploads(repository, id))) return;
    throw new RegistryError("BLOB_UPLOAD_UNKNOWN", `no upload ${id} in this repository`, { detail: { id } });
  }

  /** The data first: on a full disk a record can be removed only after that. A kill between the two leaves a session where nothing has come. */
  async #drop(repository: string, id: string): Promise<void> {
    this.#hashes.delete(id);
    const { storage } = this.deps;
    // Elsewhere another machine may have taken the very same bytes in: there GC decides.
    if (storage.exclusive) await storage.data.remove(id);
    await storage.metadata.write([{ remove: KEYS.uploads(repository, id) }], { volatile: true });
  }

  /** Alone with the session, which is there: a request that had it before is ended first. */
  async #turn<R>(repository: string, id: string, work: (signal: AbortSignal) => Promise<R>): Promise<R> {
    const key = KEYS.uploads(repository, id);
    for (let before = this.#turns.get(key); before; before = this.#turns.get(key)) {
      before.stop.abort(new RegistryError("BLOB_UPLOAD_INVALID", "a later request has taken this upload over"));
      await before.ended;
    }
    const stop = new AbortController();
    const done = Promise.withResolvers<void>();
    this.#turns.set(key, { stop, ended: done.promise });
    try {
      // The one before may have committed it: then its data is a blob's.
      await this.#known(repository, id);
      return await work(stop.signal);
    } finally {
      this.#turns.delete(key);
      done.resolve();
    }
  }

  async #append(
    repository: string,
    id: string,
    from: {
      source: Body;
      signal: AbortSignal;
      offset?: number | undefined;
      length?: number | undefined;
    },
  ): Promise<number> {
    const { data } = this.deps.storage;
    const at = (await data.size(id)) ?? 0;
    if (from.offset !== undefined && from.offset !== at) {
      const range = `0-${Math.max(at - 1, 0)}`;
      throw new RegistryError("RANGE_INVALID", `the upload has ${at} bytes, so the next chunk begins there`, {
        headers: { Range: range, Location: `/v2/${repository}/blobs/uploads/${id}` },
      });
    }
    const running = at === 0 ? { hash: createHash("sha256"), size: 0 } : this.#hashes.get(id);
    this.#hashes.delete(id);
    const room = await this.#room(repository, at);
    const { source, signal } = from;
    signal.throwIfAborted();
    signal.addEventListener("abort", () => source.cancel(), { once: true });
    try {
      return await data.append(id, at, watched(from, { running, room }));
    } catch (error) {
      // What it brought would keep the disk full.
      if (isKind(error, "no-space")) await this.#drop(repository, id);
      throw error;
    } finally {
      // Where the client was cut off as well, so that the next request goes on from here.
      if (running && (await data.size(id)) === running.size) this.#remember(id, running);
    }
  }

  /** Bytes that the upload may still bring before the repository's quota ends. */
  async #room(repository: string, at: number): Promise<number> {
    const quota = this.deps.policy.quota(repository);
    if (quota === undefined) return Number.POSITIVE_INFINITY;
    return quota - (await this.deps.blobs.usage(repository)) - at;
  }

  #remember(id: string, running: Running): void {
    this.#hashes.set(id, running);
    if (this.#hashes.size <= MOST_HASHES) return;
    const [oldest] = this.#hashes.keys();
    if (oldest !== undefined) this.#hashes.delete(oldest);
  }

  async #digest(
    data: string,
    { id, size, like }: { id: string; size: number; like: ContentDigest },
  ): Promise<ContentDigest> {
    const running = this.#hashes.get(id);
    if (running?.size === size && like.startsWith("sha256:")) return `sha256:${running.hash.copy().digest("hex")}`;
    const hash = hasherFor(like);
    if (size > 0)
      for await (const chunk of this.deps.storage.data.read(data, { start: 0, end: size })) {
        hash.update(chunk);
        await others();
      }
    return `${like.startsWith("sha512:") ? "sha512" : "sha256"}:${hash.digest("hex")}`;
  }
}

/** The source, hashed while it passes; ends by an error where a later request took over, or where it brings more than it may. */
async function* watched(
  { source, signal, length }: { source: Body; signal: AbortSignal; length?: number | undefined },
  { running, room }: { running: Running | undefined; room: number },
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of source) {
    signal.throwIfAborted();
    size += chunk.byteLength;
    if (length !== undefined && size > length)
      throw new RegistryError("SIZE_INVALID", `more came than the ${length} bytes that were announced`);
    if (size > room) throw new RegistryError("DENIED", "the repository's quota is used up");
    running?.hash.update(chunk);
    if (running) running.size += chunk.byteLength;
    yield chunk;
  }
  signal.throwIfAborted();
  if (length !== undefined && size !== length) {
    throw new RegistryError("SIZE_INVALID", `${size} bytes came, not the ${length} that were announced`);
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
