import type { FetchAnswer } from "../host/fetch.ts";
import type { Digest } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import { unreachable } from "./failure.ts";
import { isTransient, markTransient, type Retries } from "./retry.ts";

/** Fewer bytes than these on one connection are no progress: a registry that gives one byte a time is given up on. */
const PROGRESS = 16 * 1024;

/** Which part of a blob, and what is known of it. */
export interface DownloadOptions {
  digest: Digest;
  /** Where in the blob to begin, in bytes. */
  from: number;
  /** Of the whole blob, in bytes; without it a stream's end is the blob's. */
  size: number | undefined;
  /** Asks for the blob with these headers. Gives 200, 206 and 416; throws for all else. */
  ask(headers: Record<string, string>): Promise<FetchAnswer>;
  retries: Retries;
  /** For errors. */
  url: string;
}

/**
 * A blob's bytes from `from` on, over as many connections as it takes: each goes on by Range (RFC 9110, section 14) where the last one ended, with If-Range where the
 * server gave a strong ETag. Of a server that gives the whole blob instead, what was there already is read past. The bytes are not verified. Throws at once where the
 * registry's blob has another size.
 */
export async function openDownload(options: DownloadOptions): Promise<AsyncIterable<Uint8Array>> {
  const download = new Download(options);
  if (options.from === options.size) return download.rest(undefined);
  const first = await options.retries.run(() => download.open());
  return download.rest(first);
}

/** What one connection gives. */
interface Part {
  body: AsyncIterable<Uint8Array>;
  /** Bytes to read past. */
  skip: number;
}

class Download {
  #at: number;
  #etag: string | undefined;
  #ranges = true;

  constructor(private readonly options: DownloadOptions) {
    this.#at = options.from;
  }

  async *rest(first: Part | undefined): AsyncGenerator<Uint8Array, void, void> {
    const { retries, size } = this.options;
    for (let part = first; this.#at !== size; part = undefined) {
      let got = 0;
      try {
        part ??= await this.open();
        for await (const chunk of part.body) {
          const skipped = Math.min(part.skip, chunk.byteLength);
          part.skip -= skipped;
          if (skipped === chunk.byteLength) continue;
          const fresh = chunk.subarray(skipped);
          this.#at += fresh.byteLength;
          got += fresh.byteLength;
          if (got >= PROGRESS) retries.progress();
          yield fresh;
        }
        if (size === undefined || this.#at >= size) return;
        if (got < PROGRESS) throw this.#short();
      } catch (error) {
        const { url } = this.options;
        await retries.after(isTransient(error) ? unreachable(error, { method: "GET", url }) : error);
      }
    }
  }

  async open(): Promise<Part> {
    const from = this.#ranges ? this.#at : 0;
    const answer = await this.options.ask({
      "Accept-Encoding": "identity",
      ...(from > 0 ? { Range: `bytes=${from}-` } : {}),
      ...(from > 0 && this.#etag ? { "If-Range": this.#etag } : {}),
    });
    if (answer.status === 416 || (answer.status === 206 && !this.#fits(answer, from))) return this.#anew(answer);
    const length = Number(answer.header("content-length") ?? Number.NaN);
    if (answer.status === 200 && !Number.isNaN(length)) this.#checkSize(length);
    const etag = answer.header("etag");
    this.#etag = etag?.startsWith('"') ? etag : undefined;
    return { body: answer.body(), skip: answer.status === 200 ? this.#at : 0 };
  }

  /** Whether Content-Range tells of the part that was asked for. */
  #fits(answer: FetchAnswer, from: number): boolean {
    const [, first = "", total = ""] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.header("content-range") ?? "") ?? [];
    if (total !== "" && total !== "*") this.#checkSize(Number(total));
    return first !== "" && Number(first) === from && from > 0;
  }

  async #anew(answer: FetchAnswer): Promise<Part> {
    for await (const _ of answer.body()) break;
    if (!this.#ranges) throw new BerthError("internal", `${this.#name()}: its answers are not those of a blob`);
    this.#ranges = false;
    return this.open();
  }

  #checkSize(told: number): void {
    const { size } = this.options;
    if (size === undefined || told === size) return;
    const words = told > size ? "sends more than" : "has fewer than";
    throw new BerthError(
      "invalid-argument",
      `${this.#name()}: the registry ${words} the ${size} bytes that the manifest tells: ${told}`,
      { hint: "the image is damaged in the registry: push it again" },
    );
  }

  #short(): BerthError {
    const cause = Object.assign(new Error("short"), { code: "ECONNRESET" });
    const words = `${this.#name()}: the answer ended after ${this.#at} of ${this.options.size} bytes`;
    return markTransient(new BerthError("internal", words), { network: cause });
  }

  #name(): string {
    return `blob ${this.options.digest} of ${new URL(this.options.url).host}`;
  }
}
