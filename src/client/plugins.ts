import type { Plugin, PluginPrivilege } from "../spec/engine-api.ts";
import { type Filters, filterQuery, segment } from "./containers.ts";
import type { EngineCore } from "./core.ts";
import type { ProgressLine } from "./images.ts";
import { jsonLines } from "./json-stream.ts";

const TAR = { "content-type": "application/x-tar" };

/** `/plugins/…` (Engine API, "Plugin"): managed plugins, which Berth's own engine has none of. */
export class PluginApi {
  constructor(private readonly core: EngineCore) {}

  list(filters: Filters): Promise<Plugin[]> {
    return this.core.json({ method: "GET", path: "/plugins", query: { filters: filterQuery(filters) } });
  }

  inspect(name: string): Promise<Plugin> {
    return this.core.json({ method: "GET", path: `/plugins/${segment(name)}/json` });
  }

  async enable(name: string, timeout: number): Promise<void> {
    await this.core.done({ method: "POST", path: `/plugins/${segment(name)}/enable`, query: { timeout } });
  }

  async disable(name: string, force: boolean): Promise<void> {
    await this.core.done({ method: "POST", path: `/plugins/${segment(name)}/disable`, query: { force } });
  }

  async remove(name: string, force: boolean): Promise<void> {
    await this.core.done({ method: "DELETE", path: `/plugins/${segment(name)}`, query: { force } });
  }

  async set(name: string, settings: readonly string[]): Promise<void> {
    await this.core.done({ method: "POST", path: `/plugins/${segment(name)}/set`, json: settings });
  }

  /** The folder's tar: `config.json` and `rootfs`. */
  async create(name: string, tar: AsyncIterable<Uint8Array>): Promise<void> {
    const request = { method: "POST", path: "/plugins/create", query: { name }, headers: TAR, body: tar } as const;
    await (await this.core.stream(request)).text();
  }

  /** What a plugin asks for, before it is installed. `auth` is an `X-Registry-Auth` header. */
  privileges(remote: string, auth: string | undefined): Promise<PluginPrivilege[] | null> {
    return this.core.json({ method: "GET", path: "/plugins/privileges", query: { remote }, headers: registry(auth) });
  }

  /** Installs or, where `upgrade` names an installed plugin, replaces it. */
  pull(
    query: { remote: string; name?: string | undefined },
    options: { upgrade?: string; auth: string | undefined; privileges: readonly PluginPrivilege[] },
  ): AsyncGenerator<ProgressLine> {
    const path = options.upgrade === undefined ? "/plugins/pull" : `/plugins/${segment(options.upgrade)}/upgrade`;
    return this.#progress(path, { query, auth: options.auth, json: options.privileges });
  }

  push(name: string, auth: string | undefined): AsyncGenerator<ProgressLine> {
    return this.#progress(`/plugins/${segment(name)}/push`, { auth });
  }

  async *#progress(
    path: string,
    options: { query?: Record<string, string | undefined>; auth: string | undefined; json?: object },
  ): AsyncGenerator<ProgressLine> {
    const { query = {}, auth, json } = options;
    const body = json ? { body: JSON.stringify(json) } : {};
    const headers = { ...registry(auth), ...(json ? { "content-type": "application/json" } : {}) };
    const response = await this.core.stream({ method: "POST", path, query, headers, ...body });
    yield* jsonLines<ProgressLine>(response.body());
  }
}

const registry = (auth: string | undefined): Record<string, string> => (auth ? { "X-Registry-Auth": auth } : {});
