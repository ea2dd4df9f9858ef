import { BerthError } from "../../spec/errors.ts";
import { bool, defined, filters, integer, stringMap, text } from "../query.ts";
import { json } from "../responses.ts";
import { progress } from "../stream.ts";
import type { ApiResponse, Context, Route } from "../types.ts";

/** Routes of the classic builder (specification, "ImageBuild", "BuildPrune"). */
export const buildRoutes: Route[] = [
  ["POST", "/build", build],
  ["POST", "/build/prune", prune],
];

async function build({ backend, query, request }: Context): Promise<ApiResponse> {
  refuseForeign(query);
  const labels = Object.entries(stringMap(query, "labels")).map(([k, v]): [string, string] => [k, v ?? ""]);
  return progress(
    backend.build.build(request.body, {
      dockerfile: text(query, "dockerfile") ?? "Dockerfile",
      tags: query.getAll("t").filter((tag) => tag !== ""),
      buildArgs: stringMap(query, "buildargs"),
      labels: Object.fromEntries(labels),
      noCache: bool(query, "nocache"),
      quiet: bool(query, "q"),
      ...defined<{ target?: string; network?: string; platform?: string }>({
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
  if (text(query, "remote")) refuse("a remote build context", "fetch it and send it as the request's body");
  if (bool(query, "squash")) refuse("squash", "leave it out");
  if (text(query, "outputs")) refuse("an output other than an image", "leave outputs out");
}
