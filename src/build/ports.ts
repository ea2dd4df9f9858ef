import { BerthError } from "../spec/errors.ts";

const MAX_PORT = 65535;
const PROTOCOLS = ["tcp", "udp", "sctp"];

/** `[[ip:]host:]port[-port][/protocol]` of EXPOSE as the container's ports, `80/tcp`. Throws `invalid-argument` with Docker's words. */
export function exposedPorts(text: string): string[] {
  const [address = "", protocol = "tcp", extra] = text.split("/");
  const proto = protocol.toLowerCase();
  if (extra !== undefined || !PROTOCOLS.includes(proto)) throw bad(`invalid proto: ${protocol}`);
  const port = address.slice(address.lastIndexOf(":") + 1);
  const [from = "", to = from, more] = port.split("-");
  const [low, high] = [portNumber(from), portNumber(to)];
  if (low === undefined || high === undefined || more !== undefined) throw bad(`Invalid containerPort: ${port}`);
  if (high < low) throw bad(`Invalid containerPort: ${port}`);
  return Array.from({ length: high - low + 1 }, (_, i) => `${low + i}/${proto}`);
}

function portNumber(text: string): number | undefined {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return port <= MAX_PORT ? port : undefined;
}

function bad(message: string, hint?: string): BerthError {
  return new BerthError("invalid-argument", message, hint ? { hint } : {});
}
