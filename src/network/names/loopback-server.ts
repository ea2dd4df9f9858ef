import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, isIPv6, type Server, type Socket } from "node:net";
import { answer, type Known } from "./answer.ts";
import { framed } from "./forward.ts";

const UDP_BYTES = 1232;
const TCP_BYTES = 65_535;
const MOST_CLIENTS = 64;
const IDLE_MS = 10_000;
/** Answers that a client over TCP has not read; one with more is cut. */
const MOST_UNREAD = 1 << 20;

/** Answers names at one address, over UDP and TCP. */
export class LoopbackServer {
  readonly #known: Known;
  readonly #clients = new Set<Socket>();
  #udp: UdpSocket | undefined;
  #tcp: Server | undefined;

  constructor(known: Known) {
    this.#known = known;
  }

  /** Listens. Rejects with the system's error, holding nothing, where it cannot. */
  async open(at: { host: string; port: number }): Promise<void> {
    const udp = createSocket(isIPv6(at.host) ? "udp6" : "udp4");
    const tcp = createServer((client) => this.#serve(client));
    try {
      udp.on("message", (message, peer) => {
        const reply = this.#reply(message, UDP_BYTES);
        if (reply) udp.send(reply, peer.port, peer.address, () => undefined); // Who has gone needs no answer.
      });
      const bound = once(udp, "listening");
      udp.bind(at.port, at.host);
      await bound;
      const listening = once(tcp, "listening");
      tcp.listen(at.port, at.host);
      await listening;
    } catch (error) {
      udp.close();
      tcp.close();
      throw error;
    }
    // Of clients that have gone: a socket that listens has no errors of its own.
    for (const socket of [udp, tcp]) socket.on("error", () => undefined);
    this.#udp = udp.unref();
    this.#tcp = tcp.unref();
  }

  /** Ends all connections. Repeatable. */
  async close(): Promise<void> {
    const [udp, tcp] = [this.#udp, this.#tcp];
    this.#udp = undefined;
    this.#tcp = undefined;
    for (const client of this.#clients) client.destroy();
    await Promise.all([udp, tcp].map((socket) => socket && new Promise<void>((done) => socket.close(() => done()))));
  }

  #serve(client: Socket): void {
    client.on("error", () => client.destroy());
    if (this.#clients.size >= MOST_CLIENTS) return void client.destroy();
    this.#clients.add(client);
    let bytes: Buffer = Buffer.alloc(0);
    client.on("close", () => this.#clients.delete(client));
    client.setTimeout(IDLE_MS, () => client.destroy());
    client.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
        const end = 2 + bytes.readUInt16BE(0);
        const reply = this.#reply(bytes.subarray(2, end), TCP_BYTES);
        bytes = bytes.subarray(end);
        if (reply) client.write(framed(reply));
        if (client.writableLength > MOST_UNREAD) return void client.destroy();
      }
    });
  }

  #reply(message: Buffer, limit: number): Buffer | undefined {
    const outcome = answer(message, { known: this.#known, limit });
    return typeof outcome === "string" ? undefined : outcome.reply;
  }
}
