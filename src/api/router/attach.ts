import type { AttachOptions } from "../backend.ts";
import { takeOver } from "../hijack.ts";
import { bool, defined, idOf, text } from "../query.ts";
import { empty } from "../responses.ts";
import type { ApiResponse, Context, Route } from "../types.ts";
import { webSocketHead } from "../websocket.ts";

/** Routes of attach: over a connection that is taken over, and over a WebSocket. */
export const attachRoutes: Route[] = [
  ["POST", "/containers/:id/attach", attach],
  ["GET", "/containers/:id/attach/ws", attachWebSocket],
];

/** Before this version a WebSocket carried all three streams, whatever the query said. */
const CHOSEN_SINCE = 42;

async function attach(context: Context): Promise<ApiResponse> {
  return takeOver(context, { notTaken: empty(200) }, (ready) =>
    context.backend.container.attach(idOf(context), optionsOf(context.query), ready),
  );
}

async function attachWebSocket(context: Context): Promise<ApiResponse> {
  const webSocket = webSocketHead(context.request);
  const all = context.version < CHOSEN_SINCE ? { stdin: true, stdout: true, stderr: true } : {};
  const options = { ...optionsOf(context.query), ...all };
  return takeOver(context, { notTaken: empty(200), webSocket }, (ready) =>
    context.backend.container.attach(idOf(context), options, ready),
  );
}

function optionsOf(query: URLSearchParams): AttachOptions {
  return {
    stdin: bool(query, "stdin"),
    stdout: bool(query, "stdout"),
    stderr: bool(query, "stderr"),
    stream: bool(query, "stream"),
    logs: bool(query, "logs"),
    ...defined<{ detachKeys?: string }>({ detachKeys: text(query, "detachKeys") }),
  };
}
