/** Who a server has to be, and who we are to it. PEM texts. */
export interface TlsOptions {
  /** Authorities that are trusted besides the system's. */
  ca?: string[];
  cert?: string;
  key?: string;
  /** False: any certificate will do. */
  verify?: boolean;
}

/** One request. A body that is a stream is sent with back-pressure, in chunks unless a Content-Length is given. */
export interface FetchRequest {
  method: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  tls?: TlsOptions;
  signal?: AbortSignal;
}

/** An answer whose head has come; its body is read once. */
export interface FetchAnswer {
  status: number;
  header(name: string): string | undefined;
  body(): AsyncIterable<Uint8Array>;
  /** At most `limit` bytes; more throws. */
  bytes(limit: number): Promise<Buffer>;
}

/**
 * One HTTP exchange with another host. Redirects are not followed; nothing is decompressed; HTTP_PROXY, HTTPS_PROXY and NO_PROXY are honoured. Throws an
 * error with the `code` of the system (ECONNREFUSED, ENOTFOUND, EPROTO for a server without TLS, …).
 */
export async function httpFetch(url: string, request: FetchRequest): Promise<FetchAnswer> {
  const { method, headers = {}, body, tls, signal } = request;
  const response = await fetch(url, {
    method,
    headers,
    redirect: "manual",
    decompress: false,
    ...(body === undefined ? {} : { body: body as Bun.BodyInit }),
    ...(signal ? { signal } : {}),
    ...(tls ? { tls: tlsOptions(tls) } : {}),
  });
  const stream = (): AsyncIterable<Uint8Array> => response.body ?? empty();
  return {
    status: response.status,
    header: (name) => response.headers.get(name) ?? undefined,
    body: stream,
    bytes: (limit) => readBytes(stream(), limit),
  };
}

/** All bytes of a stream. Throws a RangeError, and ends the stream, where there are more than `limit`. */
export async function readBytes(stream: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of stream) {
    size += part.byteLength;
    if (size > limit) throw new RangeError(`the answer has more than ${limit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function tlsOptions({ ca, cert, key, verify = true }: TlsOptions): BunFetchRequestInitTLS {
  return {
    rejectUnauthorized: verify,
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
  };
}

async function* empty(): AsyncGenerator<Uint8Array> {}
