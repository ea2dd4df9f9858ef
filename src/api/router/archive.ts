import type { ContainerConfig } from "../../spec/engine-api.ts";
import { jsonBody } from "../body.ts";
import { invalid } from "../errors.ts";
import { bool, defined, idOf, text } from "../query.ts";
import { empty, json, stream } from "../responses.ts";
import type { ApiResponse, Context, Route } from "../types.ts";

const TAR = "application/x-tar";

/** Routes of a container's files (specification, tag "Container"). */
export const archiveRoutes: Route[] = [
  ["HEAD", "/containers/:id/archive", stat],
  ["GET", "/containers/:id/archive", read],
  ["PUT", "/containers/:id/archive", write],
  ["GET", "/containers/:id/export", exportTree],
  ["GET", "/containers/:id/changes", changes],
  ["POST", "/commit", commit],
];

function pathOf({ query }: Context): string {
  const path = text(query, "path");
  if (!path) throw invalid("bad parameter: path cannot be empty");
  return path;
}

/** Docker's X-Docker-Container-Path-Stat: JSON in base64. */
function statHeader(value: object): Record<string, string> {
  return { "X-Docker-Container-Path-Stat": Buffer.from(JSON.stringify(value)).toString("base64") };
}

async function stat(context: Context): Promise<ApiResponse> {
  const { backend, request } = context;
  const found = await backend.files.stat(idOf(context), { path: pathOf(context), signal: request.signal });
  return { ...empty(200), headers: statHeader(found) };
}

async function read(context: Context): Promise<ApiResponse> {
  const { backend, request } = context;
  const found = await backend.files.read(idOf(context), { path: pathOf(context), signal: request.signal });
  const answer = stream(found.tar, TAR);
  return { ...answer, headers: { ...answer.headers, ...statHeader(found.stat) } };
}

async function write(context: Context): Promise<ApiResponse> {
  const { backend, query, request } = context;
  const options = {
    path: pathOf(context),
    keepDirs: bool(query, "noOverwriteDirNonDir"),
    ownByUser: bool(query, "copyUIDGID"),
    signal: request.signal,
  };
  await backend.files.write(idOf(context), options, request.body);
  return empty(200);
}

async function exportTree(context: Context): Promise<ApiResponse> {
  const tar = await context.backend.files.export(idOf(context), { signal: context.request.signal });
  return stream(tar, "application/octet-stream");
}

async function changes(context: Context): Promise<ApiResponse> {
  return json(await context.backend.files.changes(idOf(context)));
}

async function commit({ backend, query, request }: Context): Promise<ApiResponse> {
  const config = await jsonBody<ContainerConfig>(request, "#ContainerConfig");
  const container = text(query, "container");
  if (!container) throw invalid('invalid name or ID supplied: ""');
  const options = {
    ...defined<{ repo?: string; tag?: string; comment?: string; author?: string; config?: ContainerConfig }>({
      repo: text(query, "repo"),
      tag: text(query, "tag"),
      comment: text(query, "comment"),
      author: text(query, "author"),
      config,
    }),
    pause: bool(query, "pause", true),
    changes: query.getAll("changes").flatMap((lines) => lines.split("\n").filter((line) => line.trim() !== "")),
  };
  return json(await backend.files.commit(container, options), 201);
}
