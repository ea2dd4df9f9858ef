import { isIP } from "node:net";
import type { PortBinding } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";

/** The exposed and the published ports of a container. */
export interface PortOptions {
  exposed: Record<string, Record<string, never>>;
  bindings: Record<string, PortBinding[]>;
}

const MAX_PORT = 65535;
const invalid = (message: string): BerthError => new BerthError("invalid-argument", message);

/** `-p` and `--expose` (Docker's go-connections: `[[ip:]hostPort:]containerPort[/proto]`, ranges on both sides). */
export function portOptions(published: readonly string[], exposed: readonly string[]): PortOptions {
  const result: PortOptions = { exposed: {}, bindings: {} };
  for (const text of published) {
    for (const { port, binding } of parsePublish(text)) {
      result.exposed[port] = {};
      (result.bindings[port] ??= []).push(binding);
    }
  }
  for (const text of exposed) for (const port of parseExpose(text)) result.exposed[port] = {};
  return result;
}

interface Range {
  first: number;
  last: number;
}

function parseRange(text: string, what: string): Range {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (!match || first > MAX_PORT || last > MAX_PORT || last < first) throw invalid(`invalid ${what}: ${text}`);
  return { first, last };
}

function splitProto(text: string): { ports: string; proto: string } {
  const [ports = "", given = "tcp"] = text.split("/");
  const proto = given === "" ? "tcp" : given.toLowerCase();
  if (!["tcp", "udp", "sctp"].includes(proto)) throw invalid(`invalid proto: ${given}`);
  return { ports, proto };
}

function parseExpose(text: string): string[] {
  if (text.includes(":")) throw invalid(`invalid port format for --expose: ${text}`);
  const { ports, proto } = splitProto(text);
  const bad = (why: string): BerthError => invalid(`invalid range format for --expose: ${text}, error: ${why}`);
  if (ports === "") throw bad("empty string specified for ports");
  const [, begin = ports, end = begin] = /^([^-]*)-(.*)$/.exec(ports) ?? [];
  for (const number of [begin, end]) {
    const quoted = `strconv.ParseUint: parsing ${JSON.stringify(number)}`;
    if (!/^\d+$/.test(number)) throw bad(`${quoted}: invalid syntax`);
    if (Number(number) > MAX_PORT) throw bad(`${quoted}: value out of range`);
  }
  if (Number(end) < Number(begin)) throw bad(`invalid range specified for port: ${ports}`);
  return numbers({ first: Number(begin), last: Number(end) }).map((n) => `${n}/${proto}`);
}

const numbers = (range: Range): number[] =>
  Array.from({ length: range.last - range.first + 1 }, (_, i) => range.first + i);

function parsePublish(text: string): { port: string; binding: PortBinding }[] {
  const long = /(^|,)(target|published|protocol|mode)=/.test(text) ? longPublish(text) : text;
  const { ports, proto } = splitProto(long);
  const { ip, host, container } = splitParts(ports);
  if (container === "") throw invalid(`no port specified: ${long}<empty>`);
  const inside = parseRange(container, "containerPort");
  const outside = host === "" ? undefined : parseRange(host, "hostPort");
  const count = inside.last - inside.first;
  if (outside && outside.last - outside.first !== count && count > 0) {
    throw invalid(`invalid ranges specified for container and host Ports: ${container} and ${host}`);
  }
  return numbers(inside).map((n, i) => ({
    port: `${n}/${proto}`,
    binding: { HostIp: ip, HostPort: hostPort(outside, { index: i, single: count === 0 }) },
  }));
}

function hostPort(range: Range | undefined, at: { index: number; single: boolean }): string {
  if (!range) return "";
  if (at.single && range.last > range.first) return `${range.first}-${range.last}`;
  return String(range.first + at.index);
}

function splitParts(text: string): { ip: string; host: string; container: string } {
  const parts = text.split(":");
  const container = parts.pop() ?? "";
  const host = parts.pop() ?? "";
  const raw = parts.join(":");
  if (/^\[[^\]]*$/.test(raw)) throw invalid(`invalid IP address ${raw}: address ${raw}:: missing ']' in address`);
  const ip = raw.replace(/^\[(.*)\]$/, "$1");
  if (raw !== "" && isIP(ip) === 0) throw invalid(`invalid IP address: ${raw}`);
  return { ip, host, container };
}

function longPublish(text: string): string {
  const fields = Object.fromEntries(text.split(",").map((f) => f.split("=", 2)));
  return `${fields["published"] ? `${fields["published"]}:` : ""}${fields["target"] ?? ""}/${fields["protocol"] ?? "tcp"}`;
}
