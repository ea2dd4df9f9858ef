import type {
  ClusterVolumeSpec,
  EndpointSettings,
  Network,
  NetworkCreateResponse,
  Volume,
  VolumeCreateOptions,
  VolumeListResponse,
} from "../spec/engine-api.ts";
import { type Filters, filterQuery, named } from "./containers.ts";
import type { EngineCore } from "./core.ts";

/** `/volumes/…` (Engine API, "Volume"). */
export class VolumeApi {
  constructor(private readonly core: EngineCore) {}

  list(filters: Filters): Promise<VolumeListResponse> {
    return this.core.json({ method: "GET", path: "/volumes", query: { filters: filterQuery(filters) } });
  }

  create(body: VolumeCreateOptions): Promise<Volume> {
    return this.core.json({ method: "POST", path: "/volumes/create", json: body });
  }

  inspect(name: string): Promise<Volume> {
    return this.core.json({ method: "GET", path: `/volumes/${named("volume", name)}` });
  }

  /** Volumes of a cluster only. */
  async update(id: string, change: { version: number; spec: ClusterVolumeSpec }): Promise<void> {
    const { version, spec } = change;
    await this.core.done({
      method: "PUT",
      path: `/volumes/${named("volume", id)}`,
      query: { version },
      json: { Spec: spec },
    });
  }

  async remove(name: string, query: { force?: boolean }): Promise<void> {
    await this.core.done({ method: "DELETE", path: `/volumes/${named("volume", name)}`, query });
  }

  /** Beyond Docker. */
  rename(name: string, to: string): Promise<Volume> {
    return this.core.json({ method: "POST", path: `/volumes/${named("volume", name)}/rename`, query: { name: to } });
  }

  /** Beyond Docker. */
  clone(name: string, to: string, labels: Record<string, string>): Promise<Volume> {
    const path = `/volumes/${named("volume", name)}/clone`;
    return this.core.json({ method: "POST", path, query: { name: to }, json: { Labels: labels } });
  }

  /** Beyond Docker: a tar of its content. */
  async export(name: string): Promise<AsyncIterable<Uint8Array>> {
    return (await this.core.stream({ method: "GET", path: `/volumes/${named("volume", name)}/archive` })).body();
  }

  /** Beyond Docker. */
  async import(name: string, query: { merge: boolean }, tar: AsyncIterable<Uint8Array>): Promise<Volume> {
    const path = `/volumes/${named("volume", name)}/archive`;
    const headers = { "content-type": "application/x-tar" };
    return JSON.parse(
      await (await this.core.stream({ method: "PUT", path, query, headers, body: tar })).text(),
    ) as Volume;
  }

  prune(filters: Filters): Promise<{ VolumesDeleted?: string[] | null; SpaceReclaimed?: number }> {
    return this.core.json({ method: "POST", path: "/volumes/prune", query: { filters: filterQuery(filters) } });
  }
}

/** `/networks/…` (Engine API, "Network"). */
export class NetworkApi {
  constructor(private readonly core: EngineCore) {}

  list(filters: Filters): Promise<Network[]> {
    return this.core.json({ method: "GET", path: "/networks", query: { filters: filterQuery(filters) } });
  }

  inspect(id: string, query: { verbose?: boolean; scope?: string } = {}): Promise<Network> {
    return this.core.json({ method: "GET", path: `/networks/${named("network", id)}`, query });
  }

  create(body: object): Promise<NetworkCreateResponse> {
    return this.core.json({ method: "POST", path: "/networks/create", json: body });
  }

  async remove(id: string): Promise<void> {
    await this.core.done({ method: "DELETE", path: `/networks/${named("network", id)}` });
  }

  async connect(id: string, body: { Container: string; EndpointConfig?: EndpointSettings }): Promise<void> {
    await this.core.done({ method: "POST", path: `/networks/${named("network", id)}/connect`, json: body });
  }

  async disconnect(id: string, body: { Container: string; Force: boolean }): Promise<void> {
    await this.core.done({ method: "POST", path: `/networks/${named("network", id)}/disconnect`, json: body });
  }

  prune(filters: Filters): Promise<{ NetworksDeleted?: string[] | null }> {
    return this.core.json({ method: "POST", path: "/networks/prune", query: { filters: filterQuery(filters) } });
  }
}
