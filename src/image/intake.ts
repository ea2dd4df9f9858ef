import { closeSync, createReadStream, openSync, readSync } from "node:fs";
import { type Compression, decompress, detectCompression } from "../layer/compression.ts";
import type { ChainId } from "../layer/types.ts";
import type { Digest } from "../spec/digest.ts";
import { MediaType } from "../spec/oci.ts";
import type { BlobInfo, BlobStore, Lease } from "../store/types.ts";
import type { Catalog } from "./catalog.ts";
import { sweep } from "./gc.ts";

const MAGIC_BYTES = 8;

/** A layer's blob with its media type. */
export interface LayerBlob extends BlobInfo {
  mediaType: string;
}

/**
 * What one operation brings into the store. Everything it takes in is leased until it is disposed of; what no image needs by then is
 * removed again, so that a failure leaves the store as it was.
 */
export class Intake implements AsyncDisposable {
  readonly blobs: BlobStore;
  readonly #lease: Lease;
  readonly #newBlobs = new Set<Digest>();
  readonly #newChains = new Set<ChainId>();

  constructor(private readonly catalog: Catalog) {
    this.blobs = catalog.deps.blobs;
    this.#lease = catalog.deps.leases.acquire();
  }

  /** Takes in a stream. Where the store has the expected blob already, the stream is read past. */
  async stream(
    source: AsyncIterable<Uint8Array>,
    expected: { digest?: Digest; size?: number } = {},
  ): Promise<BlobInfo> {
    const known = expected.digest && this.#have(expected.digest);
    if (known) {
      for await (const _chunk of source);
      return known;
    }
    return this.blobs.ingest(source, { ...expected, lease: this.#noting() });
  }

  async bytes(bytes: Uint8Array): Promise<BlobInfo> {
    return this.stream(
      (async function* () {
        yield bytes;
      })(),
    );
  }

  /** The blob as one that a manifest may name: plain, gzip and zstd stay byte for byte; OCI has no media type for bzip2 and xz, which become plain. */
  async layerBlob(blob: BlobInfo): Promise<LayerBlob> {
    const kind = compressionOf(this.blobs.path(blob.digest));
    if (kind === "gzip") return { ...blob, mediaType: MediaType.layerGzip };
    if (kind === "zstd") return { ...blob, mediaType: MediaType.layerZstd };
    if (kind === "none") return { ...blob, mediaType: MediaType.layer };
    const plain = await this.stream(decompress(createReadStream(this.blobs.path(blob.digest))));
    return { ...plain, mediaType: MediaType.layer };
  }

  /** Keeps a blob that is about to come, and notes whether it is new. */
  expectBlob(digest: Digest): void {
    if (!this.#have(digest)) this.#newBlobs.add(digest);
  }

  /** Keeps a stack that is about to be unpacked, and notes whether it is new. */
  expectChain(chain: ChainId): void {
    this.#lease.add(chain);
    if (!this.catalog.deps.layers.get(chain)) this.#newChains.add(chain);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lease[Symbol.asyncDispose]();
    await sweep(this.catalog, { chains: this.#newChains, blobs: this.#newBlobs });
  }

  /** The lease as `ingest` sees it: asked before the blob is published, so that a new one can be told from one that was there. */
  #noting(): Lease {
    return {
      add: (digest) => this.expectBlob(digest),
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  #have(digest: Digest): BlobInfo | undefined {
    this.#lease.add(digest);
    const size = this.blobs.size(digest);
    return size === undefined ? undefined : { digest, size };
  }
}

/** How the file at `path` is compressed, by its first bytes. */
export function compressionOf(path: string): Compression {
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(MAGIC_BYTES);
    return detectCompression(head.subarray(0, readSync(fd, head, 0, MAGIC_BYTES, 0)));
  } finally {
    closeSync(fd);
  }
}
