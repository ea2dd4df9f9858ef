import type { VolumeCreateOptions } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { jsonBody } from "../body.ts";
import { invalid } from "../errors.ts";
import { bool, filters, text } from "../query.ts";
import { empty, json, stream } from "../responses.ts";
import type { ApiResponse, Context, Route } from "../types.ts";
import type { Shape } from "../validate.ts";

const CLONE_BODY: Shape = { object: { Labels: { map: "string" } } };

/** Routes of volumes (specification, tag "Volume"). */
export const volumeRoutes: Route[] = [
  ["GET", "/volumes", list],
  ["POST", "/volumes/create", create],
  ["POST", "/volumes/prune", prune],
  ["GET", "/volumes/:name", inspect],
  ["DELETE", "/volumes/:name", remove],
  ["PUT", "/volumes/:name", update],
  // Beyond Docker.
  ["POST", "/volumes/:name/rename", rename],
  ["POST", "/volumes/:name/clone", clone],
  ["GET", "/volumes/:name/archive", exportTar],
  ["PUT", "/volumes/:name/archive", importTar],
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

async function rename({ backend, params, query }: Context): Promise<ApiResponse> {
  return json(await backend.volume.rename(params["name"] ?? "", newName(text(query, "name"))));
}

async function clone({ backend, params, query, request }: Context): Promise<ApiResponse> {
  const body = (await jsonBody<{ Labels?: Record<string, string> }>(request, CLONE_BODY)) ?? {};
  const wanted = { name: newName(text(query, "name")), labels: body.Labels ?? {} };
  return json(await backend.volume.clone(params["name"] ?? "", wanted), 201);
}

function newName(name: string | undefined): string {
  if (!name) throw invalid("bad parameter: name cannot be empty");
  return name;
}

async function exportTar({ backend, params, request }: Context): Promise<ApiResponse> {
  const tar = await backend.volume.export(params["name"] ?? "", { signal: request.signal });
  return stream(tar, "application/x-tar");
}

async function importTar({ backend, params, query, request }: Context): Promise<ApiResponse> {
  const options = { merge: bool(query, "merge"), signal: request.signal };
  return json(await backend.volume.import(params["name"] ?? "", options, request.body));
}

/** Volumes of a cluster are what can be updated, and this is no cluster. */
async function update(): Promise<ApiResponse> {
  throw new BerthError("unavailable", "volume update only valid for cluster volumes, but swarm is unavailable");
}
