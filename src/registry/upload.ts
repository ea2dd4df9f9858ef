import type { FetchAnswer } from "../host/fetch.ts";
import type { Digest } from "../spec/digest.ts";
import type { BerthError } from "../spec/errors.ts";
import type { RegistryRequest } from "./connection.ts";
import { unreachable } from "./failure.ts";
import { isTransient, markTransient, type Retries } from "./retry.ts";
import type { TransferProgress, UploadSource } from "./types.ts";

/** Larger pieces than these would look like a standstill on a slow line. */
const PIECE = 128 * 1024;
/** Fewer bytes than these, acknowledged between two failures, are no progress. */
const PROGRESS = 16 * 1024;
const OCTETS = { "Content-Type": "application/octet-stream" };

/** One upload, and the way to its registry. */
export interface UploadJob {
  digest: Digest;
  source: UploadSource;
  /** Of the whole, in bytes; needed to go on in its middle. */
  size: number | undefined;
  progress: TransferProgress;
  /** `/v2/<name>` of the repository. */
  root: string;
  send(request: RegistryRequest): Promise<FetchAnswer>;
  /** The error that an answer stands for. */
  failed(answer: FetchAnswer): Promise<BerthError>;
  has(): Promise<boolean>;
  retries: Retries;
  /** For errors. */
  url: string;
}

/**
 * Sends a blob (OCI distribution-spec, "Pushing blobs": POST, PATCH, PUT). After a failure the registry is asked how much it has, and gets the rest; where it knows nothing of the
 * upload any more, a new one is begun. A source that can be read only once ends with the first failure after its first byte. What the registry has in the end it has
 * verified by the digest.
 */
export function uploadBlob(job: UploadJob): Promise<void> {
  return new Upload(job).run();
}

class Upload {
  #session: string | undefined;
  /** What the registry has for sure. */
  #at = 0;
  #best = 0;
  /** How far the registry is has to be asked. */
  #uncertain = false;
  #finishing = false;
  /** Part of it is of an earlier connection: should the whole be wrong, that may be why. */
  #resumed = false;
  #renewed = false;
  #taken = false;

  constructor(private readonly job: UploadJob) {}

  async run(): Promise<void> {
    const { retries, url } = this.job;
    for (;;) {
      try {
        if (this.#uncertain && (await this.#ask())) return;
        this.#session ??= await this.#begin();
        await this.#patch(this.#session);
        await this.#finish(this.#session);
        return;
      } catch (error) {
        if (this.#taken && typeof this.job.source !== "function") throw error;
        await retries.after(isTransient(error) ? unreachable(error, { method: "PATCH", url }) : error);
        this.#uncertain = this.#finishing || this.#session !== undefined;
      }
    }
  }

  async #begin(): Promise<string> {
    const { send, failed, root } = this.job;
    const answer = await send({ method: "POST", path: `${root}/blobs/uploads/`, headers: { "Content-Length": "0" } });
    const session = answer.header("location");
    if (answer.status !== 202 || !session) throw await failed(answer);
    [this.#at, this.#resumed] = [0, false];
    return session;
  }

  /** Where the upload stands. True: the blob is there, it was only the answer that was lost. */
  async #ask(): Promise<boolean> {
    const { send, has, size } = this.job;
    if (this.#finishing && (await has())) return true;
    this.#finishing = false;
    const session = this.#session;
    if (session === undefined) {
      this.#uncertain = false;
      return false;
    }
    const answer = await send({ method: "GET", path: session });
    const [, last = ""] = /^(?:bytes=)?0-(\d+)$/.exec(answer.header("range") ?? "") ?? [];
    const at = Number(last) + 1;
    this.#uncertain = false;
    // `0-0` is what some say of an empty upload: not worth to go on with.
    if (![200, 202, 204].includes(answer.status) || at < 2 || size === undefined || at > size) {
      this.#session = undefined;
      if (answer.status !== 404) await send({ method: "DELETE", path: session }).catch(() => undefined);
      return false;
    }
    this.#session = answer.header("location") ?? session;
    if (at - this.#best >= PROGRESS) {
      this.#best = at;
      this.#renewed = false;
      this.job.retries.progress();
    }
    [this.#at, this.#resumed] = [at, true];
    return false;
  }

  async #patch(session: string): Promise<void> {
    const { send, failed, size, source } = this.job;
    if (this.#at > 0 && this.#at === size) return;
    const rest = this.#at > 0 && size !== undefined ? restOf(this.#at, size) : {};
    this.#taken = true;
    const bytes = typeof source === "function" ? await source(this.#at) : source;
    const headers = { ...OCTETS, ...rest };
    const answer = await send({ method: "PATCH", path: session, headers, body: this.#counted(bytes) });
    if (answer.status !== 202 && answer.status !== 204) throw await this.#refused(answer, failed);
    this.#session = answer.header("location") ?? session;
  }

  async #finish(session: string): Promise<void> {
    const { send, failed, digest } = this.job;
    const at = this.#session ?? session;
    this.#finishing = true;
    const path = `${at}${at.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`;
    const answer = await send({ method: "PUT", path, headers: { "Content-Length": "0" } });
    if (answer.status !== 201) throw await this.#refused(answer, failed);
  }

  /** What the refusal of a part means: a lost upload, an outlived token or a wrong place can be gone on from. */
  async #refused(answer: FetchAnswer, failed: UploadJob["failed"]): Promise<BerthError> {
    const error = await failed(answer);
    const again = (): BerthError => markTransient(error, { network: { code: "ECONNRESET" } });
    if (answer.status === 401 && !this.#renewed) {
      this.#renewed = true;
      return again();
    }
    if (answer.status === 404) this.#session = undefined;
    if (answer.status === 404 || answer.status === 416) return again();
    if (answer.status === 400 && this.#resumed) {
      this.#session = undefined;
      return again();
    }
    return error;
  }

  async *#counted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    let done = this.#at;
    for await (const chunk of source) {
      for (let at = 0; at < chunk.byteLength; at += PIECE) {
        const piece = chunk.subarray(at, at + PIECE);
        yield piece;
        done += piece.byteLength;
        this.job.progress(done);
      }
    }
  }
}

function restOf(at: number, size: number): Record<string, string> {
  return { "Content-Range": `${at}-${size - 1}`, "Content-Length": String(size - at) };
}
