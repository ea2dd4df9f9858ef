import type { Duplex } from "node:stream";

/** The connection preface and empty settings of a client: in a session the engine is the one who calls (RFC 9113, sections 3.4 and 6.5). */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");
const HEAD = 9;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const ACK = 1;
/** The largest frame that may come before other settings are agreed on, and ours never are. */
const MAX_FRAME = 16_384;

/**
 * Keeps an HTTP/2 connection that the client serves: settings and pings are acknowledged, nothing is called. Resolves when the client has gone, says
 * that it goes, or breaks the protocol; the connection is closed then.
 */
export async function holdSession(socket: Duplex): Promise<void> {
  socket.write(PREFACE);
  let rest = Buffer.alloc(0);
  try {
    for await (const chunk of socket) {
      rest = Buffer.concat([rest, chunk as Buffer]);
      while (rest.length >= HEAD) {
        const length = rest.readUIntBE(0, 3);
        const [type, flags = 0] = rest.subarray(3, 5);
        if (length > MAX_FRAME || type === GOAWAY) return;
        if (rest.length < HEAD + length) break;
        const payload = rest.subarray(HEAD, HEAD + length);
        if ((flags & ACK) === 0 && type === SETTINGS) socket.write(acknowledge(SETTINGS));
        if ((flags & ACK) === 0 && type === PING) socket.write(acknowledge(PING, payload));
        rest = rest.subarray(HEAD + length);
      }
    }
  } catch {
    // The client left in the middle: an end as good as any.
  } finally {
    socket.destroy();
  }
}

function acknowledge(type: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.from([0, 0, payload.length, type, ACK, 0, 0, 0, 0]), payload]);
}
