import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { HEADER_BYTES, RCODE, rcodeOf, sameQuestion } from "./message.ts";

const PORT = 53;

/** How long one server is waited for. */
const WAIT_MS = 2000;
/** A server that said nothing is asked after the others for so long: who asks should not wait for it each time. */
const SILENT_MS = 30_000;

type Way = "udp" | "tcp";

/** Asks other servers. */
export class Forwarder {
  /** `<way> <server>` → until when it is asked last. */
  readonly #silent = new Map<string, number>();
  readonly #waitMs: number;

  constructor(waitMs = WAIT_MS) {
    this.#waitMs = waitMs;
  }

  /**
   * Asks the servers one after the other until one has an answer; one that refuses or fails is no better than one that is silent, but its word
   * is what is told where no other knows more. `via` is the way that the container asked: what is cut over UDP it asks again over TCP.
   * Undefined: none said anything.
   */
  async ask(message: Buffer, servers: string[], via: Way): Promise<Buffer | undefined> {
    let failed: Buffer | undefined;
    for (const server of this.#inOrder(servers, via)) {
      const at = { ...serverOf(server), waitMs: this.#waitMs };
      const reply = await (via === "udp" ? askUdp(message, at) : askTcp(message, at));
      if (reply) this.#silent.delete(`${via} ${server}`);
      else this.#silent.set(`${via} ${server}`, Date.now() + SILENT_MS);
      if (reply && !FAILURES.has(rcodeOf(reply))) return reply;
      failed = reply ?? failed;
    }
    return failed;
  }

  #inOrder(servers: string[], via: Way): string[] {
    const now = Date.now();
    for (const [key, until] of this.#silent) if (until <= now) this.#silent.delete(key);
    const silent = (server: string): boolean => this.#silent.has(`${via} ${server}`);
    return [...servers.filter((s) => !silent(s)), ...servers.filter(silent)];
  }
}

const FAILURES = new Set<number>([RCODE.serverFailure, RCODE.refused, RCODE.notImplemented]);

interface Server {
  host: string;
  port: number;
  waitMs: number;
}

/** `address` or `address#port` (as dnsmasq writes it). */
function serverOf(text: string): { host: string; port: number } {
  const [host = "", port] = text.split("#");
  return { host, port: Number(port ?? PORT) };
}

/** An answer to this question: its id and its question are those that were sent. */
function belongs(message: Buffer, reply: Buffer): boolean {
  if (reply.length < HEADER_BYTES || reply.readUInt16BE(0) !== message.readUInt16BE(0)) return false;
  return (reply[2] ?? 0) >= 128 && sameQuestion(message, reply);
}

function askUdp(message: Buffer, at: Server): Promise<Buffer | undefined> {
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
    const timer = setTimeout(done, at.waitMs);
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

function askTcp(message: Buffer, at: Server): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect(at.port, at.host);
    let bytes = Buffer.alloc(0);
    const done = (reply?: Buffer): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reply);
    };
    const timer = setTimeout(done, at.waitMs);
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
