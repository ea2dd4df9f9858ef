import type { VolumeCreateOptions } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { jsonBody } from "../body.ts";
import { bool, filters } from "../query.ts";
import { empty, json } from "../responses.ts";
import type { ApiResponse, Context, Route } from "../types.ts";

/** Routes of volumes (specification, tag "Volume"). */
export const volumeRoutes: Route[] = [
  ["GET", "/volumes", list],
  ["POST", "/volumes/create", create],
  ["POST", "/volumes/prune", prune],
  ["GET", "/volumes/:name", inspect],
  ["DELETE", "/volumes/:name", remove],
  ["PUT", "/volumes/:name", update],
];

async function list({ backend, query }: Context): Promise<ApiResponse> {
  return json(await backend.volume.list(filters(query)));
}

async function create({ backend, request }: Context): Promise<ApiResponse> {
  const body =
    (await jsonBody<VolumeCreateOptions>(request, "#VolumeCreateOptions", { type: "volume.CreateOptions" })) ?? {};
  if (body.ClusterVolumeSpec) {
    throw new BerthError("unavailable", "This node is not a swarm manager: Berth has no cluster volumes.");
  }
  return json(await backend.volume.create(body), 201);
}

async function prune({ backend, query, version }: Context): Promise<ApiResponse> {
  const wanted = filters(query);
  // Before 1.42 a prune took named volumes too, not only anonymous ones.
  if (version < 42) wanted["all"] = ["true"];
  return json(await backend.volume.prune(wanted));
}

async function inspect({ backend, params }: Context): Promise<ApiResponse> {
  return json(await backend.volume.inspect(params["name"] ?? ""));
}

async function remove({ backend, params, query }: Context): Promise<ApiResponse> {
  await backend.volume.remove(params["name"] ?? "", { force: bool(query, "force") });
  return empty();
}

/** Volumes of a cluster are what can be updated, and this is no cluster. */
async function update(): Promise<ApiResponse> {
  throw new BerthError("unavailable", "volume update only valid for cluster volumes, but swarm is unavailable");
}
