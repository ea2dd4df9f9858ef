import { readFileSync } from "node:fs";
import type { PortMap } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import { parseAddress } from "./cidr.ts";
import { type Hold, hold, holdWords, isTaken } from "./hold.ts";
import type { Published } from "./nft.ts";

/** One wish: any port from `from` to `to` on `hostIp`; 0 to 0 is any free one. `key` is Docker's, `80/tcp`. */
export interface WantedPort {
  key: string;
  proto: "tcp" | "udp";
  port: number;
  hostIp: string;
  from: number;
  to: number;
}

const MAX_PORT = 65535;
const ALL = "0.0.0.0";

/** Docker's port map → wishes. Keys without bindings are merely exposed and give none. Throws `invalid-argument`, or `not-implemented` for sctp. */
export function parsePorts(ports: PortMap): WantedPort[] {
  return Object.entries(ports).flatMap(([key, bindings]) => {
    const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(key);
    const port = Number(match?.[1] ?? 0);
    const proto = (match?.[2] ?? "tcp").toLowerCase();
    if (port < 1 || port > MAX_PORT) throw new BerthError("invalid-argument", `invalid port specification: "${key}"`);
    return (bindings ?? []).map((binding) => {
      if (proto !== "tcp" && proto !== "udp") {
        throw new BerthError("not-implemented", `cannot publish ${key}: only tcp and udp ports can be published`);
      }
      return { key, proto, port, hostIp: hostIpOf(binding.HostIp ?? ""), ...rangeOf(binding.HostPort ?? "") };
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

/** A bound map (as `boundPorts` gives) → what nftables is to hold. */
export function publishedOf(ports: PortMap, ip: string): Published[] {
  return parsePorts(ports).map((p) => ({ proto: p.proto, hostIp: p.hostIp, hostPort: p.from, ip, port: p.port }));
}

interface Claim {
  proto: "tcp" | "udp";
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

  /** Finds, claims and binds a host port for every wish, or throws Docker's words and leaves nothing claimed. `ip` is the container's, for the message. */
  async claim(
    owner: string,
    wanted: WantedPort[],
    ip: string,
  ): Promise<{ key: string; hostIp: string; hostPort: number }[]> {
    const bound: { key: string; hostIp: string; hostPort: number }[] = [];
    try {
      // Exact numbers first, so that a random choice cannot take one of them.
      for (const wish of [...wanted].sort((a, b) => Number(b.from > 0) - Number(a.from > 0))) {
        bound.push({ key: wish.key, hostIp: wish.hostIp, hostPort: await this.#claimOne(owner, wish, ip) });
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
        claim.hold = await hold({ proto, hostIp, port: hostPort });
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

  async #claimOne(owner: string, wish: WantedPort, ip: string): Promise<number> {
    const { hostIp, proto } = wish;
    for (const port of this.#candidates(wish)) {
      if (this.#clashes(proto, hostIp, port)) {
        if (wish.from !== wish.to || wish.from === 0) continue;
        throw new BerthError("internal", `Bind for ${hostIp}:${port} failed: port is already allocated`);
      }
      const claim: Claim = { proto, hostIp, port };
      this.#add(owner, claim);
      try {
        claim.hold = await hold({ proto, hostIp, port });
        return port;
      } catch (error) {
        this.#remove(owner, claim);
        if (isTaken(error) && (wish.from !== wish.to || wish.from === 0)) continue;
        const what = `${hostIp}:${port}:${ip}:${wish.port}/${proto}`;
        throw new BerthError("internal", `failed to bind host port for ${what}: ${holdWords(error)}`, { cause: error });
      }
    }
    throw new BerthError("internal", "all ports are allocated");
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
        if (c.hostIp === hostIp || c.hostIp === ALL || hostIp === ALL) return true;
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
    const mine = this.#claims.get(owner)?.filter((c) => c !== claim) ?? [];
    if (mine.length > 0) this.#claims.set(owner, mine);
    else this.#claims.delete(owner);
  }
}

function hostIpOf(text: string): string {
  if (text === "") return ALL;
  if (parseAddress(text) !== undefined) return text;
  if (text.includes(":")) {
    throw new BerthError("not-implemented", `cannot publish on ${text}: ports can be published on IPv4 addresses only`);
  }
  throw new BerthError("invalid-argument", `invalid IP address: ${text}`);
}

function rangeOf(text: string): { from: number; to: number } {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text === "" ? "0" : text);
  const from = Number(match?.[1] ?? Number.NaN);
  const to = Number(match?.[2] ?? from);
  if (!(from <= to && to <= MAX_PORT)) throw new BerthError("invalid-argument", `invalid hostPort: ${text}`);
  return { from, to };
}
