import { BerthError } from "../../spec/errors.ts";
import { checkedPlatform, formatPlatform } from "../../spec/platform.ts";
import { TAG } from "../../spec/reference.ts";
import { jsonBody } from "../body.ts";
import { invalid } from "../errors.ts";
import { bool, defined, filters, text } from "../query.ts";
import { registryAuth } from "../registry-auth.ts";
import { empty, json, stream } from "../responses.ts";
import { begun, jsonLines, progress } from "../stream.ts";
import type { ApiResponse, Context, Handler, Route } from "../types.ts";
import type { Shape } from "../validate.ts";
import { imageDetails, imageRow } from "../versions.ts";
import { type PlatformParameter, platformIn } from "./image-platform.ts";

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
/** The versions that brought shared sizes and manifests of listed images, and manifests of an inspected one. */
const LISTED_SHARED_SIZE = 42;
const LISTED_MANIFESTS = 47;
const INSPECTED_MANIFESTS = 48;
/** The version that brought the platform of what is pulled or imported, as `os/arch/variant`. */
const FIRST_WITH_PLATFORM = 32;
const BOOTSTRAP_BODY: Shape = { object: { keys: { array: { object: { name: "string", data: "string" } } } } };
const ONE_OF_ARCHIVE: PlatformParameter = {
  name: "platform",
  since: 48,
  several: "multiple platform parameters not supported",
};

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
  const rows = await backend.image.list({
    all: bool(query, "all"),
    filters: filters(query),
    sharedSize: version >= LISTED_SHARED_SIZE && bool(query, "shared-size"),
    manifests: version >= LISTED_MANIFESTS && bool(query, "manifests"),
  });
  return json(rows.map((row) => imageRow(row, version)));
}

async function inspect(context: Context): Promise<ApiResponse> {
  const { backend, query, version } = context;
  const manifests = version >= INSPECTED_MANIFESTS && bool(query, "manifests");
  const wanted = platformIn(context, { name: "platform", since: 49 });
  if (manifests && wanted.platform !== undefined)
    throw invalid("conflicting options: manifests and platform options cannot both be set");
  const image = await backend.image.inspect(nameOf(context), { ...wanted, manifests });
  return json(imageDetails(image, versionFor(context)));
}

/** docker-compose 1.29 speaks the newest version and reads what went with 1.45: it gets the shape that it knows. */
function versionFor({ request, version }: Context): number {
  const agent = request.headers["user-agent"] ?? "";
  return agent.startsWith("docker-compose/1.") ? Math.min(version, LAST_WITH_CONTAINER_CONFIG) : version;
}

async function history(context: Context): Promise<ApiResponse> {
  const wanted = platformIn(context, { name: "platform", since: 48 });
  return json(await context.backend.image.history(nameOf(context), wanted));
}

async function tag(context: Context): Promise<ApiResponse> {
  const repo = text(context.query, "repo");
  if (!repo) throw invalid("repo is missing: give the new name as repo and tag");
  const wanted = text(context.query, "tag") ?? "latest";
  if (!TAG.test(wanted)) throw invalid("invalid tag format");
  await context.backend.image.tag(nameOf(context), repo, wanted);
  return empty(201);
}

async function remove(context: Context): Promise<ApiResponse> {
  const { backend, params, query } = context;
  const name = params["*"] ?? "";
  if (name.trim() === "") throw invalid("image name cannot be blank");
  const wanted = platformIn(context, {
    name: "platforms",
    since: 50,
    several: "multiple platforms are not supported",
  });
  const options = { force: bool(query, "force"), noprune: bool(query, "noprune"), ...wanted };
  return json(await backend.image.remove(name, options));
}

async function prune({ backend, query }: Context): Promise<ApiResponse> {
  return json(await backend.image.prune(filters(query)));
}

async function load(context: Context): Promise<ApiResponse> {
  const { backend, query, request } = context;
  const options = { quiet: bool(query, "quiet", true), ...platformIn(context, ONE_OF_ARCHIVE) };
  // As with Docker, the status is sent before the archive is read: what is wrong with it is an error in the stream.
  return stream(jsonLines(backend.image.load(request.body, options), "\r\n"), "application/json");
}

async function save(context: Context, names: string[]): Promise<ApiResponse> {
  const options = platformIn(context, ONE_OF_ARCHIVE);
  return stream(await begun(context.backend.image.save(names, options)), "application/x-tar");
}

/** `POST /images/create` is two things: a pull (`fromImage`), or an import (`fromSrc`, "-" being the request's body). */
async function create({ backend, query, request, version }: Context): Promise<ApiResponse> {
  const wanted = version >= FIRST_WITH_PLATFORM ? text(query, "platform") : undefined;
  const platform = wanted === undefined ? {} : { platform: formatPlatform(checkedPlatform(wanted)) };
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
  const body = await jsonBody<{ keys?: { name?: string; data?: string }[] }>(request, BOOTSTRAP_BODY);
  const options = {
    ...defined<{ mirror?: string; from?: string }>({ mirror: text(query, "mirror"), from: text(query, "from") }),
    include: query.getAll("include").flatMap((value) => value.split(",").filter((name) => name !== "")),
    keys: (body?.keys ?? []).map(({ name = "", data = "" }) => ({ name, data })),
    signal: request.signal,
  };
  return progress(backend.image.bootstrap(reference, options));
}

async function push(context: Context): Promise<ApiResponse> {
  const { backend, query, request } = context;
  const auth = registryAuth(request.headers["x-registry-auth"]);
  const options = {
    ...defined<{ tag?: string }>({ tag: text(query, "tag") }),
    ...platformIn(context, { name: "platform", since: 46 }),
    ...(auth ? { auth } : {}),
    signal: request.signal,
  };
  return progress(backend.image.push(nameOf(context), options));
}

/** A name alone, without the tag parameter, means all tags of the repository; one that has its tag in it means that. */
function hasTag(image: string): boolean {
  return /[:@]/.test(image.slice(image.lastIndexOf("/") + 1));
}

function withTag(image: string, tag: string | undefined): string {
  if (!tag) return image;
  return `${image}${tag.includes(":") ? "@" : ":"}${tag}`;
}
