import { setTimeout as delay } from "node:timers/promises";
import { AwsClient } from "aws4fetch";
import { type FetchAnswer, httpFetch } from "../../../host/fetch.ts";
import { BerthError, messageOf } from "../../../spec/errors.ts";

/** Where an object store is, and who we are to it. */
export interface S3Options {
  /** `https://host[:port]`; absent: Amazon's of the region. */
  endpoint?: string;
  region: string;
  bucket: string;
  /** Everything is below this key; empty or ending with "/". */
  prefix: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  /** False: the bucket is part of the host's name. */
  pathStyle: boolean;
}

/** One object of a list. `modified` in milliseconds since 1970, by this machine's clock. */
export interface S3Object {
  key: string;
  size: number;
  modified: number;
}

interface S3Request {
  method: "GET" | "PUT" | "DELETE";
  /** Behind the prefix; undefined: the bucket itself. */
  key?: string;
  query?: [string, string][];
  headers?: Record<string, string>;
  body?: Uint8Array;
  /** The answer's body is read by the caller, as long as that may take. */
  stream?: boolean;
}

const PAGE = 1000;
const ATTEMPTS = 6;
const FIRST_WAIT_MS = 100;
const TIMEOUT_MS = 30_000;
const MAX_LIST = 16 * 1024 * 1024;
const AGAIN = [408, 429, 500, 502, 503, 504];
const MAX_ERROR = 64 * 1024;

/**
 * Signed requests to one bucket (Amazon S3's REST API, Signature Version 4). What fails for reasons of the way or of the store's load is asked again, with growing waits: every
 * request of ours may be repeated, since an object is written whole, its key names it alone, and a second delete finds nothing. Errors: `unavailable`, `not-found`, `forbidden`,
 * in one line that names store and bucket and never a key.
 */
export class S3Client {
  readonly #aws: AwsClient;
  readonly #base: string;
  readonly #prefix: string;
  readonly name: string;
  /** How far the store's clock is behind ours, in milliseconds. */
  #skew = 0;

  constructor(options: S3Options) {
    const { region, bucket, accessKeyId, secretAccessKey, sessionToken } = options;
    const endpoint = new URL(options.endpoint ?? `https://s3.${region}.amazonaws.com`);
    this.#aws = new AwsClient({
      service: "s3",
      region,
      accessKeyId,
      secretAccessKey,
      ...(sessionToken ? { sessionToken } : {}),
    });
    const path = endpoint.pathname.replace(/\/$/, "");
    this.#base = options.pathStyle
      ? `${endpoint.origin}${path}/${bucket}`
      : `${endpoint.protocol}//${bucket}.${endpoint.host}${path}`;
    this.#prefix = options.prefix;
    this.name = `bucket ${bucket} at ${endpoint.host}`;
  }

  /** The object, or a part of it; undefined where there is none. */
  async get(key: string, limit: number): Promise<Buffer | undefined> {
    const answer = await this.#send({ method: "GET", key });
    if (answer.status === 404) return undefined;
    return (await this.#fine(answer, [200])).bytes(limit);
  }

  /** The bytes of a part of an object as they come, never more or less: an answer that is cut off is asked for again from there. Throws `not-found`. */
  async *read(key: string, { start, end }: { start: number; end: number }): AsyncGenerator<Uint8Array, undefined> {
    let at = start;
    for (let failures = 0; at < end; ) {
      const headers = { Range: `bytes=${at}-${end - 1}` };
      const answer = await this.#fine(await this.#send({ method: "GET", key, headers, stream: true }), [206, 200]);
      // 200: a store, or a proxy before it, that knows no ranges.
      let skip = answer.status === 200 ? at : 0;
      let failed: unknown = new Error("an answer was cut off");
      const before = at;
      try {
        for await (const chunk of answer.body()) {
          const skipped = Math.min(skip, chunk.byteLength);
          skip -= skipped;
          const piece = chunk.subarray(skipped, skipped + end - at);
          at += piece.byteLength;
          if (piece.byteLength > 0) yield piece;
          if (at === end && answer.status === 200) break;
        }
      } catch (error) {
        failed = error;
      }
      failures = at > before ? 0 : failures + 1;
      if (failures === ATTEMPTS) throw this.#unavailable(failed);
      if (failures > 0) await delay(FIRST_WAIT_MS * 2 ** (failures - 1));
    }
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    await this.#fine(await this.#send({ method: "PUT", key, body }), [200, 201]);
  }

  /** False where the key is there, if the store knows conditional writes (RFC 9110, If-None-Match). */
  async putNew(key: string, body: Uint8Array): Promise<boolean> {
    const answer = await this.#send({ method: "PUT", key, body, headers: { "If-None-Match": "*" } });
    if (answer.status === 412 || answer.status === 409) return false;
    await this.#fine(answer, [200, 201]);
    return true;
  }

  /** Repeatable. */
  async remove(key: string): Promise<void> {
    await this.#fine(await this.#send({ method: "DELETE", key }), [200, 204, 404]);
  }

  /** In the order of the keys' bytes (ListObjectsV2): those that begin with `prefix` and are greater than `after`, at most `limit`. Fewer are all there are. */
  async list(
    prefix: string,
    { after = "", limit = PAGE }: { after?: string; limit?: number } = {},
  ): Promise<S3Object[]> {
    const found: S3Object[] = [];
    for (let from = after; found.length < limit; from = found.at(-1)?.key ?? from) {
      const query: [string, string][] = [
        ["list-type", "2"],
        ["max-keys", String(Math.min(limit - found.length, PAGE))],
        ["prefix", this.#prefix + prefix],
        ...(from === "" ? [] : [["start-after", this.#prefix + from] as [string, string]]),
      ];
      const answer = await this.#fine(await this.#send({ method: "GET", query }), [200]);
      const xml = (await answer.bytes(MAX_LIST)).toString();
      const page = this.#objects(xml);
      found.push(...page);
      // A store may give fewer than it was asked for.
      if (page.length === 0 || !xml.includes("<IsTruncated>true<")) break;
    }
    return found;
  }

  /** Our keys have no characters that XML would write in another way. */
  #objects(xml: string): S3Object[] {
    return [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].flatMap(([, text = ""]) => {
      const field = (name: string): string => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? "";
      const modified = Date.parse(field("LastModified")) + this.#skew;
      const key = field("Key").slice(this.#prefix.length);
      return key === "" ? [] : [{ key, size: Number(field("Size")), modified }];
    });
  }

  async #send(request: S3Request): Promise<FetchAnswer> {
    let failed: unknown;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await delay(FIRST_WAIT_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2));
      try {
        const answer = await this.#once(request);
        this.#noteClock(answer);
        if (!AGAIN.includes(answer.status)) return answer;
        failed = new Error(`it answers ${answer.status}`);
        await answer.bytes(MAX_ERROR).catch(() => undefined);
      } catch (error) {
        failed = error;
      }
    }
    throw this.#unavailable(failed);
  }

  #unavailable(cause: unknown): BerthError {
    return new BerthError("unavailable", `${this.name}: ${messageOf(cause)}`, { cause });
  }

  async #once({ method, key, query = [], headers = {}, body, stream = false }: S3Request): Promise<FetchAnswer> {
    const path = key === undefined ? "" : `/${(this.#prefix + key).split("/").map(escaped).join("/")}`;
    const search = query.map(([name, value]) => `${escaped(name)}=${escaped(value)}`).join("&");
    const url = `${this.#base}${path}${search === "" ? "" : `?${search}`}`;
    const signed = await this.#aws.sign(url, {
      method,
      headers: { ...headers, "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD" },
    });
    return httpFetch(url, {
      method,
      headers: Object.fromEntries(signed.headers),
      ...(body === undefined ? {} : { body }),
      ...(stream ? {} : { signal: AbortSignal.timeout(TIMEOUT_MS) }),
    });
  }

  async #fine(answer: FetchAnswer, wanted: readonly number[]): Promise<FetchAnswer> {
    if (wanted.includes(answer.status)) return answer;
    const text = (await answer.bytes(MAX_ERROR).catch(() => Buffer.alloc(0))).toString();
    const code = /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? String(answer.status);
    if (answer.status === 404) throw new BerthError("not-found", `${this.name}: ${code}`);
    const skewed = code === "RequestTimeTooSkewed" ? { hint: "set this machine's clock" } : {};
    throw new BerthError(answer.status === 403 ? "forbidden" : "unavailable", `${this.name}: ${code}`, skewed);
  }

  #noteClock(answer: FetchAnswer): void {
    const theirs = Date.parse(answer.header("date") ?? "");
    if (!Number.isNaN(theirs)) this.#skew = Date.now() - theirs;
  }
}

/** As RFC 3986 and the signature have it: all but unreserved characters. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
