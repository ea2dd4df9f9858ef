import { BerthError } from "../spec/errors.ts";
import { countOf, formatIp, formatNet, type IpNet, inNet, parseIp } from "../spec/ipnet.ts";

/** What one pool gives out. */
export interface AddressPoolOptions {
  net: IpNet;
  /** For messages. */
  network: string;
  /** Never given out: the gateway first, then auxiliary addresses. */
  taken: readonly string[];
  /** The part of the subnet that `take` chooses from. */
  range?: IpNet;
}

/** IPv4 subnets from this prefix on have no broadcast address of their own (RFC 3021). */
const POINT_TO_POINT = 31;
/** More than this many addresses of a range are not looked through. */
const MOST = 1n << 32n;

/**
 * The addresses of one subnet that are given out, in memory; the endpoint records are what survives. Addresses go
 * round: one that was released comes last, so that late packets of a former owner do not meet a new one.
 */
export class AddressPool {
  readonly net: IpNet;
  readonly #options: AddressPoolOptions;
  readonly #used = new Set<string>();
  readonly #fixed: Set<string>;
  readonly #first: bigint;
  readonly #count: bigint;
  #next = 0n;

  constructor(options: AddressPoolOptions) {
    this.#options = options;
    this.net = options.net;
    this.#fixed = new Set(options.taken);
    const range = options.range ?? options.net;
    // The first address names the subnet, and the last one of IPv4 is its broadcast address.
    const skip = range.base === this.net.base ? 1n : 0n;
    const end = range.base + countOf(range);
    const isLast = this.net.family === 4 && end === this.net.base + countOf(this.net);
    this.#first = range.base + skip;
    const count = end - this.#first - (isLast ? 1n : 0n);
    this.#count = count < MOST ? count : MOST;
  }

  /** Takes a free address. Throws `unavailable` where there is none. */
  take(): string {
    for (let tried = 0n; tried < this.#count; tried++) {
      const address = formatIp({ family: this.net.family, value: this.#first + this.#next });
      this.#next = (this.#next + 1n) % this.#count;
      if (this.#used.has(address) || this.#fixed.has(address)) continue;
      this.#used.add(address);
      return address;
    }
    const { network } = this.#options;
    throw new BerthError(
      "unavailable",
      `no available IPv${this.net.family} addresses on this network's address pools: ${network}`,
      {
        hint:
          network === "bridge"
            ? "remove containers, or give the daemon a wider --bip"
            : "remove containers, or make a network with a wider --subnet",
      },
    );
  }

  /** Takes this very address. Throws `forbidden` in Docker's words where it is in use, with the container that `holder` finds. */
  claim(text: string, holder: (address: string) => string | undefined = () => undefined): string {
    const ip = parseIp(text);
    if (!ip || !inNet(this.net, ip)) {
      throw new BerthError("invalid-argument", `${text} is not in the network's subnet ${formatNet(this.net)}`);
    }
    const address = formatIp(ip);
    if (this.#used.has(address) || this.#fixed.has(address))
      throw new BerthError("forbidden", `Address already in use: ${this.#ownerOf(address, holder)}`);
    this.#used.add(address);
    return address;
  }

  #ownerOf(address: string, holder: (address: string) => string | undefined): string {
    const { network, taken } = this.#options;
    const role = this.#fixed.has(address) && (address === taken[0] ? "the gateway" : "an auxiliary address");
    if (role) return `${address} is ${role} of network ${network}`;
    const name = holder(address);
    return name === undefined ? `${address} on network ${network}` : `container ${name} has ${address} on ${network}`;
  }

  /** Marks an address that a record names as used; one outside of the subnet is ignored. */
  reserve(text: string): void {
    const ip = parseIp(text);
    if (ip && inNet(this.net, ip)) this.#used.add(formatIp(ip));
  }

  /** Addresses that cannot be given out: taken, kept for something, or no host's; and those that `take` can still choose. */
  usage(): { inUse: number; available: number } {
    const taken = new Set([...this.#fixed, ...this.#used].filter((a) => a !== ""));
    const isChoice = (address: string): boolean => {
      const value = (parseIp(address)?.value ?? -1n) - this.#first;
      return value >= 0n && value < this.#count;
    };
    const choices = [...taken].filter(isChoice).length;
    const noHost = this.net.family === 4 && this.net.prefix < POINT_TO_POINT ? 2 : 1;
    return { inUse: taken.size + noHost, available: Number(this.#count) - choices };
  }

  /** Gives an address back; gateway and auxiliary ones stay taken. */
  release(text: string): void {
    this.#used.delete(text);
  }
}
