import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import type { TlsOptions } from "../host/fetch.ts";
import type { RegistryOptions } from "./types.ts";

const HUB = "docker.io";
const HUB_REGISTRY = "registry-1.docker.io";

/** One address that a registry may answer at. */
export interface Endpoint {
  /** `https://host:port`, with the path of the registry's root if it has one, without a slash at its end. */
  base: string;
  tls?: TlsOptions;
}

/** The addresses of the registry `domain`, in the order in which they are tried: TLS, plain HTTP where that is allowed. */
export function endpointsOf(domain: string, options: RegistryOptions): Endpoint[] {
  const host = domain === HUB ? HUB_REGISTRY : domain;
  return [
    { base: `https://${host}`, ...tlsOf(host, options) },
    ...(isInsecure(host, options) ? [{ base: `http://${host}` }] : []),
  ];
}

/** The address of a mirror, and what its repositories' names begin with: `hub/` of `https://mirror/v2/hub`, nothing of `https://mirror/hub`. */
export function mirrorEndpoint(url: string, options: RegistryOptions): { endpoint: Endpoint; prefix: string } {
  const { origin, host, pathname } = new URL(url);
  const path = pathname.replace(/\/+$/, "");
  const [, root = path, rest = ""] = /^(.*?)\/v2(?:\/(.*))?$/.exec(path) ?? [];
  return { endpoint: { base: `${origin}${root}`, ...tlsOf(host, options) }, prefix: rest === "" ? "" : `${rest}/` };
}

/** True for loopback hosts and those that the configuration names. */
export function isInsecure(host: string, { insecure }: Pick<RegistryOptions, "insecure">): boolean {
  const name = host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  if (name === "localhost" || name === "::1" || /^127\.\d+\.\d+\.\d+$/.test(name)) return true;
  return insecure.some((entry) => entry === host || entry === name || inRange(name, entry));
}

function inRange(address: string, cidr: string): boolean {
  const [network = "", bits] = cidr.split("/");
  if (bits === undefined || isIP(address) !== 4 || isIP(network) !== 4) return false;
  const mask = Number(bits) === 0 ? 0 : (-1 << (32 - Number(bits))) >>> 0;
  return (numberOf(address) & mask) >>> 0 === (numberOf(network) & mask) >>> 0;
}

function numberOf(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** `*.crt` are authorities, `*.cert` with its `*.key` is what we show the server. */
function tlsOf(host: string, options: RegistryOptions): { tls?: TlsOptions } {
  const verify = !isInsecure(host, options);
  for (const dir of options.certsDirs) {
    const folder = join(dir, host);
    if (!existsSync(folder)) continue;
    const read = (ending: string): string[] =>
      readdirSync(folder)
        .filter((name) => name.endsWith(ending))
        .sort()
        .map((name) => readFileSync(join(folder, name), "utf8"));
    const [ca, [cert], [key]] = [read(".crt"), read(".cert"), read(".key")];
    return { tls: { verify, ...(ca.length > 0 ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) } };
  }
  return verify ? {} : { tls: { verify } };
}
