import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import { errnoOf, messageOf } from "../../spec/errors.ts";
import type { EndpointRecord } from "../networks.ts";
import { answer, failure } from "./answer.ts";
import { forward, framed } from "./forward.ts";
import type { NameIndex } from "./index.ts";

/** What the name server works with. */
export interface NameServerOptions {
  index: NameIndex;
  /** The servers that know the names of the outside, for this container; none: it may not ask. */
  upstream: (asking: EndpointRecord) => string[];
  log: (line: string) => void;
}

interface Listening {
  udp: UdpSocket;
  tcp: Server;
  clients: Set<Socket>;
}

const UDP_BYTES = 1232;
const TCP_BYTES = 65535;
const TCP_IDLE_MS = 10_000;
/** Questions under way to other servers; more are refused. */
const MOST_FORWARDED = 512;
/**
 * The port where it is free. For half a minute the kernel goes on sending a client's questions to the port that they were led to before: a
 * gateway whose network, or daemon, is another now has to answer at the same one.
 */
const PORT = 20_053;
/** TCP clients of one network. */
const MOST_CLIENTS = 256;

/**
 * Answers names on the gateway's address of each network, at ports that the network's nft table leads port 53 to. Who asks is known by its
 * address. Lives with the daemon: containers of one that was killed are answered again when the next one listens.
 */
export class NameServer {
  readonly #options: NameServerOptions;
  readonly #open = new Map<string, Listening>();
  #forwarded = 0;

  constructor(options: NameServerOptions) {
    this.#options = options;
  }

  /** Listens for a network; answers the ports. */
  async open(networkId: string, gateway: string): Promise<{ udp: number; tcp: number }> {
    this.close(networkId);
    const clients = new Set<Socket>();
    const { log } = this.#options;
    const udp = await atPort((port) => listenUdp(gateway, port));
    let tcp: Server;
    try {
      const serve = (socket: Socket): void => this.#serve(networkId, socket, clients);
      tcp = await atPort((port) => listenTcp(gateway, { port, serve }));
    } catch (error) {
      udp.close();
      throw error;
    }
    udp.removeAllListeners("error").on("error", (error) => log(`network: names: ${messageOf(error)}`));
    tcp.removeAllListeners("error").on("error", (error) => log(`network: names: ${messageOf(error)}`));
    udp.on("message", (message: Buffer, from: { address: string; port: number }) => {
      void this.#reply(message, { networkId, address: from.address, via: "udp" }).then((reply) => {
        if (reply && this.#open.get(networkId)?.udp === udp) udp.send(reply, from.port, from.address);
      });
    });
    udp.unref();
    tcp.unref();
    this.#open.set(networkId, { udp, tcp, clients });
    const address = tcp.address();
    return { udp: udp.address().port, tcp: typeof address === "object" && address ? address.port : 0 };
  }

  /** Ends listening for a network. Repeatable. */
  close(networkId: string): void {
    const listening = this.#open.get(networkId);
    if (!listening) return;
    this.#open.delete(networkId);
    listening.udp.close();
    listening.tcp.close();
    for (const client of listening.clients) client.destroy();
  }

  /** Never rejects. Undefined: nothing is to be said. */
  async #reply(
    message: Buffer,
    from: { networkId: string; address: string; via: "udp" | "tcp" },
  ): Promise<Buffer | undefined> {
    const { index, upstream, log } = this.#options;
    try {
      const asking = index.owner(from.networkId, from.address);
      const limit = from.via === "udp" ? UDP_BYTES : TCP_BYTES;
      const outcome = answer(message, { asking, index, limit });
      if (outcome === "drop") return undefined;
      if (outcome !== "forward") return outcome.reply;
      const servers = asking && this.#forwarded < MOST_FORWARDED ? upstream(asking) : [];
      this.#forwarded++;
      try {
        return (await forward(message, servers, from.via)) ?? failure(message, "serverFailure");
      } finally {
        this.#forwarded--;
      }
    } catch (error) {
      log(`network: names: ${messageOf(error)}`);
      return undefined;
    }
  }

  #serve(networkId: string, socket: Socket, clients: Set<Socket>): void {
    if (clients.size >= MOST_CLIENTS) return void socket.destroy();
    clients.add(socket);
    let bytes = Buffer.alloc(0);
    const address = socket.remoteAddress ?? "";
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => clients.delete(socket));
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
        const message = bytes.subarray(2, 2 + bytes.readUInt16BE(0));
        bytes = bytes.subarray(2 + message.length);
        void this.#reply(message, { networkId, address, via: "tcp" }).then((reply) => {
          if (reply && !socket.destroyed) socket.write(framed(reply));
        });
      }
    });
  }
}

/** Listens at our port, or at any other where a program has that. */
async function atPort<T>(listen: (port: number) => Promise<T>): Promise<T> {
  try {
    return await listen(PORT);
  } catch (error) {
    if (errnoOf(error) !== "EADDRINUSE") throw error;
    return listen(0);
  }
}

function listenUdp(address: string, port: number): Promise<UdpSocket> {
  const v6 = address.includes(":");
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: v6 ? "udp6" : "udp4", ipv6Only: v6 });
    socket.once("error", reject);
    socket.bind({ address, port, exclusive: true }, () => resolve(socket));
  });
}

function listenTcp(host: string, { port, serve }: { port: number; serve: (socket: Socket) => void }): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(serve);
    server.once("error", reject);
    server.listen({ host, port, exclusive: true, ipv6Only: host.includes(":") }, () => resolve(server));
  });
}
