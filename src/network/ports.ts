import { readFileSync } from "node:fs";
import type { PortMap } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import { formatIp, parseIp } from "../spec/ipnet.ts";
import { parseAddress } from "./cidr.ts";
import { type Hold, hold, holdWords, isTaken } from "./hold.ts";
import type { Protocol, Published } from "./nft.ts";
import type { Unnamed } from "./publish-policy.ts";

/** One wish: the same port, any from `from` to `to`, on each of `hostIps`; 0 to 0 is any free one. `key` is Docker's, `80/tcp`. */
export interface WantedPort {
  key: string;
  proto: Protocol;
  port: number;
  hostIps: string[];
  from: number;
  to: number;
}

const MAX_PORT = 65535;
const ALL = "0.0.0.0";
const ALL6 = "::";

/** Which addresses a container has: without one of a family nothing is published on the host's addresses of that family. */
export interface Families {
  v4: boolean;
  v6: boolean;
  /** Where a binding without an address goes, of these families. Default: everywhere. */
  unnamed?: Unnamed;
}

/** An endpoint's addresses, as ports lead to them. "" and absent: none. */
export interface Reached {
  ip: string;
  ip6?: string;
}

/**
 * Docker's port map → wishes. Keys without bindings are merely exposed and give none; a binding without an address is for all that `families` allow.
 * Throws `invalid-argument`, or `not-implemented` for an IPv6 address where the container has none.
 */
export function parsePorts(ports: PortMap, families: Families = { v4: true, v6: false }): WantedPort[] {
  return Object.entries(ports).flatMap(([key, bindings]) => {
    const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(key);
    const port = Number(match?.[1] ?? 0);
    const proto = (match?.[2] ?? "tcp").toLowerCase() as Protocol;
    if (port < 1 || port > MAX_PORT) throw new BerthError("invalid-argument", `invalid port specification: "${key}"`);
    return (bindings ?? []).flatMap((binding) => {
      const unnamed = binding.HostIp ? undefined : families.unnamed?.(key);
      const hostIps = unnamed ? ofFamilies(unnamed, families) : hostIpsOf(binding.HostIp ?? "", families);
      const wish = { key, proto, port, hostIps, ...rangeOf(binding.HostPort ?? "") } as const;
      return hostIps.length > 0 ? [wish] : [];
    });
  });
}

/** The map as Docker's inspect shows it after the start: merely exposed ports with null, the others with their real numbers. */
export function boundPorts(ports: PortMap, bound: { key: string; hostIp: string; hostPort: number }[]): PortMap {
  const result: PortMap = {};
  for (const key of Object.keys(ports)) {
    const mine = bound.filter((b) => b.key === key);
    result[key] = mine.length > 0 ? mine.map((b) => ({ HostIp: b.hostIp, HostPort: String(b.hostPort) })) : null;
  }
  return result;
}

/** A bound map (as `boundPorts` gives) → what nftables is to hold. What the endpoint has no address for is left out. */
export function publishedOf(ports: PortMap, { ip, ip6 = "" }: Reached): Published[] {
  return parsePorts(ports, { v4: true, v6: true }).flatMap(({ proto, port, hostIps, from }) =>
    hostIps.flatMap((hostIp) => {
      const to = addressFor(hostIp, { ip, ip6 });
      return to === "" ? [] : [{ proto, hostIp, hostPort: from, ip: to, port }];
    }),
  );
}

/** Where a port on an address of the host leads: to the container's address of the same family. */
function addressFor(hostIp: string, { ip, ip6 = "" }: Reached): string {
  return hostIp.includes(":") ? ip6 : ip;
}

/** The families of an endpoint's addresses. */
export function familiesOf({ ip, ip6 = "" }: Reached): Families {
  return { v4: ip !== "", v6: ip6 !== "" };
}

interface Claim {
  proto: Protocol;
  hostIp: string;
  port: number;
  hold?: Hold;
}

/**
 * The host ports that containers have, by owner. Each is also bound on the host for as long as this daemon lives; a restarted
 * one binds them anew with `restore`. Two claims on one port clash where either is for all addresses.
 */
export class PortLedger {
  readonly #claims = new Map<string, Claim[]>();
  #lastRandom = 0;

  /** Finds, claims and binds a host port for every wish, or throws Docker's words and leaves nothing claimed. `to` are the container's addresses. */
  async claim(
    owner: string,
    wanted: WantedPort[],
    to: Reached,
  ): Promise<{ key: string; hostIp: string; hostPort: number }[]> {
    const bound: { key: string; hostIp: string; hostPort: number }[] = [];
    try {
      // Exact numbers first, so that a random choice cannot take one of them.
      for (const wish of [...wanted].sort((a, b) => Number(b.from > 0) - Number(a.from > 0))) {
        const hostPort = await this.#claimOne(owner, wish, to);
        bound.push(...wish.hostIps.map((hostIp) => ({ key: wish.key, hostIp, hostPort })));
      }
      return bound;
    } catch (error) {
      this.release(owner);
      throw error;
    }
  }

  /** Claims the ports that a record says are published. Returns those that another program has bound meanwhile; they stay published. */
  async restore(owner: string, published: Published[]): Promise<Published[]> {
    const lost: Published[] = [];
    for (const { proto, hostIp, hostPort, ip, port } of published) {
      const claim: Claim = { proto, hostIp, port: hostPort };
      this.#add(owner, claim);
      try {
        claim.hold = await hold({ proto, hostIp, port: hostPort, to: { ip, port } });
      } catch {
        lost.push({ proto, hostIp, hostPort, ip, port }); // The caller says so: the container runs, and keeps its port.
      }
    }
    return lost;
  }

  /** Gives back all ports of one owner. Repeatable. */
  release(owner: string): void {
    for (const claim of this.#claims.get(owner) ?? []) claim.hold?.close();
    this.#claims.delete(owner);
  }

  /** Gives back everything. */
  clear(): void {
    for (const owner of [...this.#claims.keys()]) this.release(owner);
  }

  /** One number that is free on all of the wish's addresses. */
  async #claimOne(owner: string, wish: WantedPort, to: Reached): Promise<number> {
    const choice = wish.from !== wish.to || wish.from === 0;
    for (const port of this.#candidates(wish)) {
      const taken = wish.hostIps.find((hostIp) => this.#clashes(wish.proto, hostIp, port));
      if (taken !== undefined) {
        if (choice) continue;
        throw new BerthError("internal", `Bind for ${joined(taken, port)} failed: port is already allocated`);
      }
      if (await this.#bindAll(owner, { wish, port, to, choice })) return port;
    }
    throw new BerthError("internal", "all ports are allocated");
  }

  /** Binds a port on all of the wish's addresses, or on none. False where another program has it and there is a choice. */
  async #bindAll(
    owner: string,
    { wish, port, to, choice }: { wish: WantedPort; port: number; to: Reached; choice: boolean },
  ): Promise<boolean> {
    const { proto } = wish;
    // Claimed before the first wait: nobody else takes them meanwhile.
    const claims = wish.hostIps.map((hostIp): Claim => ({ proto, hostIp, port }));
    for (const claim of claims) this.#add(owner, claim);
    for (const claim of claims) {
      try {
        claim.hold = await hold({
          proto,
          hostIp: claim.hostIp,
          port,
          to: { ip: addressFor(claim.hostIp, to), port: wish.port },
        });
      } catch (error) {
        for (const mine of claims) this.#remove(owner, mine);
        if (isTaken(error) && choice) return false;
        const what = `${joined(claim.hostIp, port)}:${addressFor(claim.hostIp, to)}:${wish.port}/${proto}`;
        throw new BerthError("internal", `failed to bind host port for ${what}: ${holdWords(error)}`, { cause: error });
      }
    }
    return true;
  }

  /** The ports to try, in order. Random ones go round the kernel's own range, so that a freed port is not at once another's. */
  *#candidates(wish: WantedPort): Generator<number> {
    if (wish.from > 0) {
      for (let port = wish.from; port <= wish.to; port++) yield port;
      return;
    }
    const [low = 32768, high = 60999] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "latin1")
      .trim()
      .split(/\s+/)
      .map(Number);
    for (let tried = low; tried <= high; tried++) {
      this.#lastRandom = this.#lastRandom < low || this.#lastRandom >= high ? low : this.#lastRandom + 1;
      yield this.#lastRandom;
    }
  }

  #clashes(proto: string, hostIp: string, port: number): boolean {
    for (const claims of this.#claims.values()) {
      for (const c of claims) {
        if (c.proto !== proto || c.port !== port) continue;
        const all = hostIp.includes(":") ? ALL6 : ALL;
        if (c.hostIp.includes(":") !== hostIp.includes(":")) continue;
        if (c.hostIp === hostIp || c.hostIp === all || hostIp === all) return true;
      }
    }
    return false;
  }

  #add(owner: string, claim: Claim): void {
    const mine = this.#claims.get(owner);
    if (mine) mine.push(claim);
    else this.#claims.set(owner, [claim]);
  }

  #remove(owner: string, claim: Claim): void {
    claim.hold?.close();
    const mine = this.#claims.get(owner)?.filter((c) => c !== claim) ?? [];
    if (mine.length > 0) this.#claims.set(owner, mine);
    else this.#claims.delete(owner);
  }
}

/** The host's addresses that a binding means, of those families that the container has. */
function hostIpsOf(text: string, { v4, v6 }: Families): string[] {
  if (text === "") return [...(v4 ? [ALL] : []), ...(v6 ? [ALL6] : [])];
  if (parseAddress(text) !== undefined) return v4 ? [text] : [];
  const ip = parseIp(text.replace(/^\[(.*)\]$/, "$1"));
  if (ip?.family !== 6) throw new BerthError("invalid-argument", `invalid IP address: ${text}`);
  if (v6) return [formatIp(ip)];
  throw new BerthError("not-implemented", `cannot publish on ${text}: the container has no IPv6 address there`, {
    hint: "put it on a network that was made with --ipv6",
  });
}

function ofFamilies(hostIps: string[], { v4, v6 }: Families): string[] {
  return hostIps.filter((hostIp) => (hostIp.includes(":") ? v6 : v4));
}

/** As Go's net.JoinHostPort. */
function joined(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function rangeOf(text: string): { from: number; to: number } {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text === "" ? "0" : text);
  const from = Number(match?.[1] ?? Number.NaN);
  const to = Number(match?.[2] ?? from);
  if (!(from <= to && to <= MAX_PORT)) throw new BerthError("invalid-argument", `invalid hostPort: ${text}`);
  return { from, to };
}
