import { createSocket, type SocketType } from "node:dgram";
import { closeSync, writeSync } from "node:fs";
import { connect as connectTcp, isIPv6, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { connectDatagram } from "../../host/sys.ts";
import { BerthError, errnoOf } from "../../spec/errors.ts";

const DIAL_MS = 10_000;
/** A server that takes nothing for this long is taken for dead. */
const WRITE_MS = 30_000;
const BUSY_MS = 20;

const WORDS: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ENOENT: "no such file or directory",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network is unreachable",
  EACCES: "permission denied",
  EPROTOTYPE: "protocol wrong type for socket",
  ETIMEDOUT: "connection timed out",
};

/** Bytes in order, or messages one by one, to a server. */
export interface Channel {
  /** Resolves when the bytes were handed to the kernel. */
  write(bytes: Buffer): Promise<void>;
  close(): void;
}

/** Where a stream goes. */
export type StreamAddress = { host: string; port: number; tls?: ConnectionOptions } | { path: string };

/** Connects a stream; `onData` gets what the server says. Rejects in Go's words: `dial tcp 127.0.0.1:1: connect: connection refused`. */
export async function dialStream(
  address: StreamAddress,
  onData: (bytes: Buffer) => void = () => undefined,
): Promise<Channel> {
  const isUnix = "path" in address;
  const socket = isUnix
    ? connectTcp(address.path)
    : address.tls
      ? connectTls({ host: address.host, port: address.port, ...address.tls })
      : connectTcp(address.port, address.host);
  const name = isUnix ? `unix ${address.path}` : `tcp ${hostPort(address.host, address.port)}`;
  let failure: Error | undefined;
  socket.on("error", (error) => (failure ??= error));
  socket.on("close", () => (failure ??= new Error(`${name}: the connection was closed`)));
  // The end is only seen by reading.
  socket.on("data", onData);
  await connected(socket, !isUnix && address.tls ? "secureConnect" : "connect").catch((error: unknown) => {
    socket.destroy();
    throw dialError(name, isUnix ? undefined : address.host, error);
  });
  return {
    write: (bytes) => writeAll(socket, bytes, () => failure),
    // What is still on its way is given up.
    close: () => void (socket.writableLength > 0 ? socket.destroy() : socket.end(() => socket.destroy())),
  };
}

/** Datagrams over UDP. What nobody takes is lost, without a word, as UDP is. */
export async function dialUdp(host: string, port: number): Promise<Channel> {
  const type: SocketType = isIPv6(host) ? "udp6" : "udp4";
  const socket = createSocket(type);
  socket.on("error", () => undefined);
  socket.unref();
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.connect(port, host, () => resolve());
  }).catch((error: unknown) => {
    socket.close();
    throw dialError(`udp ${hostPort(host, port)}`, host, error);
  });
  return {
    // The error is that of an earlier datagram.
    write: (bytes) => new Promise((resolve) => socket.send(bytes, () => resolve())),
    close: () => socket.close(),
  };
}

/** Datagrams to a unix socket. Throws at once where nobody listens. */
export function dialUnixDatagram(path: string): Channel {
  let fd: number;
  try {
    fd = connectDatagram(path);
  } catch (error) {
    throw dialError(`unixgram ${path}`, undefined, error);
  }
  return {
    write: async (bytes) => {
      for (let left = WRITE_MS; ; left -= BUSY_MS) {
        try {
          writeSync(fd, bytes);
          return;
        } catch (error) {
          // The receiver's queue is full.
          if (errnoOf(error) !== "EAGAIN" || left <= 0) throw error;
          await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
        }
      }
    },
    close: () => closeSync(fd),
  };
}

/** `host:port`, an IPv6 address in brackets. */
export function hostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

function connected(socket: Socket, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(Object.assign(new Error("i/o timeout"), { code: "ETIMEDOUT" })), DIAL_MS);
    const done = (act: () => void): void => {
      clearTimeout(timer);
      act();
    };
    socket.once(event, () => done(resolve));
    socket.once("error", (error) => done(() => reject(error)));
  });
}

function writeAll(socket: Socket, bytes: Buffer, failure: () => Error | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const known = failure();
    if (known) return reject(known);
    const timer = setTimeout(() => socket.destroy(new Error("the log server takes nothing")), WRITE_MS);
    const lost = (): void => settle(failure() ?? new Error("the connection was closed"));
    const settle = (error?: Error | null): void => {
      clearTimeout(timer);
      socket.off("close", lost);
      if (error) reject(error);
      else resolve();
    };
    socket.once("close", lost);
    socket.write(bytes, settle);
  });
}

function dialError(name: string, host: string | undefined, error: unknown): BerthError {
  const code = errnoOf(error) ?? "";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN" || /getaddrinfo|DNS/i.test(String(error)))
    return new BerthError("internal", `dial ${name.split(" ")[0]}: lookup ${host}: no such host`, { cause: error });
  const words = WORDS[code] ?? (error instanceof Error ? error.message : String(error));
  return new BerthError("internal", `dial ${name}: connect: ${words}`, { cause: error });
}
