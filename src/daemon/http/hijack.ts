import type { IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import type { HijackHead } from "../../api/types.ts";
import { headBytes } from "./respond.ts";

/** Takes over the socket of an upgrade request: the socket itself is what both sides read and write from now on. */
export function hijackUpgraded(socket: Duplex, head: HijackHead): Duplex {
  socket.write(headBytes(head.status, head.reason, head.headers));
  return socket;
}

/**
 * Takes over the connection of a request without upgrade: raw bytes go straight to the socket and its end is the
 * connection's. What the client sends is the rest of the request's body, if it is chunked; without one the client's side
 * stays silent until the connection closes.
 */
export function hijackPlain(incoming: IncomingMessage, head: HijackHead): Duplex {
  const { socket } = incoming;
  socket.write(headBytes(head.status, head.reason, head.headers));
  const streamed = incoming.headers["transfer-encoding"] !== undefined && !incoming.readableEnded;
  const client = new Duplex({
    read: () => void (streamed && incoming.resume()),
    write: (chunk: Uint8Array, _encoding, done) => {
      if (socket.destroyed) return done(new Error("the client has closed the connection"));
      if (socket.write(chunk)) done();
      else socket.once("drain", () => done());
    },
    final: (done) => {
      socket.end();
      done();
    },
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.once("close", () => client.destroy());
  if (streamed) {
    incoming.on("data", (chunk) => void (client.push(chunk) || incoming.pause()));
    incoming.once("end", () => client.push(null));
  }
  return client;
}
