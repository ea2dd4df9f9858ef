import { readFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import { BerthError, fromErrno } from "../../../../spec/errors.ts";
import { parseIp } from "../../../../spec/ipnet.ts";
import type { RegistryConfig } from "../../config.ts";
import { givenTls } from "./given.ts";
import { ownTls } from "./own.ts";
import type { TlsSource } from "./source.ts";

const ANY = ["0.0.0.0", "::"];
const MOST_ADDRESSES = 32;

/** Where keys and certificates that the registry makes for itself are kept. */
export function ownFolder(config: RegistryConfig): string {
  return join(config.root, "own");
}

/** The certificates that the configuration names, or that the registry makes for itself; undefined where it speaks plain HTTP. */
export async function openTls(config: RegistryConfig, log: (line: string) => void): Promise<TlsSource | undefined> {
  const { tls } = config;
  if (!tls) return undefined;
  if (!("generate" in tls)) return givenTls(tls, { log });
  const hosts = hostsOf(config, tls.hosts);
  const [first = "localhost"] = tls.hosts.filter((host) => host !== "localhost" && host !== "127.0.0.1").concat(hosts);
  return ownTls({
    folder: join(ownFolder(config), "tls"),
    hosts,
    address: `${first.includes(":") ? `[${first}]` : first}:${config.port}`,
    ...(tls.clientCa ? { clientCa: readCa(tls.clientCa) } : {}),
    log,
  });
}

/** What is worth a line at the start. */
export function warnings(config: RegistryConfig, mode: "none" | "basic" | "token"): string[] {
  const encrypted = config.tls !== undefined || config.publicUrl?.startsWith("https:");
  const local = config.host.startsWith("127.") || config.host === "::1" || config.host === "localhost";
  if (mode === "none" || encrypted || local) return [];
  return [
    "passwords and tokens can be read by all between: use --tls, --tls-cert, or --public-url with a proxy that has TLS",
  ];
}

/** Those that were asked for; of a registry that listens everywhere its own names and addresses too. */
function hostsOf({ host, publicUrl }: RegistryConfig, asked: readonly string[]): string[] {
  const named = publicUrl ? [new URL(publicUrl).hostname.replace(/^\[|\]$/g, "")] : [];
  if (!ANY.includes(host)) return [...asked, ...named];
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith("fe80:") && parseIp(address) !== undefined)
    .map(({ address }) => address)
    .sort()
    .slice(0, MOST_ADDRESSES);
  return [...asked, ...named, hostname(), ...addresses];
}

function readCa(path: string): string {
  let pem: string;
  try {
    pem = readFileSync(path, "utf8");
  } catch (error) {
    throw fromErrno(error, path);
  }
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw new BerthError("invalid-argument", `${path}: no certificate in PEM`);
  }
  return pem;
}
