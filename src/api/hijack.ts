import type { Duplex } from "node:stream";
import { messageOf } from "../spec/errors.ts";
import { frame } from "../spec/stdcopy.ts";
import { HIJACKED } from "./responses.ts";
import type { ApiResponse, Context, HijackHead } from "./types.ts";
import { webSocketClient } from "./websocket.ts";

const RAW = "application/vnd.docker.raw-stream";
const MULTIPLEXED = "application/vnd.docker.multiplexed-stream";
/** The first version that names the multiplexed stream in the Content-Type. */
const MULTIPLEXED_SINCE = 42;

/** The media type of a stream in attach framing (specification, "ContainerAttach", stream format). */
export function streamType(tty: boolean, version: number): string {
  return tty || version < MULTIPLEXED_SINCE ? RAW : MULTIPLEXED;
}

/** A person's line in a stream that has begun: in a stdout frame unless it is a tty's. */
export function lineInStream(message: string, tty: boolean): Uint8Array {
  const payload = Buffer.from(`${message}\r\n`);
  return tty ? payload : frame("stdout", payload);
}

/**
 * Runs something that takes the connection over. `run` calls `ready` once the request is known to be good; until then
 * a failure is an ordinary error answer, afterwards a line in the stream. `notTaken` is the answer where `ready` was never
 * called. The connection is ended when `run` is over. With `webSocket`, its head, the connection is one.
 */
export async function takeOver(
  { request, version }: Context,
  options: { headers?: Record<string, string>; notTaken: ApiResponse; webSocket?: HijackHead },
  run: (ready: (tty: boolean) => Duplex) => Promise<void>,
): Promise<ApiResponse> {
  let taken: { client: Duplex; tty: boolean } | undefined;
  try {
    await run((tty) => {
      const upgrade = request.headers["upgrade"] !== undefined;
      const head = options.webSocket ?? headOf(upgrade, streamType(tty, version), options.headers ?? {});
      const socket = request.hijack(head);
      taken = { tty, client: options.webSocket ? webSocketClient(socket, { tty, version }) : socket };
      return taken.client;
    });
  } catch (error) {
    if (!taken) throw error;
    if (taken.client.writable) taken.client.write(lineInStream(messageOf(error), taken.tty));
  }
  if (!taken) return options.notTaken;
  taken.client.end();
  return HIJACKED;
}

function headOf(upgrade: boolean, type: string, headers: Record<string, string>): HijackHead {
  if (!upgrade) return { status: 200, reason: "OK", headers: { "Content-Type": RAW, ...headers } };
  return {
    status: 101,
    reason: "UPGRADED",
    headers: { "Content-Type": type, Connection: "Upgrade", Upgrade: "tcp", ...headers },
  };
}
