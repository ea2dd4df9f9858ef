import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { BerthError } from "../spec/errors.ts";

/** Addresses of this machine alone, or of its link alone: there cloud machines have their secrets. */
const INWARD = new BlockList();
INWARD.addSubnet("127.0.0.0", 8);
INWARD.addSubnet("0.0.0.0", 8);
INWARD.addSubnet("169.254.0.0", 16);
INWARD.addAddress("::1", "ipv6");
INWARD.addAddress("::", "ipv6");
INWARD.addSubnet("fe80::", 10, "ipv6");

/** What a registry names is asked over HTTP alone, and not in clear where the registry itself has TLS. Throws `internal` that names both. */
export function refuseDowngrade(url: string, from: string): void {
  const to = new URL(url);
  if (to.protocol === "https:" || (to.protocol === "http:" && !from.startsWith("https:"))) return;
  throw new BerthError("internal", `${new URL(from).host}: refusing to follow it to ${to.protocol}//${to.host}`, {
    hint: "a registry behind a proxy has to know the address that its clients use",
  });
}

/**
 * Refuses what the registry at `from` leads to where that is an address of this machine, or of its link, and the registry is not: an answer must not make the engine ask what only
 * it can reach. Names are looked up; those that this machine does not know are a proxy's to find.
 */
export async function refuseInward(url: string, from: string): Promise<void> {
  const [to, own] = [new URL(url), new URL(from)];
  if (to.host === own.host || !(await isInward(to.hostname)) || (await isInward(own.hostname))) return;
  throw new BerthError("internal", `${own.host}: refusing to follow it to ${to.host}, an address of this machine`, {
    hint: "a registry behind a proxy has to know the address that its clients use",
  });
}

async function isInward(hostname: string): Promise<boolean> {
  const name = hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  if (isIP(name) !== 0) return inRange(name);
  const found = await lookup(name, { all: true }).catch(() => []);
  return found.some(({ address }) => inRange(address));
}

function inRange(address: string): boolean {
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(address);
  if (mapped) {
    const bytes = [mapped[1], mapped[2]].map((hex) => Number.parseInt(hex ?? "0", 16));
    return inRange(bytes.flatMap((two) => [two >> 8, two & 255]).join("."));
  }
  const dotted = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (dotted) return inRange(dotted[1] ?? "");
  return INWARD.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}
