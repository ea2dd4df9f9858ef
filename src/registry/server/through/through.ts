import type { Digest } from "../../../spec/digest.ts";
import { BerthError, isKind, messageOf } from "../../../spec/errors.ts";
import { RegistryError } from "../errors.ts";
import { allEntries, segmentsOf } from "../generations.ts";
import type { RegistryContext } from "../http/context.ts";
import { decoded, encoded, KEYS } from "../keys.ts";
import { isTag } from "../names.ts";
import type { ContentDigest, PullThrough } from "../types.ts";
import { Transfers } from "./transfers.ts";
import { openUpstream, type UpstreamConfig } from "./upstream.ts";

/** Names that are remembered with the time when they were last asked for. */
const MOST_NAMES = 10_000;
const TOUCH_MS = 24 * 3600_000;

/**
 * A cache of other registries. Manifests and blobs are fetched when they are first asked for, verified, and kept as if they had been pushed; a tag is asked for again when it
 * is not fresh. Where the other side cannot be reached, what is here is served. What comes is bounded and checked as all that a client fetches.
 */
export class Through implements PullThrough {
  readonly #asked = new Map<string, number>();
  readonly #touched = new Map<string, number>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #transfers: Transfers;
  /** The longest prefix first: it counts. */
  readonly #upstreams: readonly UpstreamConfig[];

  constructor(
    private readonly ctx: RegistryContext,
    upstreams: readonly UpstreamConfig[],
  ) {
    this.#upstreams = [...upstreams].sort((a, b) => b.prefix.length - a.prefix.length);
    this.#transfers = new Transfers(ctx);
  }

  async covers(repository: string): Promise<boolean> {
    const upstream = this.#upstream(repository);
    if (!upstream) return false;
    if (upstream.prefix !== "") return true;
    const { metadata } = this.ctx.storage;
    if (await metadata.get(cachedKey(repository))) return true;
    return (await metadata.get(KEYS.catalog(repository))) === undefined;
  }

  named(repository: string, namespace: string): string | undefined {
    const found = this.#upstreams.find(({ registry, prefix }) => prefix !== "" && registry === namespace);
    return found && !repository.startsWith(`${found.prefix}/`) ? `${found.prefix}/${repository}` : undefined;
  }

  async closed(repository: string): Promise<boolean> {
    const upstream = this.#upstream(repository);
    if (!upstream) return false;
    return upstream.prefix !== "" || (await this.ctx.storage.metadata.get(cachedKey(repository))) !== undefined;
  }

  async manifest(repository: string, target: string): Promise<void> {
    const upstream = this.#upstream(repository);
    if (!upstream) return;
    if (!(await this.#fresh(repository, target, upstream)))
      await this.#once(`${repository}:${target}`, () => this.#fetch(repository, target, upstream));
    if (upstream.keepMs !== undefined) await this.#touch(repository, target);
  }

  /** Drops what nobody has asked for in an upstream's `keepMs`. Returns how many manifests. */
  async evict(now: number = Date.now()): Promise<number> {
    const { manifests, storage } = this.ctx;
    let evicted = 0;
    for await (const segment of segmentsOf(storage.metadata, "manifests/")) {
      const repository = decoded(segment);
      const keepMs = (await this.covers(repository)) ? this.#upstream(repository)?.keepMs : undefined;
      if (keepMs === undefined) continue;
      const used = new Map<string, number>();
      for await (const { key, modified } of allEntries(storage.metadata, usedKey(repository, "")))
        used.set(key, modified);
      for await (const { digest, pushed } of manifests.all(repository)) {
        if (now - Math.max(pushed, used.get(usedKey(repository, digest)) ?? 0) < keepMs) continue;
        await manifests.drop(repository, digest, await manifests.tagsOf(repository, digest));
        await storage.metadata.write([{ remove: usedKey(repository, digest) }]);
        evicted += 1;
      }
    }
    return evicted;
  }

  /** Notes that a manifest is in use, once a day. */
  async #touch(repository: string, target: string): Promise<void> {
    const { manifests, storage } = this.ctx;
    const digest = isTag(target) ? await manifests.tag(repository, target) : target;
    if (!digest || Date.now() - (this.#touched.get(`${repository}@${digest}`) ?? 0) < TOUCH_MS) return;
    remember(this.#touched, `${repository}@${digest}`);
    await storage.metadata.write([{ put: usedKey(repository, digest), value: "" }], { volatile: true });
  }

  async blob(repository: string, digest: ContentDigest, request: Request): Promise<Response | undefined> {
    const upstream = this.#upstream(repository);
    if (!upstream || (await this.ctx.blobs.find(repository, digest))) return undefined;
    if (!digest.startsWith("sha256:")) return undefined;
    const size = await this.#sizeOf(repository, digest);
    const length: Record<string, string> = size === undefined ? {} : { "Content-Length": String(size) };
    const headers = { "Content-Type": "application/octet-stream", "Docker-Content-Digest": digest, ...length };
    const remote = openUpstream(upstream, repository);
    if (request.method === "HEAD") {
      const there = await remote.hasBlob(digest as Digest).catch((error: unknown) => this.#failed(upstream, error));
      return there ? new Response(null, { headers }) : undefined;
    }
    const transfer = await this.#transfers
      .join(repository, digest, () => remote.blob(digest as Digest))
      .catch((error: unknown) => this.#failed(upstream, error));
    if (request.headers.has("range")) {
      await transfer.done.catch((error: unknown) => this.#failed(upstream, error));
      return undefined;
    }
    return new Response(streamOf(this.#transfers.follow(transfer)), { headers });
  }

  #upstream(repository: string): UpstreamConfig | undefined {
    return this.#upstreams.find(({ prefix }) => prefix === "" || repository.startsWith(`${prefix}/`));
  }

  async #fresh(repository: string, target: string, { freshMs }: UpstreamConfig): Promise<boolean> {
    if (!isTag(target)) return (await this.ctx.manifests.byDigest(repository, target as ContentDigest)) !== undefined;
    const asked = this.#asked.get(`${repository}:${target}`);
    return asked !== undefined && Date.now() - asked < freshMs;
  }

  async #fetch(repository: string, target: string, upstream: UpstreamConfig): Promise<void> {
    const { manifests, storage } = this.ctx;
    try {
      const { bytes, mediaType } = await openUpstream(upstream, repository).manifest(target);
      await storage.metadata.write([{ put: cachedKey(repository), value: "" }]);
      await manifests.put(repository, target, { bytes, contentType: mediaType, lazy: true });
      if (isTag(target)) remember(this.#asked, `${repository}:${target}`);
    } catch (error) {
      if (isKind(error, "not-found")) return this.#gone(repository, target);
      const here = isTag(target) && (await manifests.tag(repository, target));
      if (!here) return this.#failed(upstream, error);
      this.ctx.log(`${upstream.registry}: ${messageOf(error)}; ${repository}:${target} is served as it was`);
      remember(this.#asked, `${repository}:${target}`);
    }
  }

  /** The other side has it no more: a tag ends, what it stood for stays. */
  async #gone(repository: string, target: string): Promise<void> {
    if (isTag(target)) await this.ctx.storage.metadata.write([{ remove: KEYS.tags(repository, target) }]);
  }

  #failed(upstream: UpstreamConfig, error: unknown): never {
    if (error instanceof RegistryError) throw error;
    if (!(error instanceof BerthError)) throw error;
    if (error.kind === "not-found") throw new RegistryError("BLOB_UNKNOWN", `${upstream.registry} has it not`);
    throw new RegistryError("UNKNOWN", `upstream ${upstream.registry}: ${error.message}`, { status: 502 });
  }

  async #sizeOf(repository: string, digest: ContentDigest): Promise<number | undefined> {
    for await (const { blobs } of this.ctx.manifests.all(repository)) {
      const found = blobs.find((blob) => blob.digest === digest);
      if (found) return found.size;
    }
    return undefined;
  }

  async #once(key: string, work: () => Promise<void>): Promise<void> {
    const running = this.#running.get(key) ?? work().finally(() => this.#running.delete(key));
    this.#running.set(key, running);
    return running;
  }
}

function remember(times: Map<string, number>, key: string): void {
  times.delete(key);
  times.set(key, Date.now());
  const [oldest] = times.keys();
  if (times.size > MOST_NAMES && oldest !== undefined) times.delete(oldest);
}

/** When a manifest was last asked for. */
function usedKey(repository: string, digest: string): string {
  return `used/${encoded(repository)}/${digest}`;
}

/** Says that a repository is a cache, where its name alone does not. */
function cachedKey(repository: string): string {
  return `cached/${encoded(repository)}`;
}

function streamOf(source: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await source.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await source.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
