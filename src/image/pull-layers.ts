import type { ChainId } from "../layer/types.ts";
import type { Repository } from "../registry/types.ts";
import { type Digest, shortId } from "../spec/digest.ts";
import { BerthError, fromErrno } from "../spec/errors.ts";
import type { Descriptor } from "../spec/oci.ts";
import type { Catalog } from "./catalog.ts";
import type { Intake } from "./intake.ts";
import type { MessageQueue } from "./message-queue.ts";
import type { ImageProgress } from "./types.ts";

/** Downloads at the same time, as dockerd's `max-concurrent-downloads`. */
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
}

/** The layers of one pull: at most three come at once, each is unpacked as soon as it and the beginning of the one below are there. */
export class LayerPull {
  #free = AT_ONCE;
  readonly #waiting: (() => void)[] = [];
  readonly #stop = new AbortController();
  /** Resolved once a layer's unpacking has begun, or never will: the one above it may begin then, and waits for it in the store. */
  readonly #begun = new Map<ChainId, PromiseWithResolvers<void>>();
  readonly #signal: AbortSignal;

  constructor(private readonly deps: LayerPullDeps) {
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
    const { intake, repository } = this.deps;
    const { digest, size: total } = descriptor;
    if (!intake.blobs.has(digest)) {
      const source = await repository.blob(digest, { signal: this.#signal });
      const counted = this.#counted(descriptor, source, total);
      await intake.stream(counted, { digest, size: total }).catch((error: unknown) => {
        throw explained(error, descriptor);
      });
    } else await intake.stream(nothing(), { digest });
    this.#say(descriptor, "Download complete", {});
  }

  async *#counted(
    descriptor: Descriptor,
    source: AsyncIterable<Uint8Array>,
    total: number,
  ): AsyncGenerator<Uint8Array> {
    let current = 0;
    let told = 0;
    for await (const chunk of source) {
      current += chunk.byteLength;
      if (current > total)
        throw new BerthError(
          "invalid-argument",
          `layer ${shortId(descriptor.digest)}: the registry sends more than the ${total} bytes that the manifest tells`,
        );
      if (current - told >= PROGRESS_STEP || current === total) {
        told = current;
        this.#say(descriptor, "Downloading", { current, total }, true);
      }
      yield chunk;
    }
    this.#say(descriptor, "Verifying Checksum", {});
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

async function* nothing(): AsyncGenerator<Uint8Array> {}

function explained(error: unknown, { digest, size }: Descriptor): unknown {
  if (error instanceof BerthError) return error;
  const name = `layer ${shortId(digest)}`;
  const code = (error as { code?: string }).code;
  if (code === "ECONNRESET" || code === "ConnectionClosed") {
    return new BerthError("internal", `${name}: the connection was closed before all ${size} bytes had come`, {
      hint: "pull again: what is there already is kept",
      cause: error,
    });
  }
  return fromErrno(error, name);
}
