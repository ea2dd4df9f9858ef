import createRouter from "find-my-way";
import { API_VERSION } from "../spec/api-version.ts";
import type { Backend } from "./backend.ts";
import { errorResponse, failure } from "./errors.ts";
import { absentRoutes } from "./router/absent.ts";
import { archiveRoutes } from "./router/archive.ts";
import { buildRoutes } from "./router/build.ts";
import { containerRoutes } from "./router/container.ts";
import { execRoutes } from "./router/exec.ts";
import { imageRoutes } from "./router/image.ts";
import { networkRoutes } from "./router/network.ts";
import { registryRoutes } from "./router/registry.ts";
import { sessionRoutes } from "./router/session.ts";
import { systemRoutes } from "./router/system.ts";
import { volumeRoutes } from "./router/volume.ts";
import type { ApiRequest, ApiResponse, Handler, Route } from "./types.ts";
import { splitVersion } from "./versions.ts";

/** The longest path parameter in bytes: a reference with its registry and digest is far shorter. */
const MAX_PARAM = 4096;

/**
 * The Engine API 1.24 to 1.51 over a backend. The function never throws: every failure is an answer. What a route sends
 * as a stream must be read to its end or returned (`iterator.return()`), which releases what the backend holds.
 * `server` is the Server header's value; `experimental` tells clients that they may use what Docker calls so.
 */
export function createApi(
  backend: Backend,
  options: { server?: string; experimental?: boolean } = {},
): (request: ApiRequest) => Promise<ApiResponse> {
  const common = {
    "Api-Version": API_VERSION,
    "Docker-Experimental": String(options.experimental === true),
    Ostype: "linux",
    Server: options.server ?? "Berth (linux)",
  };
  const find = routing([
    ...systemRoutes,
    ...containerRoutes,
    ...archiveRoutes,
    ...execRoutes(common),
    ...registryRoutes,
    ...imageRoutes,
    ...buildRoutes,
    ...networkRoutes,
    ...volumeRoutes,
    ...sessionRoutes(),
    ...absentRoutes,
  ]);
  return async (request) => {
    const answer = await respond(backend, find, request).catch(errorResponse);
    return { ...answer, headers: { ...common, ...answer.headers } };
  };
}

type Find = (method: string, path: string) => { handler: Handler; params: Record<string, string> } | undefined;

async function respond(backend: Backend, find: Find, request: ApiRequest): Promise<ApiResponse> {
  const { version, path } = splitVersion(request.path);
  const route = find(request.method, path);
  if (!route) return failure(404, "page not found");
  return route.handler({ backend, request, params: route.params, query: request.query, version });
}

function routing(routes: Route[]): Find {
  const router = createRouter({ maxParamLength: MAX_PARAM });
  const handlers = new Map<unknown, Handler>();
  for (const [method, path, handler] of routes) {
    const key = (): void => undefined;
    handlers.set(key, handler);
    router.on(method, path, key);
  }
  return (method, path) => {
    const found = router.find(method as Route[0], path);
    const handler = found && handlers.get(found.handler);
    if (!found || !handler) return undefined;
    const params = Object.entries(found.params).map(([k, v]): [string, string] => [k, v ?? ""]);
    return { handler, params: Object.fromEntries(params) };
  };
}
