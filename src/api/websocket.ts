import { Duplex } from "node:stream";
import { StdDemux } from "../spec/stdcopy.ts";
import { acceptKey, CLOSE, ClientFrames, closeFrame, OPCODE, serverFrame } from "../spec/websocket.ts";
import { invalid } from "./errors.ts";
import type { ApiRequest, HijackHead } from "./types.ts";

/** The first version whose output comes in binary frames; older ones get text frames. */
const BINARY_SINCE = 28;

/**
 * The answer to a WebSocket handshake (RFC 6455, section 4.2). Throws `invalid-argument` in Docker's words for one that is none. As with Docker,
 * any origin is welcome and no subprotocol is spoken.
 */
export function webSocketHead({ headers }: ApiRequest): HijackHead {
  const has = (name: string, word: string): boolean =>
    (headers[name] ?? "")
      .toLowerCase()
      .split(/[\s,]+/)
      .includes(word);
  if (!has("upgrade", "websocket") || !has("connection", "upgrade")) throw invalid("not websocket protocol");
  if (headers["sec-websocket-version"] !== "13") throw invalid("missing or bad WebSocket Version");
  const key = headers["sec-websocket-key"];
  if (!key) throw invalid("mismatch challenge/response");
  return {
    status: 101,
    reason: "Switching Protocols",
    headers: { Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Accept": acceptKey(key) },
  };
}

/**
 * A client's side of an attach over a WebSocket: reading gives what its messages hold, its close frame is the end; what is written, in attach framing unless
 * `tty`, goes out as one frame a piece, stdout and stderr alike. Ending it sends a close frame. Each side is as fast as the other reads.
 */
export function webSocketClient(socket: Duplex, options: { tty: boolean; version: number }): Duplex {
  const opcode = options.version >= BINARY_SINCE ? OPCODE.binary : OPCODE.text;
  const demux = new StdDemux();
  const frames = new ClientFrames();
  const close = (status: number): void => {
    if (socket.writable) socket.end(closeFrame(status));
  };
  const client = new Duplex({
    read: () => void socket.resume(),
    write(chunk: Uint8Array, _encoding, done) {
      const parts = options.tty ? [chunk] : [...demux.push(chunk)].map(({ data }) => data);
      const out = Buffer.concat(parts.map((part) => serverFrame(opcode, part)));
      if (!socket.writable) return done(new Error("the client has closed the connection"));
      if (socket.write(out)) done();
      else waitForDrain(socket, done);
    },
    final(done) {
      close(CLOSE.normal);
      done();
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  const leave = (status: number): void => {
    close(status);
    client.push(null);
    socket.once("close", () => client.destroy());
  };
  socket.on("data", (chunk: Buffer) => {
    for (const piece of frames.push(chunk)) {
      if (piece.kind === "data") {
        if (!client.push(piece.data)) socket.pause();
      } else if (piece.kind === "ping") socket.write(serverFrame(OPCODE.pong, piece.data));
      else return leave(piece.kind === "close" ? CLOSE.normal : piece.status);
    }
  });
  socket.once("end", () => client.destroy());
  socket.once("close", () => client.destroy());
  return client;
}

function waitForDrain(socket: Duplex, done: () => void): void {
  const go = (): void => {
    socket.off("drain", go).off("close", go);
    done();
  };
  socket.once("drain", go).once("close", go);
}
