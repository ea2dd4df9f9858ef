import type { Socket } from "node:net";
import { dial } from "./dial.ts";
import { connectError, errorFromAnswer } from "./errors.ts";
import type { EngineHost } from "./host.ts";
import { type Query, target } from "./transport.ts";

/** A connection taken over after an upgrade. `end()` on it half-closes: the other side reads end of file and may go on writing. */
export interface HijackedStream {
  socket: Socket;
  /** `application/vnd.docker.raw-stream` or `…multiplexed-stream`, where the engine names it. */
  contentType: string | undefined;
}

const MAX_HEAD = 64 * 1024;

/**
 * `POST` with `Upgrade: tcp` (Engine API, "attach": hijacking); an answer 101, or the older 200, gives the raw stream.
 * Any other answer throws its BerthError. The socket is paused, and what came behind the head is its first data.
 */
export function hijack(
  host: EngineHost,
  request: { path: string; query?: Query; json?: object; headers?: Record<string, string> },
): Promise<HijackedStream> {
  const body = request.json === undefined ? "" : JSON.stringify(request.json);
  const head = [
    `POST ${target(request.path, request.query)} HTTP/1.1`,
    "Host: berth",
    "Connection: Upgrade",
    "Upgrade: tcp",
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries(request.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
  ].join("\r\n");
  return new Promise((resolve, reject) => {
    const { socket, opened } = dial(host);
    const fail = (error: unknown): void => {
      socket.destroy();
      reject(error);
    };
    socket.once("error", (error) => fail(connectError(host, error)));
    socket.once(opened, () => socket.write(`${head}\r\n\r\n${body}`));
    readHead(socket, { resolve, fail });
  });
}

function readHead(socket: Socket, then: { resolve: (s: HijackedStream) => void; fail: (e: unknown) => void }): void {
  let seen = Buffer.alloc(0);
  let status = 0;
  const onData = (chunk: Buffer): void => {
    seen = Buffer.concat([seen, chunk]);
    const end = seen.indexOf("\r\n\r\n");
    if (end < 0) {
      if (seen.length > MAX_HEAD) then.fail(new Error("the engine's answer has no end of headers"));
      return;
    }
    const head = seen.subarray(0, end).toString("latin1");
    status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0);
    if (status !== 101 && status !== 200) {
      const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? Number.POSITIVE_INFINITY);
      if (seen.length - end - 4 >= length) finish();
      return;
    }
    socket.pause();
    socket.off("data", onData).off("end", finish).removeAllListeners("error");
    if (seen.length > end + 4) socket.unshift(seen.subarray(end + 4));
    then.resolve({ socket, contentType: /^content-type: *(\S+)/im.exec(head)?.[1] });
  };
  const finish = (): void => {
    const text = seen.toString();
    const body = text.slice(text.indexOf("\r\n\r\n") + 4);
    then.fail(errorFromAnswer(status, /\{.*\}/s.exec(body)?.[0] ?? body));
  };
  socket.on("data", onData).once("end", finish);
}
