import { errorResponse, RegistryError } from "../errors.ts";
import { repositoryName } from "../names.ts";
import type { Action } from "../types.ts";
import { deleteBlob, getBlob } from "./blobs.ts";
import type { RegistryContext, RepositoryRequest } from "./context.ts";
import { listReferrers, listRepositories, listTags } from "./lists.ts";
import { deleteManifest, getManifest, putManifest } from "./manifests.ts";
import { answerV1 } from "./search.ts";
import { appendUpload, beginUpload, cancelUpload, finishUpload, uploadStatus } from "./uploads.ts";

type Handler = (ctx: RegistryContext, asked: RepositoryRequest) => Promise<Response>;

/** One row of the specification's table of endpoints ("Endpoints"): path behind the repository, method, what it needs. */
interface Route {
  pattern: RegExp;
  methods: Record<string, readonly [Action, Handler]>;
}

const ROUTES: Route[] = [
  { pattern: /^(.*)\/blobs\/uploads()\/?$/, methods: { POST: ["push", beginUpload] } },
  {
    pattern: /^(.*)\/blobs\/uploads\/([^/]+)$/,
    methods: {
      GET: ["push", uploadStatus],
      PATCH: ["push", appendUpload],
      PUT: ["push", finishUpload],
      DELETE: ["push", cancelUpload],
    },
  },
  {
    pattern: /^(.*)\/blobs\/([^/]+)$/,
    methods: { GET: ["pull", getBlob], HEAD: ["pull", getBlob], DELETE: ["delete", deleteBlob] },
  },
  {
    pattern: /^(.*)\/manifests\/([^/]+)$/,
    methods: {
      GET: ["pull", getManifest],
      HEAD: ["pull", getManifest],
      PUT: ["push", putManifest],
      DELETE: ["delete", deleteManifest],
    },
  },
  { pattern: /^(.*)\/tags\/list()$/, methods: { GET: ["pull", listTags] } },
  { pattern: /^(.*)\/referrers\/([^/]+)$/, methods: { GET: ["pull", listReferrers] } },
];

const VERSION = { "Docker-Distribution-Api-Version": "registry/2.0" };

/** The registry's answer to any request; it never throws. */
export async function answer(ctx: RegistryContext, request: Request): Promise<Response> {
  let response: Response;
  try {
    response = await route(ctx, request);
  } catch (error) {
    response = errorResponse(error, (line) => ctx.log(`${request.method} ${pathOf(request.url)}: ${line}`));
  }
  response.headers.set("Docker-Distribution-Api-Version", VERSION["Docker-Distribution-Api-Version"]);
  response.headers.set("X-Content-Type-Options", "nosniff");
  return response;
}

async function route(ctx: RegistryContext, request: Request): Promise<Response> {
  const path = pathOf(request.url);
  if (path.startsWith("/v2/")) return v2(ctx, request, path);
  const query = queryOf(request.url);
  if (path === "/v2") return new Response(null, { status: 308, headers: { Location: "/v2/" } });
  if (path === "/token" && ctx.gate.token) return ctx.gate.token(request);
  if (path === "/healthz") return new Response("ok\n");
  if (path === "/metrics" && ctx.metrics) {
    await ctx.gate.admit(request, [{ repository: "", action: "admin" }]);
    return new Response(await ctx.metrics(), { headers: { "Content-Type": "text/plain; version=0.0.4" } });
  }
  if (path.startsWith("/v1/")) {
    const caller = await ctx.gate.admit(request, [{ repository: "", action: "catalog" }]);
    return answerV1(ctx, { path, query, caller });
  }
  if (path === "/") return new Response("An OCI registry is here; its API begins at /v2/\n");
  throw new RegistryError("UNSUPPORTED", "no such page; the API begins at /v2/", { status: 404 });
}

async function v2(ctx: RegistryContext, request: Request, path: string): Promise<Response> {
  const { method } = request;
  const query = queryOf(request.url);
  if (path === "/v2/") {
    if (method !== "GET" && method !== "HEAD") throw wrongMethod(method, "GET, HEAD");
    await ctx.gate.admit(request, []);
    return Response.json({});
  }
  if (path === "/v2/_catalog") {
    if (method !== "GET") throw wrongMethod(method, "GET");
    const caller = await ctx.gate.admit(request, [{ repository: "", action: "catalog" }]);
    return listRepositories(ctx, { query, caller });
  }
  const rest = path.slice("/v2/".length);
  for (const { pattern, methods } of ROUTES) {
    const [, name, target] = pattern.exec(rest) ?? [];
    if (name === undefined || target === undefined) continue;
    const named = repositoryName(name);
    const [action, handler] = methods[method] ?? [];
    if (!action || !handler) throw wrongMethod(method, Object.keys(methods).join(", "));
    const repository = action === "pull" ? (ctx.through?.named(named, query.get("ns") ?? "") ?? named) : named;
    const caller = await ctx.gate.admit(request, [{ repository, action }]);
    if (action === "push" && (await ctx.through?.closed(repository))) {
      throw new RegistryError("DENIED", `${repository} is a cache of another registry; push elsewhere`);
    }
    return handler(ctx, { request, repository, target, query, caller });
  }
  throw new RegistryError("UNSUPPORTED", "no such endpoint", { status: 404 });
}

function wrongMethod(method: string, allow: string): RegistryError {
  return new RegistryError("UNSUPPORTED", `${method} is not for this`, { headers: { Allow: allow } });
}

/**
 * The path as it was sent, but for the colon of a digest, which some clients encode. Nothing else may be: a name has no such characters, and what an encoded one could
 * climb to nobody needs to find out.
 */
function pathOf(url: string): string {
  const path = url.replace(/^[a-z]+:\/\/[^/?#]*/i, "").replace(/[?#].*$/, "");
  return path.replace(/%3a/gi, ":");
}

function queryOf(url: string): URLSearchParams {
  const at = url.indexOf("?");
  return new URLSearchParams(at < 0 ? "" : url.slice(at + 1));
}
