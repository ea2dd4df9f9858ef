import { randomInt } from "node:crypto";
import { run } from "../host/spawn.ts";
import { BerthError } from "../spec/errors.ts";
import { formatSubnet, type Subnet } from "./cidr.ts";

/** One published port: host address and port → container's address and port. `hostIp` 0.0.0.0: all addresses. */
export interface Published {
  proto: "tcp" | "udp";
  hostIp: string;
  hostPort: number;
  ip: string;
  port: number;
}

/** Conntrack zones are 16 bits; 0 is everybody's. */
const ZONES = 65535;

/** One container's ports and the conntrack zone of its UDP flows. */
interface Publication {
  ports: Published[];
  zone: number;
}

interface Pending {
  lines: string[];
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * The nftables table of one bridge, `ip berth-<bridge>`, and what is published in it, by container. Every rule names the
 * bridge, its subnet or its own maps, so several such tables live side by side. Changes that come while nft runs
 * go together in its next run, as one transaction. Where one fails (somebody flushed the ruleset) the whole table
 * is written anew from memory, so it mends itself.
 */
export class PublishTable {
  readonly name: string;
  readonly #published = new Map<string, Publication>();
  #zone = randomInt(1, ZONES);
  #queue: Pending[] = [];
  #running: Promise<void> | undefined;

  constructor(
    readonly bridge: string,
    readonly subnet: Subnet,
  ) {
    this.name = `berth-${bridge}`;
  }

  /** Replaces the table in one transaction, with exactly these ports open. */
  async load(published: Iterable<[string, Published[]]>): Promise<void> {
    this.#published.clear();
    for (const [owner, ports] of published) this.#published.set(owner, { ports, zone: this.#nextZone() });
    await transact(this.#render());
  }

  /** Opens the ports of one container, all or none. Nothing is run where there are none. */
  async publish(owner: string, ports: Published[]): Promise<void> {
    if (ports.length === 0) return;
    const publication = { ports, zone: this.#nextZone() };
    this.#published.set(owner, publication);
    try {
      await this.#commit(this.#elements("add", [publication]));
    } catch (error) {
      this.#published.delete(owner);
      throw error;
    }
  }

  /** Closes the ports of one container. Repeatable. */
  async unpublish(owner: string): Promise<void> {
    const publication = this.#published.get(owner);
    if (!publication) return;
    this.#published.delete(owner);
    try {
      await this.#commit(this.#elements("delete", [publication]));
    } catch (error) {
      this.#published.set(owner, publication);
      throw error;
    }
  }

  /** Removes the table; a missing one is fine. */
  async drop(): Promise<void> {
    this.#published.clear();
    await this.#running;
    await transact(`add table ip ${this.name}\ndelete table ip ${this.name}\n`);
  }

  #commit(lines: string[]): Promise<void> {
    const done = new Promise<void>((resolve, reject) => this.#queue.push({ lines, resolve, reject }));
    this.#running ??= this.#flush().finally(() => {
      this.#running = undefined;
    });
    return done;
  }

  async #flush(): Promise<void> {
    // Callers of the same turn of the event loop join the first transaction.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      try {
        await transact(batch.flatMap((p) => p.lines).join("\n")).catch(() => transact(this.#render()));
        for (const pending of batch) pending.resolve();
      } catch (error) {
        for (const pending of batch) pending.reject(error);
      }
    }
  }

  #elements(verb: "add" | "delete", publications: Publication[]): string[] {
    const maps = new Map<string, string[]>();
    for (const { ports, zone } of publications) {
      for (const port of ports) {
        for (const { map, key, value } of elementsOf(port, zone)) {
          maps.set(map, [...(maps.get(map) ?? []), verb === "add" ? `${key} : ${value}` : key]);
        }
      }
    }
    return [...maps].map(([map, items]) => `${verb} element ip ${this.name} ${map} { ${items.join(", ")} }`);
  }

  #nextZone(): number {
    this.#zone = (this.#zone % ZONES) + 1;
    return this.#zone;
  }

  #render(): string {
    const all = [...this.#published.values()];
    const table = tableText({ name: this.name, bridge: this.bridge, subnet: formatSubnet(this.subnet) });
    return `add table ip ${this.name}\ndelete table ip ${this.name}\n${table}${this.#elements("add", all).join("\n")}\n`;
  }
}

/**
 * The table's rules (nft(8)). `publish` looks for the exact address first. The raw chain pays for `route_localnet`: with it,
 * containers could otherwise reach what listens on the host's loopback. Forwarded packets reach the bridge from
 * itself, as answers, or through a published port; all others are dropped, so forwarding opens nothing.
 * Every publication puts its incoming UDP flows in a conntrack zone of its own: a client that goes on from the same port after
 * the container was replaced is a new flow, and does not follow the old one's translation into the void.
 */
function tableText({ name, bridge, subnet }: { name: string; bridge: string; subnet: string }): string {
  return `table ip ${name} {
  map any { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map one { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; }
  map zone_any { typeof udp dport : ct zone; }
  map zone_one { typeof ip daddr . udp dport : ct zone; }
  chain zones {
    ct original zone set ip daddr . udp dport map @zone_one
    ct original zone set udp dport map @zone_any
  }
  chain raw {
    type filter hook prerouting priority raw; policy accept;
    iifname "${bridge}" ip daddr 127.0.0.0/8 drop
    meta l4proto udp fib daddr type local jump zones
  }
  chain raw_output {
    type filter hook output priority raw; policy accept;
    meta l4proto udp fib daddr type local jump zones
  }
  chain publish {
    dnat ip to meta l4proto . ip daddr . th dport map @one
    dnat ip to meta l4proto . th dport map @any
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump publish
  }
  chain output {
    type nat hook output priority -100; policy accept;
    fib daddr type local jump publish
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${subnet} oifname != "${bridge}" masquerade
    oifname "${bridge}" ip saddr 127.0.0.0/8 masquerade
    oifname "${bridge}" ip saddr ${subnet} ct status dnat masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    oifname != "${bridge}" accept
    ct state established,related accept
    iifname "${bridge}" accept
    ct status dnat accept
    drop
  }
}
`;
}

function elementsOf(port: Published, zone: number): { map: string; key: string; value: string }[] {
  const { proto, hostIp, hostPort, ip } = port;
  const exact = hostIp !== "0.0.0.0";
  const key = exact ? `${proto} . ${hostIp} . ${hostPort}` : `${proto} . ${hostPort}`;
  const target = { map: exact ? "one" : "any", key, value: `${ip} . ${port.port}` };
  if (proto === "tcp") return [target];
  const zoneKey = exact ? `${hostIp} . ${hostPort}` : String(hostPort);
  return [target, { map: exact ? "zone_one" : "zone_any", key: zoneKey, value: String(zone) }];
}

async function transact(text: string): Promise<void> {
  const { code, stderr } = await run(["nft", "-f", "-"], { input: text });
  if (code === 0) return;
  throw new BerthError("internal", `nft: ${stderr.trim().split("\n")[0] ?? "failed"}`, {
    hint: "the kernel needs nf_tables with NAT",
  });
}
