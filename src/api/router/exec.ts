import type { ExecCreateBody } from "../backend.ts";
import { jsonBody } from "../body.ts";
import { invalid } from "../errors.ts";
import { takeOver } from "../hijack.ts";
import { idOf } from "../query.ts";
import { empty, json } from "../responses.ts";
import type { ApiResponse, Context, Route } from "../types.ts";
import type { Shape } from "../validate.ts";
import { sizeOf } from "./container.ts";

/** Routes of exec instances (specification, tag "Exec"). `common` are the headers that every answer carries. */
export function execRoutes(common: Record<string, string>): Route[] {
  return [
    ["POST", "/containers/:id/exec", create],
    ["POST", "/exec/:id/start", (context) => start(context, common)],
    ["POST", "/exec/:id/resize", resize],
    ["GET", "/exec/:id/json", inspect],
  ];
}

const CREATE_BODY: Shape = {
  object: {
    AttachStdin: "boolean",
    AttachStdout: "boolean",
    AttachStderr: "boolean",
    ConsoleSize: { array: "integer" },
    DetachKeys: "string",
    Tty: "boolean",
    Env: { array: "string" },
    Cmd: { array: "string" },
    Privileged: "boolean",
    User: "string",
    WorkingDir: "string",
  },
};

interface StartBody {
  Detach?: boolean;
  Tty?: boolean;
  ConsoleSize?: number[];
}
const START_BODY: Shape = { object: { Detach: "boolean", Tty: "boolean", ConsoleSize: { array: "integer" } } };

async function create(context: Context): Promise<ApiResponse> {
  const body = await jsonBody<ExecCreateBody>(context.request, CREATE_BODY, { type: "container.ExecOptions" });
  if (!body?.Cmd?.length) throw invalid("No exec command specified");
  if (body.ConsoleSize) consoleSizeOf(body.ConsoleSize);
  return json(await context.backend.exec.create(idOf(context), body), 201);
}

async function start(context: Context, headers: Record<string, string>): Promise<ApiResponse> {
  const body = (await jsonBody<StartBody>(context.request, START_BODY, { type: "container.ExecStartOptions" })) ?? {};
  const size = context.version >= 42 && body.ConsoleSize ? consoleSizeOf(body.ConsoleSize) : undefined;
  if (size && !body.Tty) throw invalid("console size is only supported when TTY is enabled");
  const options = {
    detach: body.Detach ?? false,
    tty: body.Tty ?? false,
    ...(size ? { consoleSize: size } : {}),
  };
  return takeOver(context, { headers, notTaken: empty(200) }, (ready) =>
    context.backend.exec.start(idOf(context), options, ready),
  );
}

async function resize(context: Context): Promise<ApiResponse> {
  await context.backend.exec.resize(idOf(context), sizeOf(context.query));
  return empty(200);
}

async function inspect(context: Context): Promise<ApiResponse> {
  return json(await context.backend.exec.inspect(idOf(context)));
}

function consoleSizeOf(size: number[]): { rows: number; cols: number } {
  const [rows, cols] = size;
  const fits = (n: number | undefined): n is number => n !== undefined && n >= 0 && n <= 65535;
  if (size.length !== 2 || !fits(rows) || !fits(cols)) {
    throw invalid("invalid request body: ConsoleSize must be [height, width], each from 0 to 65535");
  }
  return { rows, cols };
}
