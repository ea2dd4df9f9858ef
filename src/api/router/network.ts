import { filters } from "../query.ts";
import { json } from "../responses.ts";
import type { ApiResponse, Context, Route } from "../types.ts";

/** Routes of networks (specification, tag "Network"). */
export const networkRoutes: Route[] = [
  ["GET", "/networks", list],
  ["GET", "/networks/:id", inspect],
  ["POST", "/networks/prune", prune],
];

async function list({ backend, query }: Context): Promise<ApiResponse> {
  return json(await backend.network.list(filters(query)));
}

async function prune({ backend, query }: Context): Promise<ApiResponse> {
  return json(await backend.network.prune(filters(query)));
}

async function inspect({ backend, params }: Context): Promise<ApiResponse> {
  return json(await backend.network.inspect(params["id"] ?? ""));
}
