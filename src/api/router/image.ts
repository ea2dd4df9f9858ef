import { BerthError } from "../../spec/errors.ts";
import { TAG } from "../../spec/reference.ts";
import { invalid } from "../errors.ts";
import { bool, defined, filters, text } from "../query.ts";
import { registryAuth } from "../registry-auth.ts";
import { empty, json, stream } from "../responses.ts";
import { begun, jsonLines, progress } from "../stream.ts";
import type { ApiResponse, Context, Handler, Route } from "../types.ts";
import { imageDetails, imageRow } from "../versions.ts";
import { checkPlatform } from "./image-platform.ts";

/**
 * Routes of images (specification, tag "Image"). A name holds slashes, so everything below /images/ that is no fixed
 * path is one wildcard whose last segment says what to do.
 */
export const imageRoutes: Route[] = [
  ["GET", "/images/json", list],
  [
    "GET",
    "/images/get",
    (context) =>
      save(
        context,
        context.query.getAll("names").flatMap((v) => v.split(",")),
      ),
  ],
  ["POST", "/images/create", create],
  ["POST", "/images/load", load],
  ["POST", "/images/prune", prune],
  ["GET", "/images/*", named({ json: inspect, history, get: (context) => save(context, [nameOf(context)]) })],
  ["POST", "/images/*", named({ tag, push })],
  ["DELETE", "/images/*", remove],
  ["POST", "/berth/bootstrap", bootstrap],
];

const LAST_WITH_CONTAINER_CONFIG = 44;

function named(verbs: Record<string, Handler>): Handler {
  return async (context) => {
    const path = context.params["*"] ?? "";
    const slash = path.lastIndexOf("/");
    const verb = verbs[path.slice(slash + 1)];
    if (slash < 1 || !verb) throw new BerthError("not-found", "page not found");
    return verb({ ...context, params: { name: path.slice(0, slash) } });
  };
}

function nameOf({ params }: Context): string {
  return params["name"] ?? "";
}

async function list({ backend, query, version }: Context): Promise<ApiResponse> {
  const wanted = filters(query);
  const rows = await backend.image.list({ all: bool(query, "all"), filters: wanted });
  return json(rows.map((row) => imageRow(row, version)));
}

async function inspect(context: Context): Promise<ApiResponse> {
  const image = await context.backend.image.inspect(nameOf(context));
  checkPlatform(image, nameOf(context), text(context.query, "platform"));
  return json(imageDetails(image, versionFor(context)));
}

/** docker-compose 1.29 speaks the newest version and reads what went with 1.45: it gets the shape that it knows. */
function versionFor({ request, version }: Context): number {
  const agent = request.headers["user-agent"] ?? "";
  return agent.startsWith("docker-compose/1.") ? Math.min(version, LAST_WITH_CONTAINER_CONFIG) : version;
}

async function history(context: Context): Promise<ApiResponse> {
  const wanted = text(context.query, "platform");
  if (wanted !== undefined)
    checkPlatform(await context.backend.image.inspect(nameOf(context)), nameOf(context), wanted);
  return json(await context.backend.image.history(nameOf(context)));
}

async function tag(context: Context): Promise<ApiResponse> {
  const repo = text(context.query, "repo");
  if (!repo) throw invalid("repo is missing: give the new name as repo and tag");
  const wanted = text(context.query, "tag") ?? "latest";
  if (!TAG.test(wanted)) throw invalid("invalid tag format");
  await context.backend.image.tag(nameOf(context), repo, wanted);
  return empty(201);
}

async function remove({ backend, params, query }: Context): Promise<ApiResponse> {
  const name = params["*"] ?? "";
  if (name.trim() === "") throw invalid("image name cannot be blank");
  return json(await backend.image.remove(name, { force: bool(query, "force"), noprune: bool(query, "noprune") }));
}

async function prune({ backend, query }: Context): Promise<ApiResponse> {
  return json(await backend.image.prune(filters(query)));
}

async function load({ backend, query, request }: Context): Promise<ApiResponse> {
  const options = {
    quiet: bool(query, "quiet", true),
    ...defined<{ platform?: string }>({ platform: platformOf(text(query, "platform")) }),
  };
  // As with Docker, the status is sent before the archive is read: what is wrong with it is an error in the stream.
  return stream(jsonLines(backend.image.load(request.body, options), "\r\n"), "application/json");
}

async function save({ backend, query }: Context, names: string[]): Promise<ApiResponse> {
  const options = defined<{ platform?: string }>({ platform: platformOf(text(query, "platform")) });
  return stream(await begun(backend.image.save(names, options)), "application/x-tar");
}

/** A platform as clients of 1.48 and later send it, a JSON object, or as `os/arch/variant`. */
function platformOf(value: string | undefined): string | undefined {
  if (!value?.startsWith("{")) return value;
  try {
    const { os, architecture, variant } = JSON.parse(value) as { os?: string; architecture?: string; variant?: string };
    return [os, architecture, variant].filter(Boolean).join("/");
  } catch {
    throw invalid(`invalid platform: ${value}`);
  }
}

/** `POST /images/create` is two things: a pull (`fromImage`), or an import (`fromSrc`, "-" being the request's body). */
async function create({ backend, query, request }: Context): Promise<ApiResponse> {
  const platform = defined<{ platform?: string }>({ platform: text(query, "platform") });
  const [image, source] = [text(query, "fromImage"), text(query, "fromSrc")];
  if (image !== undefined) {
    const wanted = text(query, "tag");
    const auth = registryAuth(request.headers["x-registry-auth"]);
    const options = {
      ...platform,
      all: wanted === undefined && !hasTag(image),
      ...(auth ? { auth } : {}),
      signal: request.signal,
    };
    return progress(backend.image.pull(withTag(image, wanted), options));
  }
  if (!source) throw invalid("name what to pull in fromImage, or what to import in fromSrc");
  const from = source === "-" ? { tar: request.body } : { url: source };
  const options = {
    ...defined<{ repo?: string; tag?: string; message?: string }>({
      repo: text(query, "repo"),
      tag: text(query, "tag"),
      message: text(query, "message"),
    }),
    changes: query.getAll("changes"),
    ...platform,
  };
  return progress(backend.image.import(from, options));
}

async function bootstrap({ backend, query, request }: Context): Promise<ApiResponse> {
  const reference = text(query, "reference");
  if (!reference) throw invalid("reference is missing: name a distribution, as in debian:bookworm");
  const include = query.getAll("include").flatMap((value) => value.split(",").filter((name) => name !== ""));
  const mirror = defined<{ mirror?: string }>({ mirror: text(query, "mirror") });
  return progress(backend.image.bootstrap(reference, { ...mirror, include, signal: request.signal }));
}

async function push(context: Context): Promise<ApiResponse> {
  const { backend, query, request } = context;
  const auth = registryAuth(request.headers["x-registry-auth"]);
  const options = defined<{ tag?: string; platform?: string }>({
    tag: text(query, "tag"),
    platform: platformOf(text(query, "platform")),
  });
  return progress(backend.image.push(nameOf(context), { ...options, ...(auth ? { auth } : {}) }));
}

/** A name alone, without the tag parameter, means all tags of the repository; one that has its tag in it means that. */
function hasTag(image: string): boolean {
  return /[:@]/.test(image.slice(image.lastIndexOf("/") + 1));
}

function withTag(image: string, tag: string | undefined): string {
  if (!tag) return image;
  return `${image}${tag.includes(":") ? "@" : ":"}${tag}`;
}
