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
  readonly #published = new Map<string, Published[]>();
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
    for (const [owner, ports] of published) this.#published.set(owner, ports);
    await transact(this.#render());
  }

  /** Opens the ports of one container, all or none. Nothing is run where there are none. */
  async publish(owner: string, ports: Published[]): Promise<void> {
    if (ports.length === 0) return;
    this.#published.set(owner, ports);
    try {
      await this.#commit(this.#elements("add", ports));
    } catch (error) {
      this.#published.delete(owner);
      throw error;
    }
  }

  /** Closes the ports of one container. Repeatable. */
  async unpublish(owner: string): Promise<void> {
    const ports = this.#published.get(owner);
    if (!ports) return;
    this.#published.delete(owner);
    try {
      await this.#commit(this.#elements("delete", ports));
    } catch (error) {
      this.#published.set(owner, ports);
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

  #elements(verb: "add" | "delete", ports: Published[]): string[] {
    return (["any", "one"] as const).flatMap((map) => {
      const found = ports.filter((p) => mapOf(p) === map).map((p) => elementOf(p, verb === "add"));
      return found.length > 0 ? [`${verb} element ip ${this.name} ${map} { ${found.join(", ")} }`] : [];
    });
  }

  #render(): string {
    const all = [...this.#published.values()].flat();
    const table = tableText({ name: this.name, bridge: this.bridge, subnet: formatSubnet(this.subnet) });
    return `add table ip ${this.name}\ndelete table ip ${this.name}\n${table}${this.#elements("add", all).join("\n")}\n`;
  }
}

/**
 * The table's rules (nft(8)). `publish` looks for the exact address first. The raw chain pays for `route_localnet`: with it,
 * containers could otherwise reach what listens on the host's loopback. Forwarded packets reach the bridge from
 * itself, as answers, or through a published port; all others are dropped, so forwarding opens nothing.
 */
function tableText({ name, bridge, subnet }: { name: string; bridge: string; subnet: string }): string {
  return `table ip ${name} {
  map any { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map one { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; }
  chain raw {
    type filter hook prerouting priority raw; policy accept;
    iifname "${bridge}" ip daddr 127.0.0.0/8 drop
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

function mapOf(port: Published): "any" | "one" {
  return port.hostIp === "0.0.0.0" ? "any" : "one";
}

function elementOf(port: Published, whole: boolean): string {
  const address = mapOf(port) === "one" ? `${port.hostIp} . ` : "";
  const key = `${port.proto} . ${address}${port.hostPort}`;
  return whole ? `${key} : ${port.ip} . ${port.port}` : key;
}

async function transact(text: string): Promise<void> {
  const { code, stderr } = await run(["nft", "-f", "-"], { input: text });
  if (code === 0) return;
  throw new BerthError("internal", `nft: ${stderr.trim().split("\n")[0] ?? "failed"}`, {
    hint: "the kernel needs nf_tables with NAT",
  });
}
