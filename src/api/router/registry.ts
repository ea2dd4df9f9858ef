import { BerthError } from "../../spec/errors.ts";
import type { RegistryAuth } from "../backend.ts";
import { jsonBody } from "../body.ts";
import { invalid } from "../errors.ts";
import { filters, integer, text } from "../query.ts";
import { registryAuth } from "../registry-auth.ts";
import { json } from "../responses.ts";
import type { ApiResponse, Context, Route } from "../types.ts";
import type { Shape } from "../validate.ts";

/** Routes about registries (specification, "SystemAuth", "ImageSearch", "DistributionInspect"). */
export const registryRoutes: Route[] = [
  ["POST", "/auth", auth],
  ["GET", "/images/search", search],
  ["GET", "/distribution/*", distribution],
];

/** Members as the specification's AuthConfig has them, and the two tokens that clients send beside. */
const AUTH: Shape = {
  object: {
    username: "string",
    password: "string",
    serveraddress: "string",
    identitytoken: "string",
    registrytoken: "string",
  },
};

async function auth({ backend, request }: Context): Promise<ApiResponse> {
  const credentials = await jsonBody<RegistryAuth>(request, AUTH, { type: "registry.AuthConfig" });
  return json(await backend.registry.login(credentials ?? {}));
}

async function search({ backend, query, request }: Context): Promise<ApiResponse> {
  const term = text(query, "term") ?? "";
  if (/^https?:\/\//.test(term)) throw invalid("invalid repository name: leave out the scheme");
  const credentials = registryAuth(request.headers["x-registry-auth"]);
  const options = { limit: integer(query, "limit") ?? 0, filters: filters(query) };
  return json(await backend.registry.search(term, { ...options, ...(credentials ? { auth: credentials } : {}) }));
}

async function distribution({ backend, params, request }: Context): Promise<ApiResponse> {
  const path = params["*"] ?? "";
  if (!path.endsWith("/json")) throw new BerthError("not-found", "page not found");
  const name = path.slice(0, -"/json".length);
  return json(await backend.registry.distribution(name, registryAuth(request.headers["x-registry-auth"])));
}
