import type { OnWait } from "../../registry/retry.ts";
import type { FetchedManifest, Referrer } from "../../registry/types.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Reference } from "../../spec/reference.ts";
import type { ContentDescriptor } from "../content.ts";
import type { ParsedManifest } from "../remote/resolve.ts";

/** Where images are copied from: a registry's repository, a folder, an archive. All bytes are verified by whoever takes them. */
export interface CopySource extends AsyncDisposable {
  /** For messages. */
  readonly name: string;
  /** The name that the image has there, with its tag; undefined where it has none. */
  readonly ref?: Reference | undefined;
  /** The repository that it is in, for mounts inside one registry. */
  readonly repository?: { domain: string; path: string };
  /** What the name stands for. */
  top(): Promise<FetchedManifest>;
  manifest(digest: Digest): Promise<FetchedManifest>;
  /** A blob's bytes, from `from` on. `onWait` is told of the seconds until the next attempt, where the network fails. */
  blob(
    blob: { digest: Digest; size?: number },
    options?: { from?: number; signal?: AbortSignal; onWait?: OnWait },
  ): Promise<AsyncIterable<Uint8Array>>;
  referrers(digest: Digest): Promise<Referrer[]>;
  /** What a tag beside the image stands for; undefined where there is none. */
  tagged(tag: string): Promise<FetchedManifest | undefined>;
}

/** A manifest that is about another: by its subject, or by its tag, as cosign names signatures. */
export type Companion = ParsedManifest & { tag?: string };

/** One image, or all images of an index, with everything that goes along. */
export interface PlannedImage {
  source: CopySource;
  root: ParsedManifest;
  /** All manifests, each once, what an index names before the index. The root is the last. */
  manifests: ParsedManifest[];
  /** What refers to them, each once, in the order in which it was found. */
  referrers: Companion[];
  /** Configs and layers of all of them, each once. */
  blobs: ContentDescriptor[];
  /** Layers that have addresses of their own and stay there (OCI image-spec, layer.md, "Non-Distributable Layers"). */
  foreign: ContentDescriptor[];
  /** What could not be had and is not needed, a line each. */
  notes: string[];
}

/** A blob's bytes from a place on; all of them by default. */
export type OpenBlob = (from?: number) => AsyncIterable<Uint8Array>;

/**
 * Where images are copied to. Life cycle: `begin`, for each blob `already` and, if that has nothing to say, `write`, then `finish`. Only `finish` makes images seen; disposed of before it, a sink leaves nothing
 * that is seen: at most whole blobs that nothing names.
 */
export interface CopySink extends AsyncDisposable {
  readonly name: string;
  /** How many blobs are written at once; 1: in the order that `begin` gave. */
  readonly atOnce: number;
  /** Told all that will come. Returns the blobs in the order in which they are to be written. Throws where the sink cannot hold it. */
  begin(images: readonly PlannedImage[], blobs: readonly ContentDescriptor[]): Promise<ContentDescriptor[]>;
  /** Why the blob need not be sent, for people: it is there, or the registry took it over from another repository. */
  already(blob: ContentDescriptor, source: CopySource): Promise<string | undefined>;
  /** `open` gives the blob's bytes from a place on; they throw at their end, and never come to it, where they are not what the descriptor says. */
  write(blob: ContentDescriptor, open: OpenBlob, options?: { onWait?: OnWait }): Promise<void>;
  /** Manifests, children first, then the names. */
  finish(): Promise<void>;
}
