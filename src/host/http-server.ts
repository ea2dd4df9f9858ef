/** Where to listen, and how. PEM texts. */
export interface HttpServerOptions {
  host: string;
  /** 0: any that is free. */
  port: number;
  tls?: { cert: string; key: string; ca?: string };
  /** Requests and answers of the web's standard. `peer` is the client's address. A handler that throws is a bug. */
  handle(request: Request, peer: string): Promise<Response>;
}

/** A listening server. */
export interface HttpServer {
  readonly port: number;
  readonly url: string;
  /** Stops accepting and waits for what is under way, at most `ms` milliseconds; then cuts the connections. */
  stop(ms: number): Promise<void>;
}

/** Seconds without a byte in either direction, of a connection that waits for a request or sends one. */
const IDLE_SECONDS = 120;
/** Bodies have their limits where they are read. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** Listens. Bodies come at the reader's speed and go at the client's. Throws with the system's `code` where the address cannot be had. */
export function serveHttp({ host, port, tls, handle }: HttpServerOptions): HttpServer {
  const server = Bun.serve({
    hostname: host,
    port,
    idleTimeout: IDLE_SECONDS,
    maxRequestBodySize: NO_LIMIT,
    ...(tls ? { tls: { cert: tls.cert, key: tls.key, ...(tls.ca ? { ca: tls.ca, requestCert: true } : {}) } } : {}),
    fetch: (request, self) => handle(request, self.requestIP(request)?.address ?? ""),
  });
  return {
    port: server.port ?? port,
    url: server.url.href,
    async stop(ms) {
      const late = new Promise((done) => setTimeout(done, ms).unref());
      await Promise.race([server.stop(), late]);
      await server.stop(true);
    },
  };
}

/** What a response may be made of. */
export type ResponseBody = Blob | ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | string;

/** A part of a file as a response's body: the kernel sends it. */
export function fileBody(path: string, span: { start: number; end: number }): ResponseBody {
  return Bun.file(path).slice(span.start, span.end);
}
