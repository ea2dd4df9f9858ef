import type { ChainId } from "../layer/types.ts";
import type { BlobOptions, Repository } from "../registry/types.ts";
import { type Digest, shortId } from "../spec/digest.ts";
import { BerthError, errnoOf, fromErrno, isKind } from "../spec/errors.ts";
import { type Descriptor, FOREIGN_LAYERS } from "../spec/oci.ts";
import type { Catalog } from "./catalog.ts";
import type { Intake } from "./intake.ts";
import type { MessageQueue } from "./message-queue.ts";
import { rightBlob } from "./pull-manifest.ts";
import type { Job } from "./shared-work.ts";
import type { ImageProgress, LayerState } from "./types.ts";

/** Downloads at the same time, where `max-concurrent-downloads` says nothing. */
const AT_ONCE = 3;
const PROGRESS_STEP = 256 * 1024;

/** A layer as the manifest names it, and what it makes on top of the ones below. */
export interface WantedLayer {
  descriptor: Descriptor;
  chain: ChainId;
  diffId: Digest;
  parent?: ChainId;
}

interface LayerPullDeps {
  catalog: Catalog;
  repository: Repository;
  intake: Intake;
  queue: MessageQueue<ImageProgress>;
  signal?: AbortSignal;
  /** Downloads at the same time. */
  atOnce?: number | undefined;
}

/** The layers of one pull: at most `atOnce` come at once, each is unpacked as soon as it and the beginning of the one below are there. */
export class LayerPull {
  #free: number;
  readonly #waiting: (() => void)[] = [];
  readonly #stop = new AbortController();
  /** Resolved once a layer's unpacking has begun, or never will: the one above it may begin then, and waits for it in the store. */
  readonly #begun = new Map<ChainId, PromiseWithResolvers<void>>();
  readonly #signal: AbortSignal;

  constructor(private readonly deps: LayerPullDeps) {
    this.#free = deps.atOnce ?? AT_ONCE;
    this.#signal = deps.signal ? AbortSignal.any([deps.signal, this.#stop.signal]) : this.#stop.signal;
  }

  /** `quiet` says nothing of layers that are here. Ends when the last layer has ended, also where one fails; the first failure stops the others. */
  async all(layers: readonly WantedLayer[], { quiet }: { quiet: boolean }): Promise<void> {
    for (const { descriptor, chain } of layers) {
      this.deps.intake.expectChain(chain);
      this.#begun.set(chain, Promise.withResolvers());
      const known = this.deps.catalog.deps.layers.get(chain) !== undefined;
      if (!known || !quiet) this.#say(descriptor, known ? "Already exists" : "Pulling fs layer", {});
    }
    let failure: unknown;
    await Promise.all(
      layers.map((layer) =>
        this.#one(layer).catch((error: unknown) => {
          failure ??= error;
          this.#stop.abort();
          this.#begun.get(layer.chain)?.resolve();
        }),
      ),
    );
    if (failure !== undefined) throw failure;
  }

  async #one({ descriptor, chain, diffId, parent }: WantedLayer): Promise<void> {
    const { layers, blobs } = this.deps.catalog.deps;
    const begun = this.#begun.get(chain);
    if (layers.get(chain)) return begun?.resolve();
    await this.#slot(descriptor, () => this.#download(descriptor));
    if (parent) await this.#begun.get(parent)?.promise;
    const total = descriptor.size;
    const applied = layers.applyFile(blobs.path(descriptor.digest), {
      diffId,
      blob: descriptor.digest,
      ...(parent ? { parent } : {}),
      progress: (current) => this.#say(descriptor, "Extracting", { current, total }, true),
    });
    begun?.resolve();
    await applied;
    this.#say(descriptor, "Pull complete", {});
  }

  async #slot(descriptor: Descriptor, work: () => Promise<void>): Promise<void> {
    if (this.#free === 0) {
      this.#say(descriptor, "Waiting", {});
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#free--;
    try {
      this.#signal.throwIfAborted();
      await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }

  async #download(descriptor: Descriptor): Promise<void> {
    const { intake, catalog } = this.deps;
    const { digest } = descriptor;
    intake.expectBlob(digest);
    if (!intake.blobs.has(digest)) {
      const tell = ({ status, detail }: LayerState): void =>
        this.#say(descriptor, status, detail ?? {}, detail !== undefined);
      const start = (job: Job<LayerState>): Promise<void> => this.#fetch(descriptor, job);
      await catalog.downloads.join(digest, { start, tell, signal: this.#signal }).catch((error: unknown) => {
        throw explained(error, descriptor);
      });
    }
    this.#say(descriptor, "Download complete", {});
  }

  /** From where the last one stopped. Others may wait for it as well, and longer: it has a lease and a signal of its own. */
  async #fetch(descriptor: Descriptor, { signal, tell }: Job<LayerState>): Promise<void> {
    const { digest, size } = descriptor;
    const { blobs, leases } = this.deps.catalog.deps;
    await using lease = leases.acquire();
    lease.add(digest);
    if (blobs.has(digest)) return;
    const onWait = (n: number): void => tell(waiting(n));
    const source = async (from: number): Promise<AsyncIterable<Uint8Array>> =>
      counted(await this.#source(descriptor, { from, size, signal, onWait }), { from, size, tell });
    await rightBlob(this.deps.repository, digest, () => blobs.complete(source, { digest, size, lease }));
  }

  /** A foreign layer is where its addresses say, if the registry has not got it. */
  async #source(
    { mediaType, digest, urls = [] }: Descriptor,
    options: BlobOptions,
  ): Promise<AsyncIterable<Uint8Array>> {
    const { repository } = this.deps;
    if (!FOREIGN_LAYERS.includes(mediaType) || urls.length === 0) return repository.blob(digest, options);
    return repository.blob(digest, options).catch((error: unknown) => {
      if (!isKind(error, "not-found")) throw error;
      return repository.foreignBlob(digest, urls, options);
    });
  }

  #say(
    descriptor: Descriptor,
    status: string,
    progressDetail: { current?: number; total?: number },
    replaceable = false,
  ): void {
    const id = shortId(descriptor.digest);
    this.deps.queue.push({ status, progressDetail, id }, replaceable ? id : undefined);
  }
}

/** Before another attempt, as dockerd says it. */
export function waiting(seconds: number): { status: string } {
  return { status: `Retrying in ${seconds} second${seconds === 1 ? "" : "s"}` };
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  { from, size, tell }: { from: number; size: number; tell: (state: LayerState) => void },
): AsyncGenerator<Uint8Array> {
  let current = from;
  let told = from;
  tell({ status: "Downloading", detail: { current, total: size } });
  for await (const chunk of source) {
    current += chunk.byteLength;
    if (current - told >= PROGRESS_STEP || current === size) {
      told = current;
      tell({ status: "Downloading", detail: { current, total: size } });
    }
    yield chunk;
  }
  tell({ status: "Verifying Checksum" });
}

/** What the registry's client says is whole; what the disk says gets the layer's name. */
function explained(error: unknown, { digest }: Descriptor): unknown {
  const isDisk = errnoOf(error) !== undefined && !(error instanceof BerthError);
  return isDisk ? fromErrno(error, `layer ${shortId(digest)}`) : error;
}
