/** PEM texts. With `ca` only clients that show a certificate of it are let in. TLS 1.2 and 1.3 are spoken. */
export interface TlsMaterial {
  cert: string;
  key: string;
  ca?: string;
}

/** Where to listen, and how. */
export interface HttpServerOptions {
  host: string;
  /** 0: any that is free. */
  port: number;
  tls?: TlsMaterial;
  /** Requests and answers of the web's standard. `peer` is the client's address. A handler that throws is a bug. */
  handle(request: Request, peer: string): Promise<Response>;
}

/** A listening server. */
export interface HttpServer {
  readonly port: number;
  readonly url: string;
  /** Other certificates for connections that come from now on; those that are there go on. A connection in the moment between may be refused. Throws for certificates that are none; then all is as before. */
  secure(tls: TlsMaterial): void;
  /** Stops accepting and waits for what is under way, at most `ms` milliseconds; then cuts the connections. */
  stop(ms: number): Promise<void>;
}

/** Seconds without a byte in either direction, of a connection that waits for a request or sends one. */
const IDLE_SECONDS = 120;
/** Bodies have their limits where they are read. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** Listens. Bodies come at the reader's speed and go at the client's. Throws with the system's `code` where the address cannot be had. */
export function serveHttp(options: HttpServerOptions): HttpServer {
  let current = listen(options, options.port, options.tls);
  let inUse = options.tls;
  const port = current.port ?? options.port;
  const servers = new Set([current]);
  return {
    port,
    url: current.url.href,
    secure(tls) {
      const before = current;
      void before.stop().then(() => servers.delete(before));
      try {
        current = listen(options, port, tls);
        inUse = tls;
      } catch (error) {
        current = listen(options, port, inUse);
        throw error;
      } finally {
        servers.add(current);
      }
    },
    async stop(ms) {
      const late = new Promise((done) => setTimeout(done, ms).unref());
      const all = [...servers];
      await Promise.race([Promise.all(all.map((server) => server.stop())), late]);
      await Promise.all(all.map((server) => server.stop(true)));
    },
  };
}

function listen({ host, handle }: HttpServerOptions, port: number, tls?: TlsMaterial): Bun.Server<undefined> {
  return Bun.serve({
    hostname: host,
    port,
    idleTimeout: IDLE_SECONDS,
    maxRequestBodySize: NO_LIMIT,
    ...(tls ? { tls: { ...tls, ...(tls.ca ? { requestCert: true, rejectUnauthorized: true } : {}) } } : {}),
    fetch: (request, self) => handle(request, self.requestIP(request)?.address ?? ""),
  });
}

/** What a response may be made of. */
export type ResponseBody = Blob | ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | string;

/** A part of a file as a response's body: the kernel sends it. */
export function fileBody(path: string, span: { start: number; end: number }): ResponseBody {
  return Bun.file(path).slice(span.start, span.end);
}
