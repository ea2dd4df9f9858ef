import type { FetchAnswer, FetchRequest } from "../host/fetch.ts";
import { BerthError } from "../spec/errors.ts";
import { basicHeader, type Challenge, fetchToken, parseChallenge, type Token } from "./auth.ts";
import { type Endpoint, isInsecure } from "./endpoints.ts";
import { unreachable } from "./failure.ts";
import { guardedFetch } from "./guard.ts";
import { refuseDowngrade, refuseInward } from "./inward.ts";
import { markFinal, RETRY, type RetryOptions } from "./retry.ts";
import type { Credentials, RegistryOptions } from "./types.ts";

const MAX_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];

/** One request to a registry; `path` begins with `/v2/`, or is a whole URL that the registry gave for an upload. */
export interface RegistryRequest extends Omit<FetchRequest, "tls"> {
  path: string;
}

/** How a connection differs from one to a registry that the image's name names. */
export interface ConnectionOptions extends RegistryOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds for the first answer. */
  answerMs?: number;
  /** Told with each request, as containerd does: a mirror may be one of several registries. */
  ns?: string;
}

/**
 * The way to one registry: the first address that answers, the authentication that it asks for, redirects. Credentials and tokens go to that address
 * and to the token server that it names, not to where it redirects.
 */
export class Connection {
  readonly #endpoints: Endpoint[];
  readonly #tokens = new Map<string, Token>();
  #endpoint: Endpoint | undefined;
  #challenge: Challenge | undefined;
  #status = 0;

  /** How failures are dealt with. */
  readonly retry: RetryOptions;

  constructor(
    endpoints: Endpoint[],
    readonly credentials: Credentials,
    private readonly options: ConnectionOptions,
  ) {
    this.#endpoints = endpoints;
    this.retry = { ...RETRY, ...options.retry };
  }

  /** What the registry asked for; undefined: nothing, so far. */
  get challenge(): Challenge | undefined {
    return this.#challenge;
  }

  /** Sends, authenticates once more where it is asked to, follows redirects of GET and HEAD. Throws only where nobody answers. */
  async send(request: RegistryRequest, scope: string): Promise<FetchAnswer> {
    const endpoint = await this.#reach();
    const url = this.#urlOf(endpoint, request.path);
    refuseDowngrade(url, endpoint.base);
    await refuseInward(url, endpoint.base);
    const first = await this.#once(endpoint, url, request, scope);
    if (first.status !== 401) return this.#followed({ endpoint, url, scope }, request, first);
    const challenge = parseChallenge(first.header("www-authenticate"));
    if (!challenge) return first;
    this.#challenge = challenge;
    this.#tokens.delete(challenge.scope ?? scope);
    this.#tokens.delete(scope);
    if (isStream(request.body)) return first;
    const own = challenge.scope ?? scope;
    const second = await this.#once(endpoint, url, request, own);
    return this.#followed({ endpoint, url, scope: own }, request, second);
  }

  /** Finds out who answers, and what they ask for. Gives the status of their answer to `/v2/`; throws where nobody answers in time. */
  async open(): Promise<number> {
    await this.#reach();
    return this.#status;
  }

  #urlOf(endpoint: Endpoint, path: string): string {
    const { origin } = new URL(endpoint.base);
    const { href } = new URL(path, `${endpoint.base}/`);
    const { ns } = this.options;
    // A path that the registry gave may begin with its root already.
    if (!href.startsWith(`${origin}/v2/`)) return href;
    const url = new URL(`${endpoint.base}${href.slice(origin.length)}`);
    if (ns) url.searchParams.set("ns", ns);
    return url.href;
  }

  /** Tries the addresses in turn; the one that answers `/v2/` is kept. Its challenge is learnt on the way, so that streams are sent once. */
  async #reach(): Promise<Endpoint> {
    if (this.#endpoint) return this.#endpoint;
    let failed: unknown;
    for (const endpoint of this.#endpoints) {
      try {
        const answer = await this.#first(endpoint);
        const challenge = parseChallenge(answer.header("www-authenticate"));
        await answer.bytes(1 << 20).catch(() => undefined);
        if (answer.status === 401 && challenge) this.#challenge = challenge;
        this.#status = answer.status;
        this.#endpoint = endpoint;
        return endpoint;
      } catch (error) {
        failed = error;
      }
    }
    throw markFinal(failed) ?? new BerthError("internal", "no registry answers");
  }

  async #first(endpoint: Endpoint): Promise<FetchAnswer> {
    const { answerMs, signal } = this.options;
    const request = { method: "GET", url: `${endpoint.base}/v2/` };
    if (answerMs === undefined) return this.#fetch(endpoint, request.url, { method: "GET" });
    const late = AbortSignal.timeout(answerMs);
    try {
      const any = signal ? AbortSignal.any([signal, late]) : late;
      return await this.#fetch(endpoint, request.url, { method: "GET", signal: any });
    } catch (error) {
      if (!late.aborted || signal?.aborted) throw error;
      throw unreachable(new Error(`no answer within ${answerMs / 1000} s`), request);
    }
  }

  async #once(endpoint: Endpoint, url: string, request: RegistryRequest, scope: string): Promise<FetchAnswer> {
    const sameHost = new URL(url).origin === new URL(endpoint.base).origin;
    const authorization = sameHost ? await this.#authorization(scope, request.signal) : undefined;
    const { path: _, ...rest } = request;
    return this.#fetch(endpoint, url, {
      ...rest,
      headers: { ...request.headers, ...(authorization ? { Authorization: authorization } : {}) },
    });
  }

  async #followed(
    { endpoint, url, scope }: { endpoint: Endpoint; url: string; scope: string },
    request: RegistryRequest,
    first: FetchAnswer,
  ): Promise<FetchAnswer> {
    let answer = first;
    let at = url;
    for (
      let hops = 0;
      REDIRECTS.includes(answer.status) && (request.method === "GET" || request.method === "HEAD");
      hops++
    ) {
      const location = answer.header("location");
      if (!location || hops >= MAX_REDIRECTS)
        throw new BerthError("internal", `${new URL(url).host}: too many redirects, or one to nowhere`);
      at = new URL(location, at).href;
      refuseDowngrade(at, url);
      await refuseInward(at, endpoint.base);
      const { Authorization: _, ...headers } = request.headers ?? {};
      const { method, path, signal } = request;
      const plain = { method, headers, ...(signal ? { signal } : {}) };
      // Only what is the registry's own API still gets the token.
      const own = at.startsWith(`${endpoint.base}/v2/`);
      answer = await (own ? this.#once(endpoint, at, { ...plain, path }, scope) : this.#fetch(endpoint, at, plain));
    }
    return answer;
  }

  async #authorization(scope: string, signal?: AbortSignal): Promise<string | undefined> {
    const { credentials } = this;
    if (credentials.registryToken) return `Bearer ${credentials.registryToken}`;
    if (this.#challenge?.scheme === "basic") return basicHeader(credentials);
    if (this.#challenge?.scheme !== "bearer") return undefined;
    const known = this.#tokens.get(scope);
    if (known && known.until > Date.now()) return `Bearer ${known.token}`;
    const token = await this.token(this.#challenge, { scope, ...(signal ? { signal } : {}) });
    this.#tokens.set(scope, token);
    return `Bearer ${token.token}`;
  }

  /** Asks the token server. With `offline` for one that buys others too. */
  async token(
    challenge: Challenge,
    { scope, offline = false, signal }: { scope: string; offline?: boolean; signal?: AbortSignal },
  ): Promise<Token> {
    const { host } = await this.#realm(challenge.realm);
    const tls = this.#endpoints.find((e) => new URL(e.base).host === host)?.tls;
    return fetchToken(challenge, {
      scope,
      credentials: this.credentials,
      offline,
      ask: (url, request) =>
        this.#fetch({ base: url, ...(tls ? { tls } : {}) }, url, {
          ...request,
          ...(signal ? { signal } : {}),
        }),
    });
  }

  /** The token server's address, where the credentials may go there: not in clear for a registry with TLS, unless it is named as insecure. */
  async #realm(realm: string): Promise<URL> {
    const base = this.#endpoint?.base ?? realm;
    const { host } = new URL(base);
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    if (!url || !/^https?:$/.test(url.protocol))
      throw new BerthError("internal", `${host}: the token server that it names has no address of the web`);
    if (url.protocol === "http:" && base.startsWith("https:") && !isInsecure(url.host, this.options)) {
      throw new BerthError("internal", `${host}: refusing to send credentials in clear to ${url.host}`, {
        hint: `if that is meant, name ${url.host} in insecure-registries`,
      });
    }
    await refuseInward(url.href, base);
    return url;
  }

  async #fetch(endpoint: Endpoint, url: string, request: FetchRequest): Promise<FetchAnswer> {
    // The address's own certificates, where this is still that address.
    const tls = new URL(url).host === new URL(endpoint.base).host ? endpoint.tls : undefined;
    const headers = { "User-Agent": this.options.userAgent, ...request.headers };
    const signal = request.signal ?? this.options.signal;
    try {
      const rest = { headers, ...(tls ? { tls } : {}), ...(signal ? { signal } : {}) };
      return await guardedFetch(url, { ...request, ...rest }, this.retry.stallMs);
    } catch (error) {
      if (signal?.aborted) throw error;
      throw unreachable(error, { method: request.method, url });
    }
  }
}

/** A body that can be sent once only. */
function isStream(body: FetchRequest["body"]): boolean {
  return typeof body === "object" && !(body instanceof Uint8Array);
}
