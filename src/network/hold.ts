import { createSocket, type Socket as Datagrams } from "node:dgram";
import { connect, createServer, type Socket } from "node:net";
import { BerthError, errnoOf, messageOf } from "../spec/errors.ts";
import type { Protocol } from "./nft.ts";

/** A host port that is bound by us. Closing twice is fine. */
export interface Hold {
  close(): void;
}

/** Where a port is to be held. */
export interface HoldAt {
  proto: Protocol;
  hostIp: string;
  port: number;
  /** Where connections go that reach the socket all the same: those to ::1, whose answers the kernel would not take from a bridge. */
  to?: { ip: string; port: number };
}

const WORDS: Record<string, string> = {
  EADDRINUSE: "address already in use",
  EADDRNOTAVAIL: "cannot assign requested address",
  EACCES: "permission denied",
};

/**
 * Binds a host port and keeps it bound, so that it is known to be free and no other program (nor another daemon) takes it while it
 * is published. Hardly any traffic arrives on it: nftables sends that on before any socket is looked up. What does is for ::1,
 * and is relayed for as long as this daemon lives. Throws the system's error; see `holdWords`.
 */
export function hold(at: HoldAt): Promise<Hold> {
  // No socket of SCTP can be had here: only Berth's own containers keep out of each other's way.
  if (at.proto === "sctp") return Promise.resolve({ close: () => undefined });
  return at.proto === "tcp" ? holdTcp(at) : holdUdp(at);
}

/** True where another program has the port. */
export function isTaken(error: unknown): boolean {
  return errnoOf(error) === "EADDRINUSE";
}

/** The C library's words for a failed `hold`, as Docker prints them. */
export function holdWords(error: unknown): string {
  return WORDS[errnoOf(error) ?? ""] ?? (error instanceof BerthError ? error.message : messageOf(error));
}

function holdTcp({ hostIp, port, to }: HoldAt): Promise<Hold> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      if (to) relay(socket, to);
      else socket.destroy();
    });
    server.once("error", reject);
    server.listen({ host: hostIp, port, exclusive: true, ipv6Only: true }, () => {
      server.unref();
      resolve({ close: () => void server.close() });
    });
  });
}

/** Both directions, each to its own end; where one side fails the other is cut. */
function relay(client: Socket, { ip, port }: { ip: string; port: number }): void {
  const server = connect({ host: ip, port, allowHalfOpen: true });
  client.on("error", () => server.destroy());
  server.on("error", () => client.destroy());
  client.pipe(server);
  server.pipe(client);
  client.unref();
  server.unref();
}

/** Clients of one UDP port that are answered at a time, and for how long without a datagram. */
const UDP_CLIENTS = 256;
const UDP_IDLE_MS = 60_000;

/** Each client gets a socket of its own towards the container; what comes back goes to it from the held one. */
function relayUdp(held: Datagrams, { ip, port }: { ip: string; port: number }): () => void {
  const clients = new Map<string, { to: Datagrams; idle: NodeJS.Timeout }>();
  const end = (key: string): void => {
    const client = clients.get(key);
    clearTimeout(client?.idle);
    clients.delete(key);
    client?.to.close();
  };
  held.on("message", (bytes, from) => {
    const key = `${from.address} ${from.port}`;
    let client = clients.get(key);
    if (!client) {
      const [oldest] = clients.keys();
      if (clients.size >= UDP_CLIENTS && oldest !== undefined) end(oldest);
      const to = createSocket(ip.includes(":") ? "udp6" : "udp4").unref();
      to.on("error", () => end(key));
      to.on("message", (answer) => held.send(answer, from.port, from.address));
      client = { to, idle: setTimeout(() => end(key), UDP_IDLE_MS).unref() };
      clients.set(key, client);
    }
    client.idle.refresh();
    client.to.send(bytes, port, ip);
  });
  return () => {
    for (const key of [...clients.keys()]) end(key);
  };
}

function holdUdp({ hostIp, port, to }: HoldAt): Promise<Hold> {
  return new Promise((resolve, reject) => {
    const v6 = hostIp.includes(":");
    const socket = createSocket({ type: v6 ? "udp6" : "udp4", ipv6Only: v6 });
    let open = true;
    let unrelay = (): void => undefined;
    const close = (): void => {
      if (open) socket.close();
      open = false;
      unrelay();
    };
    socket.once("error", reject);
    socket.bind({ address: hostIp, port, exclusive: true }, () => {
      socket.unref();
      if (v6 && to) unrelay = relayUdp(socket, to);
      resolve({ close });
    });
  });
}
