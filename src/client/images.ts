import type {
  ImageDeleteResponseItem,
  ImageHistoryResponseItem,
  ImageInspect,
  ImageSummary,
} from "../spec/engine-api.ts";
import { checkedPlatform } from "../spec/platform.ts";
import { type Filters, filterQuery, segment } from "./containers.ts";
import type { EngineCore } from "./core.ts";
import { jsonLines } from "./json-stream.ts";
import type { Query } from "./transport.ts";

/** One line of a progress stream (Engine API, CreateImageInfo, PushImageInfo, BuildInfo). */
export interface ProgressLine {
  id?: string;
  status?: string;
  stream?: string;
  progress?: string;
  progressDetail?: { current?: number; total?: number; units?: string; hidecounts?: boolean };
  error?: string;
  errorDetail?: { code?: number; message?: string };
  aux?: { ID?: string; [key: string]: unknown };
}

/** One result of a search (Engine API, "ImageSearch"). */
export interface ImageSearchResult {
  name?: string;
  description?: string;
  star_count?: number;
  is_official?: boolean;
  is_automated?: boolean;
}

/** `/images/…` and `/build` (Engine API, "Image"). */
export class ImageApi {
  constructor(private readonly core: EngineCore) {}

  list(query: { all?: boolean; digests?: boolean; manifests?: boolean; filters?: Filters }): Promise<ImageSummary[]> {
    const { filters = {}, ...rest } = query;
    return this.core.json({ method: "GET", path: "/images/json", query: { ...rest, filters: filterQuery(filters) } });
  }

  inspect(name: string, options: { platform?: string | undefined } = {}): Promise<ImageInspect> {
    return this.core.json({ method: "GET", path: `/images/${segment(name)}/json`, query: platformQuery(options) });
  }

  history(name: string, options: { platform?: string | undefined } = {}): Promise<ImageHistoryResponseItem[]> {
    return this.core.json({ method: "GET", path: `/images/${segment(name)}/history`, query: platformQuery(options) });
  }

  async tag(name: string, query: { repo: string; tag: string }): Promise<void> {
    await this.core.done({ method: "POST", path: `/images/${segment(name)}/tag`, query });
  }

  remove(
    name: string,
    options: { force?: boolean; noprune?: boolean; platforms?: readonly string[] },
  ): Promise<ImageDeleteResponseItem[]> {
    const { platforms = [], ...rest } = options;
    const query = { ...rest, platforms: platforms.map(platformJson) };
    return this.core.json({ method: "DELETE", path: `/images/${segment(name)}`, query });
  }

  /** `POST /commit`: a container becomes an image. */
  commit(query: Query): Promise<{ Id?: string }> {
    return this.core.json({ method: "POST", path: "/commit", query });
  }

  prune(filters: Filters): Promise<{ ImagesDeleted?: ImageDeleteResponseItem[] | null; SpaceReclaimed?: number }> {
    return this.core.json({ method: "POST", path: "/images/prune", query: { filters: filterQuery(filters) } });
  }

  /** What a registry's search finds. `auth` is an `X-Registry-Auth` header. */
  search(
    term: string,
    options: { limit: number | undefined; filters: Filters; auth: string | undefined },
  ): Promise<ImageSearchResult[] | null> {
    const query = { term, limit: options.limit, filters: filterQuery(options.filters) };
    const headers = options.auth ? { "X-Registry-Auth": options.auth } : {};
    return this.core.json({ method: "GET", path: "/images/search", query, headers });
  }

  /** `POST /images/create`: a pull (`fromImage`), or an import (`fromSrc`, with the archive as body for `-`). */
  create(
    query: Query,
    options: { body?: AsyncIterable<Uint8Array>; auth?: string } = {},
  ): AsyncGenerator<ProgressLine> {
    return this.#progress("/images/create", { query, ...options });
  }

  push(
    name: string,
    options: { tag?: string | undefined; platform?: string | undefined; auth?: string | undefined },
  ): AsyncGenerator<ProgressLine> {
    const auth = options.auth ?? Buffer.from("{}").toString("base64url");
    const query = { tag: options.tag, ...platformQuery(options) };
    return this.#progress(`/images/${segment(name)}/push`, { query, auth });
  }

  /** A tar of images (Engine API, ImageGetAll). */
  async save(names: string[], query: { platform?: string | undefined }): Promise<AsyncIterable<Uint8Array>> {
    const path = "/images/get";
    const response = await this.core.stream({ method: "GET", path, query: { names, ...platformQuery(query) } });
    return response.body();
  }

  load(
    archive: AsyncIterable<Uint8Array>,
    { quiet, platform }: { quiet?: boolean; platform?: string | undefined },
  ): AsyncGenerator<ProgressLine> {
    // Absent means quiet.
    const query = { quiet: quiet ? 1 : 0, ...platformQuery({ platform }) };
    return this.#progress("/images/load", { query, body: archive, type: "application/x-tar" });
  }

  /** `POST /build` with a tar as context. */
  build(
    context: AsyncIterable<Uint8Array>,
    query: Query,
    options: { signal?: AbortSignal; auths?: string | undefined } = {},
  ): AsyncGenerator<ProgressLine> {
    return this.#progress("/build", { query, body: context, type: "application/x-tar", ...options });
  }

  /** Berth's own `POST /berth/bootstrap`: a base image without a registry. A key's `data` is in base64. */
  bootstrap(
    query: {
      reference: string;
      from?: string | undefined;
      mirror?: string | undefined;
      include?: string | undefined;
    },
    keys: { name: string; data: string }[] = [],
  ): AsyncGenerator<ProgressLine> {
    const body = keys.length > 0 ? { body: JSON.stringify({ keys }), type: "application/json" } : {};
    return this.#progress("/berth/bootstrap", { query, ...body });
  }

  async *#progress(
    path: string,
    options: {
      query: Query;
      body?: string | AsyncIterable<Uint8Array>;
      auth?: string;
      auths?: string | undefined;
      type?: string;
      signal?: AbortSignal;
    },
  ): AsyncGenerator<ProgressLine> {
    const headers: Record<string, string> = {};
    if (options.auth) headers["x-registry-auth"] = options.auth;
    if (options.auths) headers["x-registry-config"] = options.auths;
    if (options.body) headers["content-type"] = options.type ?? "application/x-tar";
    const response = await this.core.stream({
      method: "POST",
      path,
      query: options.query,
      headers,
      ...(options.body ? { body: options.body } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
    yield* jsonLines<ProgressLine>(response.body());
  }
}

/** A platform as the specification has it in queries: a JSON object. */
function platformQuery({ platform }: { platform?: string | undefined }): { platform?: string } {
  return platform === undefined ? {} : { platform: platformJson(platform) };
}

function platformJson(platform: string): string {
  return JSON.stringify(checkedPlatform(platform));
}
