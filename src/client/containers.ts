import type {
  ContainerConfig,
  ContainerCreateResponse,
  ContainerInspectResponse,
  ContainerStatsResponse,
  ContainerSummary,
  ContainerTopResponse,
  ContainerUpdateResponse,
  ContainerWaitResponse,
  HostConfig,
  NetworkingConfig,
} from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import { CheckpointApi } from "./checkpoints.ts";
import type { EngineCore } from "./core.ts";
import type { HijackedStream } from "./hijack.ts";
import { jsonLines } from "./json-stream.ts";
import type { EngineResponse } from "./transport.ts";

/** Filters as the API takes them: key → values. */
export type Filters = Record<string, string[]>;

/** Body of `POST /containers/create`. */
export type CreateBody = ContainerConfig & { HostConfig?: HostConfig; NetworkingConfig?: NetworkingConfig };

/** Which streams to attach, and how they end. */
export interface AttachQuery {
  stdin?: boolean;
  stdout?: boolean;
  stderr?: boolean;
  logs?: boolean;
  detachKeys?: string | undefined;
}

/** Which lines `logs` gives; `since` and `until` in seconds since 1970, `tail` a count or `all`. */
export interface LogsQuery {
  follow?: boolean;
  since?: string | undefined;
  until?: string | undefined;
  tail?: string;
  timestamps?: boolean;
  details?: boolean;
}

/** `filters=` of a query; nothing where there are none. */
export function filterQuery(filters: Filters): string | undefined {
  return Object.keys(filters).length === 0 ? undefined : JSON.stringify(filters);
}

/** A path segment that holds a name, id or reference. */
export function segment(text: string): string {
  return encodeURIComponent(text).replaceAll("%2F", "/").replaceAll("%3A", ":").replaceAll("%40", "@");
}

/** As `segment`, for what has to be named. Throws in the words of docker's command line where it is not. */
export function named(kind: "container" | "network" | "volume", text: string): string {
  if (text.trim() === "") throw new BerthError("invalid-argument", `invalid ${kind} name or ID: value is empty`);
  return segment(text);
}

/** `/containers/…` (Engine API, "Container"). Every `id` is a name, an id or a unique prefix of one. */
export class ContainerApi {
  constructor(private readonly core: EngineCore) {}

  /** `onWarning` gets what the engine has to say besides (header `Warning`, RFC 7234 section 5.5). */
  list(
    query: { all?: boolean; size?: boolean; limit?: number; filters?: Filters },
    onWarning: (text: string) => void = () => undefined,
  ): Promise<ContainerSummary[]> {
    const { filters = {}, ...rest } = query;
    return this.core.json(
      { method: "GET", path: "/containers/json", query: { ...rest, filters: filterQuery(filters) } },
      (head) => {
        const [, text] = /^299 \S+ "(.*)"$/.exec(head.header("warning") ?? "") ?? [];
        if (text !== undefined) onWarning(text);
      },
    );
  }

  create(
    body: CreateBody,
    query: { name?: string | undefined; platform?: string | undefined },
  ): Promise<ContainerCreateResponse> {
    return this.core.json({ method: "POST", path: "/containers/create", query, json: body });
  }

  inspect(id: string, query: { size?: boolean } = {}): Promise<ContainerInspectResponse> {
    return this.core.json({ method: "GET", path: this.#path(id, "json"), query });
  }

  /** Does nothing where it runs already. */
  async start(id: string): Promise<void> {
    await this.core.done({ method: "POST", path: this.#path(id, "start") });
  }

  async stop(id: string, query: { signal?: string | undefined; t?: number | undefined }): Promise<void> {
    await this.core.done({ method: "POST", path: this.#path(id, "stop"), query });
  }

  async restart(id: string, query: { signal?: string | undefined; t?: number | undefined }): Promise<void> {
    await this.core.done({ method: "POST", path: this.#path(id, "restart"), query });
  }

  async kill(id: string, query: { signal?: string | undefined } = {}): Promise<void> {
    await this.core.done({ method: "POST", path: this.#path(id, "kill"), query });
  }

  async pause(id: string): Promise<void> {
    await this.core.done({ method: "POST", path: this.#path(id, "pause") });
  }

  async unpause(id: string): Promise<void> {
    await this.core.done({ method: "POST", path: this.#path(id, "unpause") });
  }

  async rename(id: string, name: string): Promise<void> {
    await this.core.done({ method: "POST", path: this.#path(id, "rename"), query: { name } });
  }

  /** Resolves when the engine watches; `answer` then resolves at the awaited event, however far off that is. */
  wait(
    id: string,
    condition: "not-running" | "next-exit" | "removed",
    signal?: AbortSignal,
  ): Promise<{ answer: Promise<ContainerWaitResponse> }> {
    const path = this.#path(id, "wait");
    return this.core.accepted({ method: "POST", path, query: { condition }, ...(signal ? { signal } : {}) });
  }

  async remove(id: string, query: { force?: boolean; v?: boolean; link?: boolean }): Promise<void> {
    await this.core.done({ method: "DELETE", path: this.#path(id), query });
  }

  logs(id: string, query: LogsQuery, signal?: AbortSignal): Promise<EngineResponse> {
    const path = this.#path(id, "logs");
    const full = { stdout: true, stderr: true, ...query };
    return this.core.stream({ method: "GET", path, query: full, ...(signal ? { signal } : {}) });
  }

  attach(id: string, query: AttachQuery): Promise<HijackedStream> {
    return this.core.hijack({ path: this.#path(id, "attach"), query: { stream: true, ...query } });
  }

  async resize(id: string, size: { h: number; w: number }): Promise<void> {
    await this.core.done({ method: "POST", path: this.#path(id, "resize"), query: size });
  }

  top(id: string, psArgs: string): Promise<ContainerTopResponse> {
    return this.core.json({
      method: "GET",
      path: this.#path(id, "top"),
      query: { ps_args: psArgs === "" ? undefined : psArgs },
    });
  }

  update(id: string, changes: HostConfig): Promise<ContainerUpdateResponse> {
    return this.core.json({ method: "POST", path: this.#path(id, "update"), json: changes });
  }

  prune(filters: Filters): Promise<{ ContainersDeleted?: string[] | null; SpaceReclaimed?: number }> {
    return this.core.json({ method: "POST", path: "/containers/prune", query: { filters: filterQuery(filters) } });
  }

  /** Only for engines with experimental features. */
  checkpoints(id: string): CheckpointApi {
    return new CheckpointApi(this.core, this.#path(id, "checkpoints"));
  }

  /** One sample a second, or a single one with `stream` false; leaving the loop ends it. */
  async *stats(id: string, options: { stream: boolean; signal?: AbortSignal }): AsyncGenerator<ContainerStatsResponse> {
    const query = { stream: options.stream ? "1" : "0" };
    const response = await this.core.stream({
      method: "GET",
      path: this.#path(id, "stats"),
      query,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    yield* jsonLines<ContainerStatsResponse>(response.body());
  }

  #path(id: string, verb?: string): string {
    return `/containers/${named("container", id)}${verb ? `/${verb}` : ""}`;
  }
}
