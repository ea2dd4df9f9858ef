import { BerthError } from "../spec/errors.ts";

/** An IPv4 subnet: `base` is its first address as an unsigned number, `prefix` its length in bits. */
export interface Subnet {
  base: number;
  prefix: number;
}

const BITS = 32;
const OCTET = /^(0|[1-9][0-9]{0,2})$/;

/** Dotted quad → unsigned number; undefined where `text` is none (leading zeros are refused, as in RFC 6943 section 3.1.1). */
export function parseAddress(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((p) => OCTET.test(p) && Number(p) < 256)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** Unsigned number → dotted quad. */
export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

/** `a.b.c.d/n` → the address and its subnet; throws `invalid-argument` in Docker's words. */
export function parseCidr(text: string): { address: number; subnet: Subnet } {
  const [host = "", bits = "", ...rest] = text.split("/");
  const address = parseAddress(host);
  const prefix = OCTET.test(bits) ? Number(bits) : Number.NaN;
  if (address === undefined || !(prefix <= BITS) || rest.length > 0) {
    throw new BerthError("invalid-argument", `invalid CIDR address: ${text}`, {
      hint: "want an IPv4 address and a prefix length, like 172.30.0.1/16",
    });
  }
  return { address, subnet: subnetOf(address, prefix) };
}

/** The subnet of `prefix` bits that holds `address`. */
function subnetOf(address: number, prefix: number): Subnet {
  const size = 2 ** (BITS - prefix);
  return { base: Math.floor(address / size) * size, prefix };
}

/** `base/prefix`. */
export function formatSubnet(subnet: Subnet): string {
  return `${formatAddress(subnet.base)}/${subnet.prefix}`;
}

/** Number of addresses, with the network's own and the broadcast address. */
export function sizeOf(subnet: Subnet): number {
  return 2 ** (BITS - subnet.prefix);
}

/** True where `address` lies in `subnet`. */
export function contains(subnet: Subnet, address: number): boolean {
  return address >= subnet.base && address < subnet.base + sizeOf(subnet);
}

/** True where the two share an address. */
export function overlap(a: Subnet, b: Subnet): boolean {
  return contains(a, b.base) || contains(b, a.base);
}

/** Docker's classic MAC for an IPv4 address: 02:42 and the address's four bytes, so that it is unique on its bridge. */
export function macOf(address: number): string {
  const bytes = [24, 16, 8, 0].map((shift) => ((address >>> shift) & 255).toString(16).padStart(2, "0"));
  return ["02", "42", ...bytes].join(":");
}

/** Checks `--bip`: a host address in a subnet that has room for one container. Throws `invalid-argument`. */
export function parseBip(text: string): { gateway: number; subnet: Subnet } {
  const { address, subnet } = parseCidr(text);
  const last = subnet.base + sizeOf(subnet) - 1;
  if (subnet.prefix > 30 || subnet.prefix < 8) {
    throw new BerthError(
      "invalid-argument",
      `invalid bridge address ${text}: the prefix length has to be from 8 to 30`,
    );
  }
  if (address === subnet.base || address === last) {
    throw new BerthError("invalid-argument", `invalid bridge address ${text}: it names the network, not a host in it`, {
      hint: `use ${formatAddress(subnet.base + 1)}/${subnet.prefix}`,
    });
  }
  return { gateway: address, subnet };
}
