import type { Digest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/oci.ts";
import type { Reference } from "../spec/reference.ts";
import type { NameResolution } from "../spec/resolution.ts";
import type { HealthOptions, MirrorState } from "./health.ts";
import type { OnWait, RetryOptions } from "./retry.ts";

/** How a person proves who they are (Engine API, "Authentication"): by name and password, by a token that buys others, or by one for this very registry. */
export interface Credentials {
  username?: string;
  password?: string;
  identityToken?: string;
  registryToken?: string;
  /** The registry that they are for, where that is told: they go to no other that a name leads to by the configuration. */
  server?: string;
}

/** One that gives what another registry has. */
export interface Mirror {
  /** `docker.io`, or `host[:port]`. */
  registry: string;
  /** `http(s)://host[:port][/path]`. The registry's root is at `path`; where that has a part `v2`, what is behind it is the beginning of the repositories' names. */
  url: string;
}

/** Mirrors of one registry, in the order in which they are asked. */
export interface MirrorReport {
  registry: string;
  mirrors: MirrorState[];
  /** Who gave something last: a mirror's URL, or the registry's own name; milliseconds since 1970. */
  last?: { by: string; at: number };
}

/** How much is transferred at once, and how often it is tried, where it is not as without settings. */
export interface TransferLimits {
  /** Layers of one pull at once. */
  downloads?: number;
  /** Layers of one push at once. */
  uploads?: number;
  /** Of what is fetched, in a row without progress; the first one counts. */
  attempts?: number;
}

/** Which registries are asked, and how. */
export interface RegistryOptions extends NameResolution {
  /** `registry-mirrors`: asked before their registries, in this order. */
  mirrors: Mirror[];
  /** `insecure-registries`: `host[:port]` or CIDR, besides the loopback addresses: any certificate will do, and plain HTTP. */
  insecure: string[];
  /** Folders with `<host>[:port]/{*.crt, *.cert, *.key}` as dockerd has them in /etc/docker/certs.d. */
  certsDirs: string[];
  userAgent: string;
  transfers?: TransferLimits;
  /** Where failures are waited out in another way than `RETRY` says. */
  retry?: Partial<RetryOptions>;
  /** Where mirrors that fail are dealt with in another way than `HEALTH` says. */
  health?: Partial<HealthOptions>;
}

/** A manifest as the registry gave it. */
export interface FetchedManifest {
  digest: Digest;
  mediaType: string;
  bytes: Buffer;
}

/** A manifest as its answer's head describes it: the registry's word, unverified. */
export type ManifestHead = Pick<Descriptor, "digest" | "mediaType" | "size">;

/** A manifest whose `subject` is another, such as a signature (OCI distribution-spec, "Listing Referrers"). */
export interface Referrer extends Descriptor {
  artifactType?: string;
}

/** Bytes of a blob that have gone, so far. */
export type TransferProgress = (done: number) => void;

/** A blob to send: a stream, which can be read only once, or what gives its bytes from anywhere on. */
export type UploadSource =
  | AsyncIterable<Uint8Array>
  | ((from: number) => AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>);

/** How a blob is sent. */
export interface UploadOptions {
  /** Of the whole, in bytes. */
  size?: number;
  progress?: TransferProgress;
  /** Told of waits between attempts. */
  onWait?: OnWait;
}

/** How a blob is fetched. Sizes in bytes. */
export interface BlobOptions {
  signal?: AbortSignal;
  /** Where in the blob to begin: the bytes before are there. Not more than `size`. */
  from?: number;
  /** Of the whole blob, as its manifest tells. Without it a registry that ends an answer early is not noticed. */
  size?: number;
  /** Told of waits between attempts. */
  onWait?: OnWait;
}

/**
 * One repository of one registry (OCI distribution-spec 1.1). All that comes in is bounded; manifests are verified against their digests, blobs by whoever takes
 * them. Errors: `not-found` in Docker's words for what is missing or not ours to see, `unauthorized`, and `internal` for registries that cannot be reached.
 */
export interface Repository {
  /** By tag or digest. */
  manifest(target: string): Promise<FetchedManifest>;
  /** What is known of a manifest without its bytes. Undefined where there is none. */
  headManifest(target: string): Promise<ManifestHead | undefined>;
  /** What refers to a manifest: by the registry's API, or by the tag that stands in for it. */
  referrers(digest: Digest): Promise<Referrer[]>;
  /** A blob's bytes, unverified. A connection that fails or stalls is replaced by one that goes on from there, until that fails some times in a row. */
  blob(digest: Digest, options?: BlobOptions): Promise<AsyncIterable<Uint8Array>>;
  /** The same from addresses of which the manifest says that they have it: http and https, without a token, never of this machine. */
  foreignBlob(digest: Digest, urls: string[], options?: BlobOptions): Promise<AsyncIterable<Uint8Array>>;
  /**
   * What `blob` gave last of this blob was wrong. True where a mirror gave it, which is passed over for this blob from now on, and counts as failing: asked again, another
   * place gives it.
   */
  wrongBlob(digest: Digest, error: unknown): boolean;
  hasBlob(digest: Digest): Promise<boolean>;
  /** True where the registry took the blob over from another repository of its own. */
  mountBlob(digest: Digest, from: string): Promise<boolean>;
  /** Sends a blob. After a failure it goes on from what the registry has, where the source can be read from its middle and the size is told. */
  uploadBlob(digest: Digest, source: UploadSource, options?: UploadOptions): Promise<void>;
  /** One that has a subject is added to its referrers, if the registry does not do so itself. */
  putManifest(target: string, manifest: { mediaType: string; bytes: Uint8Array }): Promise<Digest>;
  /** All tags, over as many pages as there are, in the registry's order. */
  tags(): Promise<string[]>;
}

/** One result of a search, as the Engine API gives it (ImageSearch). */
export interface SearchResult {
  description: string;
  is_official: boolean;
  is_automated: boolean;
  name: string;
  star_count: number;
}

/** With whose rights a repository is used, and what for. */
export interface RepositoryOptions {
  push?: boolean;
  credentials?: Credentials;
  /** Ends all that is under way with the repository, but for blobs that have a signal of their own. */
  signal?: AbortSignal;
  /** Told of waits between attempts. Without it few are made. */
  onWait?: OnWait;
  /** Told once of each mirror that gives wrong content: its URL, and what is wrong. */
  onWrong?: OnWrong;
}

/** Told of a mirror that gives wrong content. */
export type OnWrong = (url: string, why: string) => void;

/** Registries, by the names of images. Tokens are kept in memory and go only to the host that they are for. */
export interface RegistryClient {
  repository(ref: Reference, options: RepositoryOptions): Repository;
  /** Proves the credentials. Returns an identity token where the registry gives one. Throws `unauthorized`. */
  login(host: string, credentials: Credentials): Promise<{ identityToken?: string }>;
  /** Searches an index by version 1 of its protocol; `term` may begin with a host. */
  search(term: string, options: { limit: number; credentials?: Credentials }): Promise<SearchResult[]>;
  /** How the mirrors are, by registry. */
  mirrors(): MirrorReport[];
  /** For `info`. May be changed, for all that begins from then on. */
  options: RegistryOptions;
}
