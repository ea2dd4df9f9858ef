import { BerthError } from "../spec/errors.ts";
import { formatNet, type IpNet, netsOverlap, parseNet } from "../spec/ipnet.ts";
import { overlap, parseCidr, type Subnet } from "./cidr.ts";

/** A range of addresses that networks are cut from: `base` as `address/prefix`, `size` the prefix length of each network. */
export interface PoolConfig {
  base: string;
  size: number;
}

/** Docker's, the default bridge's own 172.17.0.0/16 aside, and behind them room for four thousand more. */
const DEFAULTS: PoolConfig[] = [
  ...Array.from({ length: 14 }, (_, i) => ({ base: `172.${18 + i}.0.0/16`, size: 16 })),
  { base: "192.168.0.0/16", size: 20 },
  { base: "10.208.0.0/12", size: 24 },
];
const BITS = { 4: 32, 6: 128 } as const;
/** A network has to hold itself, its gateway and a container. */
const LEAST_HOST_BITS = 2;

/** The pools of a daemon, those of Docker where none are given. Throws `invalid-argument` for one that is malformed or overlaps another. */
export class SubnetPools {
  readonly #pools: { net: IpNet; size: number }[];

  constructor(given: readonly PoolConfig[] = []) {
    this.#pools = (given.length > 0 ? given : DEFAULTS).map(checked);
    for (const [i, { net }] of this.#pools.entries()) {
      const same = this.#pools.slice(0, i).find((other) => netsOverlap(other.net, net));
      if (same)
        throw new BerthError("invalid-argument", `address pools ${formatNet(same.net)} and ${formatNet(net)} overlap`);
    }
  }

  /** Whether persons gave pools of this family. */
  has(family: 4 | 6): boolean {
    return this.#pools.some(({ net }) => net.family === family);
  }

  /** The first free network of a family. Throws `unavailable` in Docker's words. */
  choose(family: 4 | 6, used: readonly IpNet[]): IpNet {
    const taken = used.filter((net) => net.family === family);
    const free = family === 4 ? this.#free4(taken.map(small)) : this.#free6(taken);
    if (free) return free;
    throw new BerthError("unavailable", "all predefined address pools have been fully subnetted", {
      hint: "remove networks that are not used, give one of its own with --subnet, or the daemon more with default-address-pools",
    });
  }

  /** All IPv4 networks that touch none of `used`, in order. */
  *free4(used: readonly Subnet[]): Generator<Subnet> {
    for (const { net, size } of this.#pools) {
      if (net.family !== 4) continue;
      const { base } = small(net);
      const step = 2 ** (BITS[4] - size);
      const near = used.filter((subnet) => overlap(subnet, small(net)));
      for (let at = base; at < base + 2 ** (BITS[4] - net.prefix); at += step) {
        const subnet = { base: at, prefix: size };
        if (!near.some((other) => overlap(other, subnet))) yield subnet;
      }
    }
  }

  #free4(used: Subnet[]): IpNet | undefined {
    const { value } = this.free4(used).next();
    return value && { family: 4, base: BigInt(value.base), prefix: value.prefix };
  }

  #free6(used: IpNet[]): IpNet | undefined {
    for (const { net, size } of this.#pools) {
      if (net.family !== 6) continue;
      const step = 1n << BigInt(BITS[6] - size);
      const end = net.base + (1n << BigInt(BITS[6] - net.prefix));
      for (let base = net.base; base < end; base += step) {
        const subnet: IpNet = { family: 6, base, prefix: size };
        if (!used.some((other) => netsOverlap(other, subnet))) return subnet;
      }
    }
    return undefined;
  }
}

function small({ base, prefix }: IpNet): Subnet {
  return { base: Number(base), prefix };
}

function checked({ base, size }: PoolConfig): { net: IpNet; size: number } {
  const net = parseNet(base)?.net;
  if (!net)
    throw new BerthError("invalid-argument", `invalid address pool ${base}: want an address and a prefix length`);
  if (net.family === 4) parseCidr(base);
  const most = BITS[net.family] - LEAST_HOST_BITS;
  if (!Number.isInteger(size) || size < net.prefix || size > most) {
    throw new BerthError("invalid-argument", `invalid address pool ${base}: networks of /${size} do not fit in it`, {
      hint: `from /${net.prefix} to /${most}`,
    });
  }
  return { net, size };
}
