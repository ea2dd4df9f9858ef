import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { ApiRequest, ApiResponse } from "../../api/types.ts";
import { type Address, bind } from "./bind.ts";
import { hijackPlain, hijackUpgraded } from "./hijack.ts";
import { toApiRequest, upgradeBody } from "./request.ts";
import { respond, respondBare } from "./respond.ts";

export type { Address } from "./bind.ts";

/** A listening server. `close` stops accepting, aborts what is in flight, and removes the socket's file. */
export interface Listener {
  /** The port that was taken, for tcp; 0 else. */
  port: number;
  close(): Promise<void>;
}

/** Told when a request begins, and when its connection's part in it has ended: answered whole, or cut. Always in pairs. */
export interface Activity {
  began(): void;
  ended(): void;
}

/** What answers requests. */
export type RequestHandler = (request: ApiRequest) => Promise<ApiResponse>;

/**
 * A failure may be known before the request's body has ended (a full disk in the middle of an upload). The rest is read away for so long
 * before the answer goes out, since a client whose writing fails may never read it.
 */
const DISCARD_MS = 30_000;
const FIRST_ERROR = 400;
const HEADERS_TIMEOUT_MS = 60_000;

/**
 * Serves the handler over HTTP/1.1. Streams of any length, in both directions, with back-pressure; no time limit but the one
 * on a request's headers. A stale socket file is replaced; one that somebody answers on is a `conflict`.
 */
export async function listen(handler: RequestHandler, address: Address, activity?: Activity): Promise<Listener> {
  const open = new OpenRequests(activity);
  const server = createServer({ requestTimeout: 0, headersTimeout: HEADERS_TIMEOUT_MS, keepAliveTimeout: 0 });
  server.timeout = 0;
  server.on("request", (incoming, response) => void serve(handler, open, { incoming, response }));
  const injected = "fd" in address || ("host" in address && address.tls !== undefined);
  const inSocket = injected || process.versions["bun"] === undefined;
  server.on("upgrade", (incoming, socket, head) => {
    const body = inSocket ? upgradeBody(incoming, socket, head) : incoming;
    void serveUpgrade(handler, open, { incoming, socket, body });
  });
  server.on("checkContinue", (incoming, response) => {
    response.writeContinue();
    void serve(handler, open, { incoming, response });
  });
  const bound = await bind(server, address);
  return {
    port: bound.port,
    async close() {
      const closed = bound.close();
      open.abortAll();
      await closed;
    },
  };
}

/** The requests under way. */
class OpenRequests {
  readonly #controllers = new Set<AbortController>();

  constructor(private readonly activity: Activity | undefined) {}

  begin(): AbortController {
    const controller = new AbortController();
    this.#controllers.add(controller);
    this.activity?.began();
    return controller;
  }

  end(controller: AbortController): void {
    if (this.#controllers.delete(controller)) this.activity?.ended();
  }

  abortAll(): void {
    for (const controller of this.#controllers) controller.abort();
  }
}

async function serve(
  handler: RequestHandler,
  open: OpenRequests,
  { incoming, response }: { incoming: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const controller = open.begin();
  response.once("close", () => {
    open.end(controller);
    if (!response.writableFinished) controller.abort();
  });
  response.on("error", ignore);
  const hijack: ApiRequest["hijack"] = (head) => hijackPlain(incoming, head);
  try {
    const answer = await handler(toApiRequest(incoming, { signal: controller.signal, hijack }));
    if (answer.status >= FIRST_ERROR) await discardRest(incoming);
    // A streamed answer may tell of a failure too, while the client still sends.
    await respond(response, answer, () => discardRest(incoming));
  } catch {
    // The answer's stream failed after its headers: cutting the connection is the only way left to say so.
    response.destroy();
  }
}

async function serveUpgrade(
  handler: RequestHandler,
  open: OpenRequests,
  { incoming, socket, body }: { incoming: IncomingMessage; socket: Duplex; body: AsyncIterable<Uint8Array> },
): Promise<void> {
  const controller = open.begin();
  controller.signal.addEventListener("abort", () => void socket.destroy(), { once: true });
  socket.once("close", () => {
    open.end(controller);
    controller.abort();
  });
  socket.on("error", ignore);
  const hijack: ApiRequest["hijack"] = (head) => hijackUpgraded(socket, head);
  try {
    const request = toApiRequest(incoming, { signal: controller.signal, hijack });
    await respondBare(socket, await handler({ ...request, body }));
  } catch {
    // As in serve: the head is out, the rest cannot be.
    socket.destroy();
  }
}

/** A client that goes in the middle of an answer is no error of ours; `close` follows and releases everything. */
function ignore(): void {}

async function discardRest(incoming: IncomingMessage): Promise<void> {
  if (incoming.readableEnded || incoming.destroyed || incoming.complete) return;
  const signal = AbortSignal.timeout(DISCARD_MS);
  incoming.on("error", ignore);
  incoming.resume();
  await Promise.race([once(incoming, "end", { signal }), once(incoming, "close", { signal })]).catch(ignore);
}
