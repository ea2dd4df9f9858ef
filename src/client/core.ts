import { BerthError } from "../spec/errors.ts";
import { errorFromAnswer, isUnreachable } from "./errors.ts";
import { fetchTransport, hasUnixFetch } from "./fetch-transport.ts";
import type { HijackedStream } from "./hijack.ts";
import { type EngineHost, parseHost, type TlsMaterial } from "./host.ts";
import type { EngineRequest, EngineResponse, Query, Transport } from "./transport.ts";

/** How a client reaches its engine. */
export interface EngineOptions {
  /** `unix://…`, `tcp://…` or `ssh://…`. */
  host: string;
  tls?: TlsMaterial | undefined;
  /** Makes the unix socket behind which an ssh host is; without it such hosts are refused. */
  bridge?: ((host: EngineHost & { kind: "ssh" }) => string) | undefined;
  /** Called once when nothing answers at the host; after it the request is sent again. Such a request had no effect before. */
  onUnreachable?: (() => Promise<void>) | undefined;
  /** `1.24` … : asks for that version of the API; without it the engine's newest is spoken. */
  apiVersion?: string | undefined;
  /** Sent with every request. Names in lower case. */
  headers?: Record<string, string> | undefined;
}

const JSON_HEADERS = { "content-type": "application/json" };

/**
 * The exchanges that every part of the API is made of. Errors: what the engine answers as a BerthError of the status'
 * kind (`statusOf` gives the status back), and connectError where it cannot be reached.
 */
export class EngineCore {
  readonly host: EngineHost;
  readonly #prefix: string;
  readonly #headers: Record<string, string>;
  #onUnreachable: (() => Promise<void>) | undefined;
  #fast: Transport | undefined;
  #streaming: Transport | undefined;

  constructor(options: EngineOptions) {
    const host = parseHost(options.host, options.tls);
    if (host.kind === "ssh" && !options.bridge) throw new BerthError("not-implemented", `no ssh here for ${host.text}`);
    const path = host.kind === "ssh" ? options.bridge?.(host) : undefined;
    this.host = path === undefined ? host : { kind: "unix", path, text: host.text };
    this.#prefix = options.apiVersion ? `/v${options.apiVersion}` : "";
    this.#headers = options.headers ?? {};
    this.#onUnreachable = options.onUnreachable;
  }

  /** Sends and reads a whole JSON answer; `onHead` sees it first. */
  async json<T>(
    request: EngineRequest & { json?: object | undefined },
    onHead: (head: EngineResponse) => void = () => undefined,
  ): Promise<T> {
    const response = await this.#small(request);
    onHead(response);
    const text = await response.text();
    return JSON.parse(text === "" ? "null" : text) as T;
  }

  /** Sends, and drops the body of the answer. Returns its status: 304 is one of the good ones here. */
  async done(request: EngineRequest & { json?: object }): Promise<number> {
    const response = await this.#small(request, [304]);
    await response.text();
    return response.status;
  }

  /** Sends now, and gives the JSON answer later: resolves once the engine has accepted the request (its head is there). */
  async accepted<T>(request: EngineRequest): Promise<{ answer: Promise<T> }> {
    const response = await this.#small(request);
    return { answer: response.text().then((text) => JSON.parse(text) as T) };
  }

  /** An answer that is a stream, with back-pressure; `body` may be a stream too. */
  async stream(request: EngineRequest): Promise<EngineResponse> {
    // A body that is a stream can be read once only, so that the engine is woken before, not after, a failed attempt.
    if (typeof request.body === "object" && this.#onUnreachable) await this.done({ method: "GET", path: "/_ping" });
    const transport = typeof request.body === "object" ? await this.#uploads() : await this.#plain();
    return this.#checked(await this.#awake(() => transport.send(this.#versioned(request))));
  }

  /** A raw connection after an upgrade. */
  async hijack(request: { path: string; query?: Query; json?: object }): Promise<HijackedStream> {
    const { hijack } = await import("./hijack.ts");
    const full = { ...request, path: this.#prefix + request.path, headers: this.#headers };
    return this.#awake(() => hijack(this.host, full));
  }

  async #small(request: EngineRequest & { json?: object | undefined }, good: number[] = []): Promise<EngineResponse> {
    const { json, ...rest } = request;
    const full: EngineRequest = json
      ? { ...rest, body: JSON.stringify(json), headers: { ...JSON_HEADERS, ...rest.headers } }
      : rest;
    const transport = await this.#plain();
    return this.#checked(await this.#awake(() => transport.send(this.#versioned(full))), good);
  }

  /** For requests whose body is there, or that have none. */
  async #plain(): Promise<Transport> {
    this.#fast ??= hasUnixFetch() ? fetchTransport(this.host) : await this.#uploads();
    return this.#fast;
  }

  /** For bodies that are streams. */
  async #uploads(): Promise<Transport> {
    this.#streaming ??= (await import("./http-transport.ts")).httpTransport(this.host);
    return this.#streaming;
  }

  async #checked(response: EngineResponse, good: number[] = []): Promise<EngineResponse> {
    if (response.status < 300 || good.includes(response.status)) return response;
    throw errorFromAnswer(response.status, await response.text());
  }

  async #awake<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt();
    } catch (error) {
      const wake = this.#onUnreachable;
      if (!wake || !isUnreachable(error)) throw error;
      this.#onUnreachable = undefined;
      await wake();
      return attempt();
    }
  }

  #versioned(request: EngineRequest): EngineRequest {
    return { ...request, path: this.#prefix + request.path, headers: { ...this.#headers, ...request.headers } };
  }
}
