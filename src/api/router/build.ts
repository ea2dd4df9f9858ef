import { BerthError } from "../../spec/errors.ts";
import { invalid } from "../errors.ts";
import { bool, defined, filters, integer, stringMap, text } from "../query.ts";
import { registryConfig } from "../registry-auth.ts";
import { json } from "../responses.ts";
import { progress } from "../stream.ts";
import type { ApiResponse, Context, Route } from "../types.ts";
import { buildLimits } from "./build-limits.ts";

/** Routes of the classic builder (specification, "ImageBuild", "BuildPrune"). */
export const buildRoutes: Route[] = [
  ["POST", "/build", build],
  ["POST", "/build/prune", prune],
];

async function build({ backend, query, request }: Context): Promise<ApiResponse> {
  refuseForeign(query);
  const labels = Object.entries(stringMap(query, "labels")).map(([k, v]): [string, string] => [k, v ?? ""]);
  const limits = buildLimits(query);
  const auths = registryConfig(request.headers["x-registry-config"]);
  const quiet = bool(query, "q");
  return progress(
    backend.build.build(request.body, {
      dockerfile: text(query, "dockerfile") ?? "Dockerfile",
      tags: query.getAll("t").filter((tag) => tag !== ""),
      buildArgs: stringMap(query, "buildargs"),
      labels: Object.fromEntries(labels),
      noCache: bool(query, "nocache"),
      quiet,
      keep: text(query, "rm") !== undefined && !bool(query, "rm"),
      forceRemove: bool(query, "forcerm"),
      pull: bool(query, "pull"),
      squash: bool(query, "squash"),
      cacheFrom: cacheFrom(query),
      ...(auths ? { auths } : {}),
      ...(limits ? { limits } : {}),
      ...defined<{ target?: string; network?: string; platform?: string; remote?: string }>({
        remote: text(query, "remote"),
        target: text(query, "target"),
        network: text(query, "networkmode"),
        platform: text(query, "platform"),
      }),
      signal: request.signal,
    }),
  );
}

async function prune({ backend, query }: Context): Promise<ApiResponse> {
  // The newer name first; both say how many bytes may stay.
  const keep = integer(query, "reserved-space") ?? integer(query, "keep-storage");
  return json(
    await backend.build.prune({
      all: bool(query, "all"),
      filters: filters(query),
      ...(keep === undefined ? {} : { keepBytes: keep }),
    }),
  );
}

/** What would silently build something else when ignored is refused. */
function refuseForeign(query: URLSearchParams): void {
  const refuse = (what: string, hint: string): never => {
    throw new BerthError("not-implemented", `${what} is not supported by this builder`, { hint });
  };
  if (query.get("version") === "2") refuse("BuildKit (version=2)", "set DOCKER_BUILDKIT=0");
  if (query.getAll("securityopt").some((option) => option !== "" && option !== "[]" && option !== "null"))
    throw invalid("security options are not supported on linux");
  const isolation = text(query, "isolation");
  if (isolation && isolation !== "default") throw invalid(`unsupported isolation: ${JSON.stringify(isolation)}`);
  if (text(query, "outputs")) refuse("an output other than an image", "leave outputs out");
}

/** Names of images, as a JSON list; anything else is none, as with Docker. */
function cacheFrom(query: URLSearchParams): string[] {
  try {
    const names: unknown = JSON.parse(query.get("cachefrom") ?? "[]");
    return Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
  } catch {
    return [];
  }
}
