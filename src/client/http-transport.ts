import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { tlsOptions } from "./dial.ts";
import { connectError } from "./errors.ts";
import type { EngineHost } from "./host.ts";
import { type EngineRequest, type EngineResponse, type Transport, target } from "./transport.ts";

/** Streams both ways with back-pressure; works under Bun and Node alike. */
export function httpTransport(host: EngineHost): Transport {
  return { send: (request) => send(host, request) };
}

function send(host: EngineHost, request: EngineRequest): Promise<EngineResponse> {
  return new Promise((resolve, reject) => {
    const tls = host.kind === "tcp" ? host.tls : undefined;
    const outgoing = (tls ? httpsRequest : httpRequest)({
      ...(host.kind === "tcp" ? { host: host.hostname, port: host.port } : { socketPath: host.path }),
      ...(tls ? tlsOptions(tls) : {}),
      agent: false,
      method: request.method,
      path: target(request.path, request.query),
      headers: { host: "berth", ...request.headers },
      ...(request.signal ? { signal: request.signal } : {}),
    });
    let answered = false;
    outgoing.on("response", (message) => {
      answered = true;
      resolve(responseOf(message));
    });
    outgoing.on("error", (error) => reject(request.signal?.aborted ? error : connectError(host, error)));
    if (request.body === undefined || typeof request.body === "string") {
      outgoing.end(request.body);
      return;
    }
    // An engine may answer, and close, before it has read the whole body: then the answer is what counts.
    pipeline(Readable.from(request.body), outgoing).catch((error: unknown) => {
      if (!answered) reject(error);
    });
  });
}

function responseOf(message: IncomingMessage): EngineResponse {
  return {
    status: message.statusCode ?? 0,
    header: (name) => {
      const value = message.headers[name.toLowerCase()];
      return Array.isArray(value) ? value.join(", ") : value;
    },
    text: async () => {
      const parts: Buffer[] = [];
      for await (const part of message) parts.push(Buffer.from(part));
      return Buffer.concat(parts).toString();
    },
    body: () => message,
  };
}
