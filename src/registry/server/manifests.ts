import { setTimeout as delay } from "node:timers/promises";
import { type Blobs, relied } from "./blobs.ts";
import { Cache } from "./cache.ts";
import { RegistryError } from "./errors.ts";
import { allEntries, breathing } from "./generations.ts";
import { KEYS, partsOf } from "./keys.ts";
import { type ManifestContent, type ManifestRefs, parseManifestContent } from "./manifest-content.ts";
import { contentDigest, digestOf, isContentDigest, isTag, quoted } from "./names.ts";
import type { Reliance } from "./reliance.ts";
import type { ContentDigest, Policy, Storage } from "./types.ts";

const CACHE_BYTES = 16 * 1024 * 1024;
const LINE = 0x0a;
/** Of the blobs that a manifest lacks, so many are listed. */
const MOST_MISSING = 100;

/** A manifest as it is kept. */
export interface StoredManifest extends ManifestContent {
  digest: ContentDigest;
  bytes: Buffer;
  /** When it was pushed, in milliseconds since 1970. */
  pushed: number;
}

/** Manifests and what tags stand for. Nothing is served that is not whole: a manifest is written after all that it names is seen to be there, and a tag after its manifest. */
export class Manifests {
  /** Of an exclusive storage only. */
  readonly #cache = new Cache<StoredManifest>(CACHE_BYTES);

  constructor(private readonly deps: { storage: Storage; blobs: Blobs; reliance: Reliance; policy: Policy }) {}

  /** By tag or digest. Throws MANIFEST_UNKNOWN. */
  async get(repository: string, target: string): Promise<StoredManifest> {
    const digest = isTag(target) ? await this.tag(repository, target) : contentDigest(target);
    const found = digest && (await this.byDigest(repository, digest));
    if (found) return found;
    throw new RegistryError("MANIFEST_UNKNOWN", `no manifest ${quoted(target)} in ${repository}`, {
      detail: { name: repository, target: target.slice(0, 200) },
    });
  }

  /** What a tag stands for. */
  async tag(repository: string, tag: string): Promise<ContentDigest | undefined> {
    const digest = (await this.deps.storage.metadata.get(KEYS.tags(repository, tag)))?.toString();
    return isContentDigest(digest) ? digest : undefined;
  }

  /** Undefined where it is not here, or not what it is called. */
  async byDigest(repository: string, digest: ContentDigest): Promise<StoredManifest | undefined> {
    const { metadata, exclusive } = this.deps.storage;
    const key = KEYS.manifests(repository, digest);
    const cached = exclusive ? this.#cache.get(key) : undefined;
    if (cached) return cached;
    const record = await metadata.get(key);
    const found = record && decodeRecord(digest, record);
    if (found && exclusive) this.#cache.set(key, found, record.byteLength);
    return found;
  }

  /**
   * Takes a manifest in, with its tag where `target` is one, else with `tags`. With `lazy` what it names need not be here (a cache of another registry). Throws MANIFEST_INVALID, DIGEST_INVALID,
   * MANIFEST_BLOB_UNKNOWN, DENIED for an immutable tag. A kill leaves a manifest without its tag at most.
   */
  async put(
    repository: string,
    target: string,
    sent: { bytes: Buffer; contentType?: string | undefined; lazy?: boolean; tags?: readonly string[] },
  ): Promise<StoredManifest> {
    const { bytes, contentType, lazy = false } = sent;
    const tags = isTag(target) ? [target] : (sent.tags ?? []);
    const digest = digestOf(bytes, isTag(target) ? undefined : contentDigest(target));
    if (!isTag(target) && digest !== target)
      throw new RegistryError("DIGEST_INVALID", `the manifest's digest is ${digest}, not ${target}`);
    const content = parseManifestContent(bytes, contentType);
    for (const tag of tags) await this.#refuseMove(repository, tag, digest);
    const stored = { ...content, digest, bytes, pushed: Date.now() };
    const blobs = lazy ? [] : content.blobs.flatMap((blob) => relied(repository, blob.digest));
    const children = content.manifests.map((child) => KEYS.manifests(repository, child));
    const own = tags.map((tag) => KEYS.tags(repository, tag));
    // Where the manifest may have to be taken back its tags come later: they keep their meaning then.
    const apart = this.deps.storage.settleMs > 0;
    await this.deps.reliance.write([...own, ...blobs, ...children], {
      twice: children.length > 0,
      look: async () => (lazy ? undefined : this.#requireAll(repository, content)),
      write: () => this.#write(repository, stored, apart ? [] : tags),
      undo: () => this.#undo(repository, stored),
    });
    if (apart && tags.length > 0) await this.#writeTags(repository, digest, tags);
    return stored;
  }

  /** Removes a manifest with its tags, or a tag alone. Throws MANIFEST_UNKNOWN, DENIED for immutable tags and for what an index here still names. */
  async remove(repository: string, target: string): Promise<void> {
    if (isTag(target)) return this.#removeTag(repository, target);
    const digest = contentDigest(target);
    using watch = this.deps.reliance.watch();
    const stored = await this.get(repository, digest);
    const tags = await this.tagsOf(repository, digest);
    const fixed = tags.find((tag) => this.deps.policy.immutable(repository, tag));
    if (fixed !== undefined) throw immutableTag(fixed);
    await this.#refuseNamed(repository, digest);
    if (watch.has(KEYS.manifests(repository, digest))) throw stillNamed(digest, "an index that is being pushed");
    await this.drop(repository, digest, tags);
    if (this.deps.storage.exclusive) return;
    try {
      // An index that another machine took in meanwhile.
      await this.#refuseNamed(repository, digest);
    } catch (error) {
      await this.#write(repository, stored, []);
      throw error;
    }
  }

  async #refuseNamed(repository: string, digest: ContentDigest): Promise<void> {
    for await (const { digest: other, manifests } of this.all(repository))
      if (manifests.includes(digest)) throw stillNamed(digest, `the index ${other}`);
  }

  /** Removes a manifest and these tags of it, without asking. */
  async drop(repository: string, digest: ContentDigest, tags: readonly string[]): Promise<void> {
    const { metadata } = this.deps.storage;
    const key = KEYS.manifests(repository, digest);
    const { subject } = (await this.byDigest(repository, digest)) ?? {};
    await metadata.write([
      ...tags.map((tag) => ({ remove: KEYS.tags(repository, tag) })),
      { remove: key },
      ...(subject ? [{ remove: KEYS.referrers(repository, subject, digest) }] : []),
    ]);
    this.#cache.delete(key);
  }

  /** All manifests of a repository, in the order of their digests. */
  async *all(repository: string): AsyncGenerator<StoredManifest> {
    const breathe = breathing();
    for await (const { key } of allEntries(this.deps.storage.metadata, KEYS.manifests(repository))) {
      await breathe();
      const digest = partsOf(key)[1];
      const found = isContentDigest(digest) ? await this.byDigest(repository, digest) : undefined;
      if (found) yield found;
    }
  }

  /** The tags that stand for a manifest. */
  async tagsOf(repository: string, digest: ContentDigest): Promise<string[]> {
    const tags: string[] = [];
    for await (const { key } of allEntries(this.deps.storage.metadata, KEYS.tags(repository))) {
      const tag = partsOf(key)[1] ?? "";
      if ((await this.tag(repository, tag)) === digest) tags.push(tag);
    }
    return tags;
  }

  async #requireAll(repository: string, { blobs, manifests }: ManifestRefs): Promise<void> {
    const missing: object[] = [];
    const wanted = new Map(blobs.map((blob) => [blob.digest, blob.size]));
    const breathe = breathing();
    for (const [digest, size] of wanted) {
      await breathe();
      const found = await this.deps.blobs.reliable(repository, digest);
      if (!found) missing.push({ digest });
      else if (found.size !== size) {
        throw new RegistryError("SIZE_INVALID", `blob ${digest} has ${found.size} bytes, not ${size}`);
      }
    }
    for (const digest of new Set(manifests)) {
      if (!(await this.byDigest(repository, digest))) missing.push({ digest });
    }
    if (missing.length === 0) return;
    const more = missing.length > 1 ? ` and ${missing.length - 1} more` : "";
    throw new RegistryError(
      "MANIFEST_BLOB_UNKNOWN",
      `the manifest names ${(missing[0] as { digest: string }).digest}${more}, which ${repository} has not`,
      { detail: missing.slice(0, MOST_MISSING) },
    );
  }

  /** With its tags in one go, where the storage is exclusive. */
  async #write(repository: string, stored: StoredManifest, tags: readonly string[]): Promise<void> {
    const { storage, policy } = this.deps;
    const { digest, subject } = stored;
    const key = KEYS.manifests(repository, digest);
    const record = encodeRecord(stored);
    const fixed = tags.filter((tag) => policy.immutable(repository, tag));
    const free = tags.filter((tag) => !fixed.includes(tag));
    await storage.metadata.write([
      { put: KEYS.catalog(repository), value: "" },
      ...(subject ? [{ put: KEYS.referrers(repository, subject, digest), value: "" }] : []),
      { put: key, value: record },
      ...free.map((tag) => ({ put: KEYS.tags(repository, tag), value: digest })),
    ]);
    await this.#fix(repository, digest, fixed);
    if (storage.exclusive) this.#cache.set(key, stored, record.byteLength);
  }

  async #writeTags(repository: string, digest: ContentDigest, tags: readonly string[]): Promise<void> {
    const { storage, policy, reliance } = this.deps;
    const fixed = tags.filter((tag) => policy.immutable(repository, tag));
    const keys = tags.filter((tag) => !fixed.includes(tag)).map((tag) => KEYS.tags(repository, tag));
    let doubtful = false;
    const write = (): Promise<void> => storage.metadata.write(keys.map((put) => ({ put, value: digest })));
    await reliance.write(keys, {
      look: async () => {
        for (const tag of tags) doubtful ||= await this.#dangles(repository, tag);
      },
      write,
      undo: async () => undefined,
    });
    if (doubtful) {
      // GC of another machine may just have decided to take it: it is written again after that.
      await delay(storage.settleMs / 2);
      const left = await Promise.all(keys.map((key) => storage.metadata.get(key)));
      if (left.includes(undefined)) await write();
    }
    await this.#fix(repository, digest, fixed);
  }

  /** True for a tag that stands for a manifest which is not here. */
  async #dangles(repository: string, tag: string): Promise<boolean> {
    const before = await this.tag(repository, tag);
    return before !== undefined && !(await this.byDigest(repository, before));
  }

  /** Immutable tags: the first one counts. */
  async #fix(repository: string, digest: ContentDigest, tags: readonly string[]): Promise<void> {
    for (const tag of tags) {
      if (!(await this.deps.storage.metadata.create(KEYS.tags(repository, tag), digest)))
        await this.#refuseMove(repository, tag, digest);
    }
  }

  /** Takes back what was written, unless another machine has taken the same manifest in since: that one has seen by itself what is there. */
  async #undo(repository: string, stored: StoredManifest): Promise<void> {
    const { metadata } = this.deps.storage;
    const key = KEYS.manifests(repository, stored.digest);
    if ((await metadata.get(key))?.equals(encodeRecord(stored))) await metadata.write([{ remove: key }]);
  }

  async #refuseMove(repository: string, tag: string, digest: ContentDigest): Promise<void> {
    if (!this.deps.policy.immutable(repository, tag)) return;
    const before = await this.tag(repository, tag);
    if (before !== undefined && before !== digest) throw immutableTag(tag);
  }

  async #removeTag(repository: string, tag: string): Promise<void> {
    const digest = await this.tag(repository, tag);
    if (digest === undefined) throw new RegistryError("MANIFEST_UNKNOWN", `no tag ${quoted(tag)} in ${repository}`);
    if (this.deps.policy.immutable(repository, tag)) throw immutableTag(tag);
    await this.deps.storage.metadata.write([{ remove: KEYS.tags(repository, tag) }]);
  }
}

function immutableTag(tag: string): RegistryError {
  return new RegistryError("DENIED", `tag ${tag} is immutable here; use another tag`);
}

function stillNamed(digest: ContentDigest, by: string): RegistryError {
  return new RegistryError("DENIED", `manifest ${digest} is named by ${by}; delete that first`);
}

/** A line of JSON about the manifest, then its bytes. */
function encodeRecord({ bytes, digest: _, ...about }: StoredManifest): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(about)}\n`), bytes]);
}

/** From the record's line; a damaged one is made again from the manifest. */
function aboutIt(line: string, bytes: Buffer): Omit<StoredManifest, "bytes" | "digest"> {
  try {
    return JSON.parse(line) as Omit<StoredManifest, "bytes" | "digest">;
  } catch {
    return { ...parseManifestContent(bytes, undefined), pushed: 0 };
  }
}

/** Undefined for a record that is damaged: what is served has the digest it is called by. */
function decodeRecord(digest: ContentDigest, record: Buffer): StoredManifest | undefined {
  const end = record.indexOf(LINE);
  const bytes = record.subarray(end + 1);
  if (end < 0 || digestOf(bytes, digest) !== digest) return undefined;
  return { ...aboutIt(record.subarray(0, end).toString(), bytes), digest, bytes };
}
