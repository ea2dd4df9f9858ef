import type {
  BuildCache,
  ContainerSummary,
  EventMessage,
  ImageSummary,
  SystemInfo,
  SystemVersion,
  Volume,
} from "../spec/engine-api.ts";
import { type Filters, filterQuery } from "./containers.ts";
import type { EngineCore } from "./core.ts";
import { textLines } from "./json-stream.ts";

/** What `GET /system/df` counts (API before 1.52). */
export interface DiskUsage {
  LayersSize?: number;
  Images?: ImageSummary[] | null;
  Containers?: ContainerSummary[] | null;
  Volumes?: Volume[] | null;
  BuildCache?: BuildCache[] | null;
}

/** An event, and its line as the engine sent it: `timeNano` has more digits than a JavaScript number keeps. */
export interface EventLine {
  event: EventMessage;
  raw: string;
}

/** `/info`, `/version`, `/events`, `/system/df`, `/auth`, `/build/prune` (Engine API, "System"). */
export class SystemApi {
  constructor(private readonly core: EngineCore) {}

  info(): Promise<SystemInfo> {
    return this.core.json({ method: "GET", path: "/info" });
  }

  version(): Promise<SystemVersion> {
    return this.core.json({ method: "GET", path: "/version" });
  }

  /** Whether the engine runs with experimental features (`Docker-Experimental` of `/_ping`). */
  async experimental(): Promise<boolean> {
    const answer = await this.core.stream({ method: "GET", path: "/_ping" });
    await answer.text();
    return answer.header("docker-experimental") === "true";
  }

  diskUsage(): Promise<DiskUsage> {
    return this.core.json({ method: "GET", path: "/system/df" });
  }

  /** Past and live events; ends at `until` or when the signal fires. */
  async *events(
    query: { since?: string | undefined; until?: string | undefined; filters?: Filters },
    signal?: AbortSignal,
  ): AsyncGenerator<EventLine> {
    const { filters = {}, ...rest } = query;
    const response = await this.core.stream({
      method: "GET",
      path: "/events",
      query: { ...rest, filters: filterQuery(filters) },
      ...(signal ? { signal } : {}),
    });
    for await (const raw of textLines(response.body())) yield { event: JSON.parse(raw) as EventMessage, raw };
  }

  auth(body: object): Promise<{ Status?: string; IdentityToken?: string } | null> {
    return this.core.json({ method: "POST", path: "/auth", json: body });
  }

  pruneBuild(query: {
    all?: boolean;
    filters?: Filters;
  }): Promise<{ CachesDeleted?: string[] | null; SpaceReclaimed?: number }> {
    const { filters = {}, ...rest } = query;
    return this.core.json({ method: "POST", path: "/build/prune", query: { ...rest, filters: filterQuery(filters) } });
  }
}
