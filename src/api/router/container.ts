import type { HostConfig } from "../../spec/engine-api.ts";
import { BerthError, messageOf } from "../../spec/errors.ts";
import type { CreateBody } from "../backend.ts";
import { jsonBody } from "../body.ts";
import { invalid } from "../errors.ts";
import { lineInStream, streamType } from "../hijack.ts";
import { bool, defined, exactMoment, filters, idOf, integer, text } from "../query.ts";
import { empty, json, stream } from "../responses.ts";
import { SHAPES } from "../shapes.ts";
import { jsonLines } from "../stream.ts";
import type { ApiResponse, Context, Route } from "../types.ts";
import type { Shape } from "../validate.ts";
import { containerDetails } from "../versions.ts";
import { attachRoutes } from "./attach.ts";
import { wait } from "./wait.ts";

/** Routes of containers (specification, tag "Container"). */
export const containerRoutes: Route[] = [
  ["GET", "/containers/json", list],
  ["POST", "/containers/create", create],
  ["POST", "/containers/prune", prune],
  ["GET", "/containers/:id/json", inspect],
  ["GET", "/containers/:id/top", top],
  ["GET", "/containers/:id/logs", logs],
  ["GET", "/containers/:id/stats", stats],
  ["POST", "/containers/:id/start", start],
  ["POST", "/containers/:id/stop", stop],
  ["POST", "/containers/:id/restart", restart],
  ["POST", "/containers/:id/kill", kill],
  ["POST", "/containers/:id/pause", pause],
  ["POST", "/containers/:id/unpause", unpause],
  ["POST", "/containers/:id/rename", rename],
  ["POST", "/containers/:id/resize", resize],
  ["POST", "/containers/:id/update", update],
  ...attachRoutes,
  ["POST", "/containers/:id/wait", wait],
  ["DELETE", "/containers/:id", remove],
  ["DELETE", "/containers/:id/:alias", remove],
];

const CREATE_BODY: Shape = {
  object: {
    ...membersOf("#ContainerConfig"),
    HostConfig: "#HostConfig",
    NetworkingConfig: "#NetworkingConfig",
  },
};

const MAX_DIMENSION = 2 ** 32 - 1;
const MAX_TERMINAL = 65_535;

/** `h` and `w` of a resize; both are required, from 0 to 65535. */
export function sizeOf(query: URLSearchParams): { rows: number; cols: number } {
  return { rows: dimension(query, "h", "height"), cols: dimension(query, "w", "width") };
}

function membersOf(name: string): Record<string, Shape> {
  const shape = SHAPES[name];
  return typeof shape === "object" && "object" in shape ? shape.object : {};
}

async function list({ backend, query }: Context): Promise<ApiResponse> {
  const limit = integer(query, "limit");
  const answer = json(
    await backend.container.list({
      all: bool(query, "all"),
      size: bool(query, "size"),
      ...(limit !== undefined && limit > 0 ? { limit } : {}),
      filters: filters(query),
    }),
  );
  const warning = await backend.container.listWarning();
  if (warning !== undefined) answer.headers["Warning"] = `299 berth "${warning}"`;
  return answer;
}

async function create({ backend, query, request, version }: Context): Promise<ApiResponse> {
  const body = await jsonBody<CreateBody>(request, CREATE_BODY, { required: true });
  const config = Object.keys(body ?? {}).filter((k) => k !== "HostConfig" && k !== "NetworkingConfig");
  if (!body || config.length === 0) throw invalid("config cannot be empty in order to create a container");
  refuseEndpoints(body, version);
  // Up to 1.24 the client removes the container itself.
  if (version < 25 && body.HostConfig) body.HostConfig.AutoRemove = false;
  const options = defined<{ platform?: string }>({ platform: text(query, "platform") });
  return json(await backend.container.create(text(query, "name"), body, options), 201);
}

/** Before 1.44 a container was made on one network and connected to others later. */
function refuseEndpoints({ NetworkingConfig: config }: CreateBody, version: number): void {
  const names = Object.keys(config?.EndpointsConfig ?? {});
  if (version >= 44 || names.length < 2) return;
  throw invalid(`Container cannot be created with multiple network endpoints: ${names.join(", ")}`);
}

async function prune({ backend, query }: Context): Promise<ApiResponse> {
  return json(await backend.container.prune(filters(query)));
}

async function inspect(context: Context): Promise<ApiResponse> {
  const container = await context.backend.container.inspect(idOf(context), { size: bool(context.query, "size") });
  return json(containerDetails(container, context.version));
}

async function top(context: Context): Promise<ApiResponse> {
  return json(await context.backend.container.top(idOf(context), text(context.query, "ps_args") ?? "-ef"));
}

async function logs(context: Context): Promise<ApiResponse> {
  const { backend, query, request, version } = context;
  const [stdout, stderr] = [bool(query, "stdout"), bool(query, "stderr")];
  if (!stdout && !stderr) throw invalid("Bad parameters: you must choose at least one stream");
  const wanted = query.get("tail") ?? "all";
  const { tty, stream: lines } = await backend.container.logs(idOf(context), {
    stdout,
    stderr,
    follow: bool(query, "follow"),
    timestamps: bool(query, "timestamps"),
    details: bool(query, "details"),
    ...defined<{ since?: string; until?: string; tail?: number }>({
      since: exactMoment(query, "since"),
      until: exactMoment(query, "until"),
      tail: /^\d{1,15}$/.test(wanted) ? Number(wanted) : undefined,
    }),
    signal: request.signal,
  });
  return stream(failingInBand(lines, tty), streamType(tty, version));
}

async function* failingInBand(source: AsyncIterable<Uint8Array>, tty: boolean): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } catch (error) {
    yield lineInStream(`Error grabbing logs: ${messageOf(error)}`, tty);
  }
}

async function stats(context: Context): Promise<ApiResponse> {
  const { backend, query, request } = context;
  const [streaming, oneShot] = [bool(query, "stream", true), bool(query, "one-shot")];
  if (streaming && oneShot) throw invalid("cannot have stream=true and one-shot=true");
  const options = { stream: streaming, oneShot, signal: request.signal };
  const samples = await backend.container.stats(idOf(context), options);
  if (streaming) return stream(jsonLines(samples), "application/json");
  for await (const sample of samples) return json(sample);
  throw new BerthError("internal", `container ${idOf(context)} gave no statistics`);
}

async function start(context: Context): Promise<ApiResponse> {
  const length = context.request.headers["content-length"] ?? "0";
  if (Number(length) > 2 || context.request.headers["transfer-encoding"] !== undefined) {
    throw invalid("starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24");
  }
  const options = defined<{ detachKeys?: string }>({ detachKeys: text(context.query, "detachKeys") });
  await context.backend.container.start(idOf(context), options);
  return empty();
}

function stopOptions({ query, version }: Context): { signal?: string; timeout?: number } {
  return defined<{ signal?: string; timeout?: number }>({
    signal: version >= 42 ? text(query, "signal") : undefined,
    timeout: integer(query, "t"),
  });
}

async function stop(context: Context): Promise<ApiResponse> {
  await context.backend.container.stop(idOf(context), stopOptions(context));
  return empty();
}

async function restart(context: Context): Promise<ApiResponse> {
  await context.backend.container.restart(idOf(context), stopOptions(context));
  return empty();
}

async function kill(context: Context): Promise<ApiResponse> {
  const options = defined<{ signal?: string }>({ signal: text(context.query, "signal") });
  await context.backend.container.kill(idOf(context), options);
  return empty();
}

async function pause(context: Context): Promise<ApiResponse> {
  await context.backend.container.pause(idOf(context));
  return empty();
}

async function unpause(context: Context): Promise<ApiResponse> {
  await context.backend.container.unpause(idOf(context));
  return empty();
}

async function rename(context: Context): Promise<ApiResponse> {
  const name = text(context.query, "name");
  if (!name) throw invalid("Neither old nor new names may be empty");
  await context.backend.container.rename(idOf(context), name);
  return empty();
}

async function resize(context: Context): Promise<ApiResponse> {
  await context.backend.container.resize(idOf(context), sizeOf(context.query));
  return empty(200);
}

async function update(context: Context): Promise<ApiResponse> {
  const changes = await jsonBody<HostConfig>(context.request, "#HostConfig", { type: "container.UpdateConfig" });
  // Before 1.40 clients sent 0 for what was not asked for.
  if (context.version < 40) delete changes?.PidsLimit;
  return json(await context.backend.container.update(idOf(context), changes ?? {}));
}

async function remove(context: Context): Promise<ApiResponse> {
  const { query } = context;
  const options = { force: bool(query, "force"), volumes: bool(query, "v"), link: bool(query, "link") };
  // A link is named by its container and what that one calls it.
  const alias = context.params["alias"];
  await context.backend.container.remove(alias === undefined ? idOf(context) : `${idOf(context)}/${alias}`, options);
  return empty();
}

/** As Docker 32 bits of it are taken; a terminal has 16. */
function dimension(query: URLSearchParams, name: string, word: string): number {
  const value = query.get(name) ?? "";
  const number = Number(value);
  if (!/^-?\d+$/.test(value)) throw invalid(`invalid resize ${word} "${value}": invalid syntax`);
  if (number < 0 || number > MAX_DIMENSION) throw invalid(`invalid resize ${word} "${value}": value out of range`);
  return Math.min(number, MAX_TERMINAL);
}
