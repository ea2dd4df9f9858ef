import { isIPv6 } from "node:net";

/** An address of either family as a number. */
export interface Ip {
  family: 4 | 6;
  value: bigint;
}

/** A subnet of either family: `base` is its first address, `prefix` its length in bits. */
export interface IpNet {
  family: 4 | 6;
  base: bigint;
  prefix: number;
}

const OCTETS = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.|$)){4}$/;
const BITS = { 4: 32, 6: 128 } as const;
const GROUPS = 8;

/** An IPv4 or IPv6 address; undefined where `text` is none. Scoped addresses (`fe80::1%eth0`) are none. */
export function parseIp(text: string): Ip | undefined {
  if (OCTETS.test(text) && !text.endsWith(".")) return { family: 4, value: BigInt(quad(text)) };
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const low = quad(tail?.[2] ?? "0.0.0.0");
  const whole = tail ? `${tail[1]}${(low >>> 16).toString(16)}:${(low & 0xffff).toString(16)}` : text;
  const [head = "", rest] = whole.split("::");
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const [left, right] = [groups(head), groups(rest ?? "")];
  const zeros = rest === undefined ? [] : Array.from({ length: GROUPS - left.length - right.length }, () => "0");
  const value = [...left, ...zeros, ...right].reduce((sum, group) => (sum << 16n) + BigInt(`0x${group}`), 0n);
  return { family: 6, value };
}

/** The address as text, IPv6 as RFC 5952 has it. */
export function formatIp({ family, value }: Ip): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".");
  const groups = Array.from({ length: GROUPS }, (_, i) => ((value >> BigInt(16 * (7 - i))) & 0xffffn).toString(16));
  const runs = [
    ...groups
      .map((g) => (g === "0" ? "0" : "x"))
      .join("")
      .matchAll(/0{2,}/g),
  ];
  const longest = runs.sort((a, b) => b[0].length - a[0].length || a.index - b.index)[0];
  if (!longest) return groups.join(":");
  const end = longest.index + longest[0].length;
  return `${groups.slice(0, longest.index).join(":")}::${groups.slice(end).join(":")}`;
}

/** `address/prefix` → the address and the subnet that it lies in; undefined where `text` is none. */
export function parseNet(text: string): { address: Ip; net: IpNet } | undefined {
  const [host = "", bits = "", ...rest] = text.split("/");
  const address = parseIp(host);
  if (!address || rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(bits)) return undefined;
  const prefix = Number(bits);
  const free = BITS[address.family] - prefix;
  if (free < 0) return undefined;
  const base = (address.value >> BigInt(free)) << BigInt(free);
  return { address, net: { family: address.family, base, prefix } };
}

/** `base/prefix`. */
export function formatNet(net: IpNet): string {
  return `${formatIp({ family: net.family, value: net.base })}/${net.prefix}`;
}

/** How many addresses it has. */
export function countOf(net: IpNet): bigint {
  return 1n << BigInt(BITS[net.family] - net.prefix);
}

/** True where the address lies in the subnet. */
export function inNet(net: IpNet, ip: Ip): boolean {
  return net.family === ip.family && ip.value >= net.base && ip.value < net.base + countOf(net);
}

/** True where the two share an address. */
export function netsOverlap(a: IpNet, b: IpNet): boolean {
  const first = (net: IpNet): Ip => ({ family: net.family, value: net.base });
  return inNet(a, first(b)) || inNet(b, first(a));
}

function quad(text: string): number {
  return text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}
