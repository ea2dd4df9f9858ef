import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { EngineHost, TlsMaterial } from "./host.ts";

/** Begins a raw connection to the engine; `connect` or `secureConnect` is `opened`. Half-closing leaves the other way open. */
export function dial(host: EngineHost): { socket: Socket; opened: "connect" | "secureConnect" } {
  if (host.kind === "ssh") throw new Error("an ssh host is reached through its bridge");
  if (host.kind === "unix") return { socket: connect({ path: host.path, allowHalfOpen: true }), opened: "connect" };
  const address = { host: host.hostname, port: host.port, allowHalfOpen: true };
  if (!host.tls) return { socket: connect(address), opened: "connect" };
  const name = isIP(host.hostname) === 0 ? { servername: host.hostname } : {};
  return { socket: connectTls({ ...address, ...name, ...tlsOptions(host.tls) }), opened: "secureConnect" };
}

/** What node's TLS takes. */
export function tlsOptions(tls: TlsMaterial): {
  ca?: string;
  cert?: string;
  key?: string;
  rejectUnauthorized: boolean;
} {
  const { verify, ...pem } = tls;
  return { ...pem, rejectUnauthorized: verify };
}
