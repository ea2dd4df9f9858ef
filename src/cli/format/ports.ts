import type { Port } from "../../spec/engine-api.ts";
import { joinHostPort } from "./text.ts";

const byNumber = (a: Port, b: Port): number =>
  a.PrivatePort - b.PrivatePort ||
  compare(a.IP ?? "", b.IP ?? "") ||
  (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
  compare(a.Type, b.Type);

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

interface Run {
  ip: string;
  type: string;
  first: number;
  last: number;
}

/**
 * The PORTS column of `ps`: neighbours that map to their own number are written as a range, `0.0.0.0:9000-9002->9000-9002/udp`;
 * mappings to another number come last, one each.
 */
export function portsText(ports: readonly Port[]): string {
  const closed: Run[] = [];
  const open = new Map<string, Run>();
  const mapped: string[] = [];
  for (const port of [...ports].sort(byNumber)) {
    if (port.IP && port.PublicPort !== port.PrivatePort) {
      mapped.push(`${joinHostPort(port.IP, port.PublicPort ?? 0)}->${port.PrivatePort}/${port.Type}`);
      continue;
    }
    const key = `${port.IP ?? ""}/${port.Type}`;
    const run = open.get(key);
    if (run && port.PrivatePort === run.last + 1) run.last++;
    else {
      if (run) closed.push({ ...run });
      const fresh = { ip: port.IP ?? "", type: port.Type, first: port.PrivatePort, last: port.PrivatePort };
      if (run) Object.assign(run, fresh);
      else open.set(key, fresh);
    }
  }
  return [...[...closed, ...open.values()].map(runText), ...mapped].join(", ");
}

function runText(run: Run): string {
  const range = run.first === run.last ? String(run.first) : `${run.first}-${run.last}`;
  return `${run.ip ? `${joinHostPort(run.ip, range)}->` : ""}${range}/${run.type}`;
}
