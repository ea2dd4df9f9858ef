import type { EventMessage } from "../../spec/engine-api.ts";
import { invalid } from "../errors.ts";
import { defined, filters, moment } from "../query.ts";
import { json, stream } from "../responses.ts";
import type { ApiResponse, Context, Route } from "../types.ts";
import { diskUsage, eventLine } from "../versions.ts";

/** Routes of the engine as a whole (specification, tag "System"). */
export const systemRoutes: Route[] = [
  ["GET", "/_ping", async () => ping("OK")],
  ["HEAD", "/_ping", async () => ping("")],
  ["GET", "/version", async ({ backend }) => json(await backend.system.version())],
  ["GET", "/info", async ({ backend }) => json(await backend.system.info())],
  ["GET", "/events", events],
  ["GET", "/system/df", df],
];

/** `Builder-Version: 1` tells clients to use the classic builder; BuildKit is not spoken. */
const PING_HEADERS = {
  "Content-Type": "text/plain; charset=utf-8",
  "Builder-Version": "1",
  "Cache-Control": "no-cache, no-store, must-revalidate",
  Pragma: "no-cache",
  Swarm: "inactive",
};

function ping(text: string): ApiResponse {
  return { status: 200, headers: PING_HEADERS, body: { kind: "text", text } };
}

async function events({ backend, query, request }: Context): Promise<ApiResponse> {
  const [since, until] = [moment(query, "since", { zeroCounts: true }), moment(query, "until", { zeroCounts: true })];
  if (since !== undefined && until !== undefined && since > until) {
    throw invalid(`\`since\` time (${query.get("since")}) cannot be after \`until\` time (${query.get("until")})`);
  }
  const batches = backend.system.events({
    ...defined<{ since?: number; until?: number }>({ since, until }),
    filters: filters(query),
    signal: request.signal,
  });
  return stream(eventLines(batches), "application/json");
}

/** An event's bytes, made once however many listen. */
const LINES = new WeakMap<EventMessage, Buffer>();

async function* eventLines(batches: AsyncIterable<EventMessage[]>): AsyncGenerator<Uint8Array> {
  for await (const batch of batches) yield Buffer.concat(batch.map(bytesOf));
}

function bytesOf(message: EventMessage): Buffer {
  const known = LINES.get(message);
  const line = known ?? Buffer.from(`${JSON.stringify(eventLine(message))}\n`);
  if (!known) LINES.set(message, line);
  return line;
}

async function df({ backend, query, version }: Context): Promise<ApiResponse> {
  const known = ["container", "image", "volume", "build-cache"];
  const types = query.getAll("type");
  const unknown = types.find((type) => !known.includes(type));
  if (unknown !== undefined) throw invalid(`unknown object type: ${unknown}`);
  return json(diskUsage(await backend.system.diskUsage(types), version));
}
