import { named } from "./containers.ts";
import type { EngineCore } from "./core.ts";
import type { EngineResponse, Query } from "./transport.ts";

/** What is at a path of a container: `mode` as Go's FileMode, `linkTarget` where a link leads in the end. */
export interface PathStat {
  name: string;
  size: number;
  mode: number;
  mtime: string;
  linkTarget: string;
}

/** A container's files: `/containers/{id}/archive`, `export` and `changes`. */
export class FileApi {
  constructor(private readonly core: EngineCore) {}

  async stat(id: string, path: string): Promise<PathStat> {
    const response = await this.core.stream({ method: "HEAD", path: archiveOf(id), query: { path } });
    return pathStat(response);
  }

  /** A path's entry and all below it as a tar. */
  async read(id: string, path: string): Promise<{ stat: PathStat; tar: AsyncIterable<Uint8Array> }> {
    const response = await this.core.stream({ method: "GET", path: archiveOf(id), query: { path } });
    return { stat: pathStat(response), tar: response.body() };
  }

  async write(id: string, tar: AsyncIterable<Uint8Array>, query: Query): Promise<void> {
    const headers = { "content-type": "application/x-tar" };
    const path = archiveOf(id);
    await (await this.core.stream({ method: "PUT", path, query, headers, body: tar })).text();
  }

  async export(id: string): Promise<AsyncIterable<Uint8Array>> {
    return (await this.core.stream({ method: "GET", path: `/containers/${named("container", id)}/export` })).body();
  }

  async changes(id: string): Promise<{ Path: string; Kind: number }[]> {
    return (
      (await this.core.json<{ Path: string; Kind: number }[] | null>({
        method: "GET",
        path: `/containers/${named("container", id)}/changes`,
      })) ?? []
    );
  }
}

function archiveOf(id: string): string {
  return `/containers/${named("container", id)}/archive`;
}

function pathStat(response: EngineResponse): PathStat {
  const header = response.header("x-docker-container-path-stat") ?? "";
  return JSON.parse(Buffer.from(header, "base64").toString()) as PathStat;
}
