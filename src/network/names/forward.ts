import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";

const PORT = 53;
const HEADER_BYTES = 12;

/** How long one server is waited for. */
const WAIT_MS = 2000;

/** Asks the servers one after the other, until one answers. `via` is the way that the container asked. Undefined: none answered. */
export async function forward(message: Buffer, servers: string[], via: "udp" | "tcp"): Promise<Buffer | undefined> {
  for (const server of servers) {
    const at = serverOf(server);
    const reply = await (via === "udp" ? askUdp(message, at) : askTcp(message, at));
    if (reply) return reply;
  }
  return undefined;
}

/** `address` or `address#port` (as dnsmasq writes it). */
function serverOf(text: string): { host: string; port: number } {
  const [host = "", port] = text.split("#");
  return { host, port: Number(port ?? PORT) };
}

/** An answer to this question: its id and its question's bytes are those that were sent. */
function belongs(message: Buffer, reply: Buffer): boolean {
  return reply.length >= HEADER_BYTES && reply.readUInt16BE(0) === message.readUInt16BE(0) && (reply[2] ?? 0) >= 128;
}

function askUdp(message: Buffer, at: { host: string; port: number }): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(at.host) ? "udp6" : "udp4");
    let open = true;
    const done = (reply?: Buffer): void => {
      if (!open) return;
      open = false;
      clearTimeout(timer);
      socket.close();
      resolve(reply);
    };
    const timer = setTimeout(done, WAIT_MS);
    socket.on("error", () => done());
    socket.on("message", (reply: Buffer) => {
      if (belongs(message, reply)) done(reply);
    });
    // Connected, it hears of nobody else, and at once where nobody listens there.
    socket.connect(at.port, at.host, (error?: Error) => {
      if (!open) return;
      if (error) done();
      else socket.send(message, (failed) => (failed ? done() : undefined));
    });
  });
}

function askTcp(message: Buffer, at: { host: string; port: number }): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect(at.port, at.host);
    let bytes = Buffer.alloc(0);
    const done = (reply?: Buffer): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reply);
    };
    const timer = setTimeout(done, WAIT_MS);
    socket.on("error", () => done());
    socket.on("close", () => done());
    socket.on("connect", () => socket.write(framed(message)));
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) return;
      const reply = bytes.subarray(2, 2 + bytes.readUInt16BE(0));
      done(belongs(message, reply) ? reply : undefined);
    });
  });
}

/** A message as TCP carries it: its length in two bytes before it (RFC 1035 section 4.2.2). */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
