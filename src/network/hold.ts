import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { BerthError, errnoOf, messageOf } from "../spec/errors.ts";

/** A host port that is bound by us. Closing twice is fine. */
export interface Hold {
  close(): void;
}

/** Where a port is to be held. */
export interface HoldAt {
  proto: "tcp" | "udp";
  hostIp: string;
  port: number;
}

const WORDS: Record<string, string> = {
  EADDRINUSE: "address already in use",
  EADDRNOTAVAIL: "cannot assign requested address",
  EACCES: "permission denied",
};

/**
 * Binds a host port and keeps it bound, so that it is known to be free and no other program (nor another daemon) takes it while it
 * is published. No traffic arrives on it: nftables sends that on before any socket is looked up. Throws the
 * system's error; see `holdWords`.
 */
export function hold(at: HoldAt): Promise<Hold> {
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

function holdTcp({ hostIp, port }: HoldAt): Promise<Hold> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", reject);
    server.listen({ host: hostIp, port, exclusive: true }, () => {
      server.unref();
      resolve({ close: () => void server.close() });
    });
  });
}

function holdUdp({ hostIp, port }: HoldAt): Promise<Hold> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    let open = true;
    const close = (): void => {
      if (open) socket.close();
      open = false;
    };
    socket.once("error", reject);
    socket.bind({ address: hostIp, port, exclusive: true }, () => {
      socket.unref();
      resolve({ close });
    });
  });
}
