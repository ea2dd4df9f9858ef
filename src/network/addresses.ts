import { BerthError } from "../spec/errors.ts";
import { contains, type Subnet, sizeOf } from "./cidr.ts";

/**
 * The addresses of one subnet that are given out, in memory; the endpoint records are what survives. Addresses go
 * round: one that was released comes last, so that late packets of a former owner do not meet a new one.
 */
export class AddressPool {
  readonly #used = new Set<number>();
  #next: number;

  constructor(
    readonly subnet: Subnet,
    readonly gateway: number,
  ) {
    this.#next = subnet.base + 1;
    this.#used.add(gateway);
  }

  /** Takes a free address. Throws `unavailable` where there is none. */
  take(): number {
    const { base } = this.subnet;
    const hosts = sizeOf(this.subnet) - 2;
    for (let tried = 0; tried < hosts; tried++) {
      const address = this.#next;
      this.#next = address === base + hosts ? base + 1 : address + 1;
      if (this.#used.has(address)) continue;
      this.#used.add(address);
      return address;
    }
    throw new BerthError("unavailable", "no available IPv4 addresses on this network's address pools: bridge", {
      hint: "remove containers, or give the daemon a wider --bip",
    });
  }

  /** Marks an address that a record names as used; one outside of the subnet is ignored. */
  reserve(address: number): void {
    if (contains(this.subnet, address)) this.#used.add(address);
  }

  /** Gives an address back; the gateway stays taken. */
  release(address: number): void {
    if (address !== this.gateway) this.#used.delete(address);
  }
}
