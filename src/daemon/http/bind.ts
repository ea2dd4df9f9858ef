import { once } from "node:events";
import { chmodSync, chownSync, lstatSync, renameSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { connect, createServer, type Server as NetServer, type Socket } from "node:net";
import { BerthError, errnoOf, messageOf } from "../../spec/errors.ts";

/**
 * Where to listen. A unix socket gets its mode (0660 unless said) and group before it has its name. `fd` is a socket that
 * listens already, as systemd and a predecessor hand it over.
 */
export type Address =
  | { unix: string; mode?: number; gid?: number }
  | { host: string; port: number; tls?: ServerTls }
  | { fd: number };

/** What a TLS listener shows; with `ca` only clients with a certificate of it are let in. PEM texts. */
export interface ServerTls {
  cert: string;
  key: string;
  ca?: string;
}

/** A bound server. `close` stops accepting, removes the socket's file and cuts all connections. `port` is 0 unless tcp. */
export interface Bound {
  port: number;
  close(): Promise<void>;
}

/** Makes the server listen. A stale socket file is replaced, one that somebody answers on is a `conflict`. */
export async function bind(server: Server, address: Address): Promise<Bound> {
  if ("fd" in address) return bindFd(server, address.fd);
  if ("host" in address && address.tls) return bindTls(server, address, address.tls);
  const remove = "unix" in address ? await bindUnix(server, address) : await bindTcp(server, address);
  const bound = server.address();
  return {
    port: bound !== null && typeof bound === "object" ? bound.port : 0,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      remove();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Bun's http server takes no descriptor (it would listen on a port of its own), its net server does. */
async function bindFd(server: Server, fd: number): Promise<Bound> {
  const injected = injector(server);
  const acceptor = createServer({ allowHalfOpen: true }, injected.take);
  acceptor.listen({ fd });
  await listening(acceptor, `fd ${fd}`);
  return injected.bound(acceptor, 0);
}

/** TLS 1.2 and above, as dockerd. A client that fails the handshake is cut and disturbs nobody. */
async function bindTls(server: Server, where: { host: string; port: number }, tls: ServerTls): Promise<Bound> {
  const { createServer: createTls } = await import("node:tls");
  const injected = injector(server);
  const strict = { requestCert: tls.ca !== undefined, rejectUnauthorized: tls.ca !== undefined };
  const acceptor = createTls({ ...tls, ...strict, minVersion: "TLSv1.2", allowHalfOpen: true }, injected.take);
  acceptor.on("tlsClientError", () => undefined);
  acceptor.listen({ host: where.host, port: where.port });
  await listening(acceptor, `${where.host}:${where.port}`);
  const bound = acceptor.address();
  return injected.bound(acceptor, bound !== null && typeof bound === "object" ? bound.port : 0);
}

interface Injector {
  take(socket: Socket): void;
  bound(acceptor: NetServer, port: number): Bound;
}

/** Gives an http server the connections that another server accepts. */
function injector(server: Server): Injector {
  const sockets = new Set<Socket>();
  const take = (socket: Socket): void => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    server.emit("connection", socket);
  };
  const bound = (acceptor: NetServer, port: number): Bound => ({
    port,
    async close() {
      const closed = new Promise<void>((resolve) => acceptor.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  });
  return { take, bound };
}

async function bindTcp(server: Server, address: { host: string; port: number }): Promise<() => void> {
  server.listen(address);
  await listening(server, `${address.host}:${address.port}`);
  return () => undefined;
}

async function bindUnix(server: Server, address: { unix: string; mode?: number; gid?: number }): Promise<() => void> {
  const { unix: path, mode = 0o660, gid } = address;
  if (await answers(path)) {
    throw new BerthError("conflict", `cannot listen on ${path}: another process serves it`, {
      hint: "stop it or choose another socket with -H",
    });
  }
  const staged = `${path}.${process.pid.toString(36)}`;
  rmSync(staged, { force: true });
  server.listen(staged);
  await listening(server, path);
  if (gid !== undefined) chownSync(staged, 0, gid);
  chmodSync(staged, mode);
  const { ino } = lstatSync(staged);
  renameSync(staged, path);
  // A successor may have put its own socket there in the meantime.
  return () => {
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) rmSync(path, { force: true });
  };
}

async function listening(server: NodeJS.EventEmitter, where: string): Promise<void> {
  try {
    await once(server, "listening");
  } catch (error) {
    const kind = errnoOf(error) === "EADDRINUSE" ? "conflict" : "internal";
    throw new BerthError(kind, `cannot listen on ${where}: ${messageOf(error)}`, { cause: error });
  }
}

/** True if something accepts connections on that unix socket. */
export async function answers(path: string): Promise<boolean> {
  const probe = connect(path);
  try {
    await once(probe, "connect");
    return true;
  } catch {
    // ENOENT, ECONNREFUSED: nobody is there, which is the answer.
    return false;
  } finally {
    probe.destroy();
  }
}
