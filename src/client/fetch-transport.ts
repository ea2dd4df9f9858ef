import { connectError } from "./errors.ts";
import type { EngineHost } from "./host.ts";
import { type EngineRequest, type EngineResponse, type Transport, target } from "./transport.ts";

/** What Bun's own `fetch` takes besides the standard: a unix socket, and no time limit on slow answers. */
interface BunFetchOptions extends RequestInit {
  unix?: string;
  timeout?: false;
  tls?: { ca?: string; cert?: string; key?: string; rejectUnauthorized: boolean };
}

/** True where this runtime's `fetch` reaches unix sockets. */
export function hasUnixFetch(): boolean {
  return process.versions["bun"] !== undefined;
}

/**
 * The fastest way under Bun: nothing of node:http is loaded. An answer that is a stream comes with back-pressure: what is not
 * read holds the sender back. Bodies that are streams are not for it.
 */
export function fetchTransport(host: EngineHost): Transport {
  const origin = host.kind === "tcp" ? originOf(host) : "http://berth";
  return {
    async send(request: EngineRequest): Promise<EngineResponse> {
      const options: BunFetchOptions = { method: request.method, timeout: false, redirect: "manual" };
      if (host.kind === "unix") options.unix = host.path;
      if (host.kind === "tcp" && host.tls) {
        const { verify, ...pem } = host.tls;
        options.tls = { ...pem, rejectUnauthorized: verify };
      }
      if (request.headers) options.headers = request.headers;
      if (typeof request.body === "string") options.body = request.body;
      if (request.signal) options.signal = request.signal;
      const response = await fetch(origin + target(request.path, request.query), options).catch((error: unknown) => {
        if (request.signal?.aborted) throw error;
        throw connectError(host, error);
      });
      return {
        status: response.status,
        header: (name) => response.headers.get(name) ?? undefined,
        text: () => response.text(),
        body: () => chunks(response),
      };
    },
  };
}

function originOf(host: EngineHost & { kind: "tcp" }): string {
  const name = host.hostname.includes(":") ? `[${host.hostname}]` : host.hostname;
  return `${host.tls ? "https" : "http"}://${name}:${host.port}`;
}

async function* chunks(response: Response): AsyncIterable<Uint8Array> {
  if (!response.body) return;
  const reader = response.body.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    await reader.cancel();
  }
}
