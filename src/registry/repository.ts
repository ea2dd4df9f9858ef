import type { FetchAnswer } from "../host/fetch.ts";
import { type Digest, digestOf, isDigest } from "../spec/digest.ts";
import { BerthError, isKind } from "../spec/errors.ts";
import { INDEX_TYPES, MANIFEST_TYPES } from "../spec/oci.ts";
import type { Reference } from "../spec/reference.ts";
import type { Connection, RegistryRequest } from "./connection.ts";
import { openDownload } from "./download.ts";
import { failureOf, unreachable } from "./failure.ts";
import { askForeign } from "./foreign.ts";
import { addReferrer, listReferrers, type ReferrerAccess, referrerOf } from "./referrers.ts";
import { isTransient, type OnWait, Retries } from "./retry.ts";
import { listTags } from "./tags.ts";
import type {
  BlobOptions,
  FetchedManifest,
  ManifestHead,
  Referrer,
  Repository,
  RepositoryOptions,
  UploadOptions,
  UploadSource,
} from "./types.ts";
import { uploadBlob } from "./upload.ts";

/** OCI distribution-spec: registries should take 4 MiB; nobody has a use for larger ones. */
const MAX_MANIFEST = 4 * 1024 * 1024;
const ACCEPT = [...INDEX_TYPES, ...MANIFEST_TYPES].join(", ");
const UNTOLD_ATTEMPTS = 2;
const MANIFESTS = /^application\/vnd\.(oci\.image\.(manifest|index)|docker\.distribution\.manifest)\b/;

/** A repository over a connection to its registry. */
export function openRepository(connection: Connection, ref: Reference, how: RepositoryOptions): Repository {
  return new RemoteRepository(connection, ref, how);
}

class RemoteRepository implements Repository {
  readonly #root: string;
  readonly #scope: string;

  constructor(
    private readonly connection: Connection,
    private readonly ref: Reference,
    private readonly how: RepositoryOptions,
  ) {
    this.#root = `/v2/${ref.path}`;
    this.#scope = `repository:${ref.path}:pull${how.push ? ",push" : ""}`;
  }

  manifest(target: string): Promise<FetchedManifest> {
    return this.#retries().run(() => this.#manifest(target));
  }

  async blob(digest: Digest, options: BlobOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    const { from = 0, size, signal, onWait } = options;
    const path = `${this.#root}/blobs/${digest}`;
    const retries = this.#retries({ signal, onWait, advice: "what has come is kept: pull again" });
    return openDownload({
      ...{ digest, from, size, url: `https://${this.ref.domain}${path}`, retries },
      ask: async (headers) => {
        const answer = await this.#send({ method: "GET", path, headers, ...(signal ? { signal } : {}) });
        if (![200, 206, 416].includes(answer.status)) throw await this.#failed(answer, `blob ${digest}`);
        return answer;
      },
    });
  }

  async foreignBlob(digest: Digest, urls: string[], options: BlobOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    const { from = 0, size, signal = this.how.signal, onWait } = options;
    const { stallMs } = this.connection.retry;
    const registry = `https://${this.ref.domain}/`;
    return openDownload({
      ...{ digest, from, size, url: urls[0] ?? registry, retries: this.#retries({ signal, onWait }) },
      ask: (headers) => askForeign(urls, { headers, signal, stallMs, from: registry }),
    });
  }

  wrongBlob(): boolean {
    return false;
  }

  hasBlob(digest: Digest): Promise<boolean> {
    return this.#retries().run(async () => {
      const answer = await this.#send({ method: "HEAD", path: `${this.#root}/blobs/${digest}` });
      if (answer.status === 200) return true;
      if (answer.status === 404) return false;
      // An answer to HEAD has no words; who may not push is told so by the push.
      if (answer.status === 403 && this.how.push) return false;
      throw await this.#failed(answer, `blob ${digest}`);
    });
  }

  async mountBlob(digest: Digest, from: string): Promise<boolean> {
    const query = new URLSearchParams({ mount: digest, from });
    const path = `${this.#root}/blobs/uploads/?${query}`;
    const answer = await this.#retries()
      .run(() => this.#send({ method: "POST", path }))
      .catch((error: unknown) => {
        // Whoever may not pull from there sends the blob.
        if (isKind(error, "not-found")) return undefined;
        throw error;
      });
    if (!answer || answer.status === 201) return answer !== undefined;
    // The registry began an upload instead: it is not needed.
    const location = answer.status === 202 ? answer.header("location") : undefined;
    if (location) await this.#send({ method: "DELETE", path: location }).catch(() => undefined);
    return false;
  }

  uploadBlob(digest: Digest, source: UploadSource, options: UploadOptions = {}): Promise<void> {
    const { size, progress = () => undefined, onWait } = options;
    return uploadBlob({
      ...{ digest, source, size, progress, root: this.#root },
      url: `https://${this.ref.domain}${this.#root}/blobs/uploads/`,
      send: (request) => this.#send(request),
      failed: (answer) => this.#failed(answer, `upload of ${digest}`),
      has: () => this.hasBlob(digest),
      retries: this.#retries({ onWait }),
    });
  }

  async putManifest(target: string, { mediaType, bytes }: { mediaType: string; bytes: Uint8Array }): Promise<Digest> {
    const answer = await this.#retries().run(() => this.#put(target, mediaType, bytes));
    const digest = digestOf(bytes);
    const about = answer.header("oci-subject") ? undefined : referrerOf({ mediaType, bytes }, digest);
    if (about) await addReferrer(this.#referrerAccess(), about.subject, about.referrer);
    return digest;
  }

  tags(): Promise<string[]> {
    return listTags(`${this.#root}/tags/list`, async (path) => {
      const answer = await this.#send({ method: "GET", path });
      if (answer.status !== 200) throw await this.#failed(answer, `tags of ${this.ref.path}`);
      return answer;
    });
  }

  async headManifest(target: string): Promise<ManifestHead | undefined> {
    const path = `${this.#root}/manifests/${target}`;
    const answer = await this.#send({ method: "HEAD", path, headers: { Accept: ACCEPT } });
    const { mediaType, digest, size } = {
      mediaType: (answer.header("content-type") ?? "").split(";")[0]?.trim() ?? "",
      digest: answer.header("docker-content-digest") ?? "",
      size: Number(answer.header("content-length") ?? Number.NaN),
    };
    if (answer.status === 200 && isDigest(digest) && Number.isSafeInteger(size)) return { mediaType, digest, size };
    const whole = answer.status === 404 ? undefined : await this.#manifestIfAny(target);
    return whole && { mediaType: whole.mediaType, digest: whole.digest, size: whole.bytes.byteLength };
  }

  referrers(digest: Digest): Promise<Referrer[]> {
    return listReferrers(this.#referrerAccess(), digest);
  }

  #referrerAccess(): ReferrerAccess {
    return {
      root: this.#root,
      send: (request) => this.#send(request),
      manifest: (target) => this.#manifestIfAny(target),
      put: (target, manifest) => this.putManifest(target, manifest),
    };
  }

  #manifestIfAny(target: string): Promise<FetchedManifest | undefined> {
    return this.manifest(target).catch((error: unknown) => {
      if (isKind(error, "not-found")) return undefined;
      throw error;
    });
  }

  async #put(target: string, mediaType: string, body: Uint8Array): Promise<FetchAnswer> {
    const path = `${this.#root}/manifests/${target}`;
    const answer = await this.#send({ method: "PUT", path, headers: { "Content-Type": mediaType }, body });
    if (answer.status !== 201 && answer.status !== 202) throw await this.#failed(answer, `manifest ${target}`);
    return answer;
  }

  async #manifest(target: string): Promise<FetchedManifest> {
    const path = `${this.#root}/manifests/${target}`;
    const answer = await this.#send({ method: "GET", path, headers: { Accept: ACCEPT } });
    if (answer.status !== 200) throw await this.#failed(answer, `manifest ${target}`, target);
    const bytes = await answer.bytes(MAX_MANIFEST).catch((error: unknown) => {
      if (isTransient(error)) throw unreachable(error, { method: "GET", url: `https://${this.ref.domain}${path}` });
      if (!(error instanceof RangeError)) throw error;
      throw new BerthError(
        "invalid-argument",
        `manifest ${target} of ${this.ref.domain}/${this.ref.path} is larger than ${MAX_MANIFEST} bytes`,
      );
    });
    const digest = digestOf(bytes);
    const what = `manifest ${target} of ${this.ref.domain}/${this.ref.path}`;
    if (isDigest(target) && digest !== target) {
      throw new BerthError(
        "invalid-argument",
        `manifest verification failed for digest ${target}: the registry sent ${digest}`,
      );
    }
    return { digest, mediaType: mediaTypeOf(answer.header("content-type"), bytes, what), bytes };
  }

  /** Who is not told of waits waits less. */
  #retries(own: { signal?: AbortSignal | undefined; onWait?: OnWait | undefined; advice?: string } = {}): Retries {
    const { onWait = this.how.onWait, signal = this.how.signal, ...rest } = own;
    const { retry } = this.connection;
    const attempts = onWait ? retry.attempts : Math.min(retry.attempts, UNTOLD_ATTEMPTS);
    return new Retries({ ...retry, attempts }, { ...rest, onWait, signal });
  }

  async #send(request: RegistryRequest): Promise<FetchAnswer> {
    try {
      return await this.connection.send(request, this.#scope);
    } catch (error) {
      if (!isKind(error, "unauthorized")) throw error;
      const words = error instanceof Error ? error.message : String(error);
      throw new BerthError(
        "not-found",
        `pull access denied for ${this.ref.path.replace(/^library\//, "")}, repository does not exist or may require 'docker login': ${words}`,
      );
    }
  }

  #failed(answer: FetchAnswer, what: string, target?: string): Promise<BerthError> {
    const { username, identityToken, registryToken } = this.connection.credentials;
    const anonymous = !username && !identityToken && !registryToken;
    return failureOf(answer, { ref: this.ref, what, anonymous, ...(target === undefined ? {} : { target }) });
  }
}

/**
 * What a manifest is. Header and content have to agree where both say it: what means different things to different readers is refused (OCI image-spec,
 * "manifest confusion"). A header of no kind of manifest, as of a plain file server, says nothing.
 */
function mediaTypeOf(header: string | undefined, bytes: Buffer, what: string): string {
  const told = (header ?? "").split(";")[0]?.trim() ?? "";
  const own = ownMediaType(bytes);
  if (own === undefined) return told;
  if (MANIFESTS.test(told) && told !== own) {
    throw new BerthError(
      "invalid-argument",
      `${what} is ambiguous: the registry calls it ${told}, but it calls itself ${own.slice(0, 100)}`,
    );
  }
  return own;
}

function ownMediaType(bytes: Buffer): string | undefined {
  try {
    const { mediaType } = JSON.parse(bytes.toString()) as { mediaType?: unknown };
    return typeof mediaType === "string" ? mediaType : undefined;
  } catch {
    return "";
  }
}
