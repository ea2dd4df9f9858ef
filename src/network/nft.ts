import { randomInt } from "node:crypto";
import { run } from "../host/spawn.ts";
import { BerthError } from "../spec/errors.ts";
import { type TableSpec, tablesText } from "./nft-table.ts";

/** One published port: host address and port → container's address and port, both of one family. `hostIp` 0.0.0.0 or ::: all addresses. */
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

  readonly #spec: TableSpec;

  constructor(spec: Omit<TableSpec, "name">) {
    this.name = `berth-${spec.bridge}`;
    this.#spec = { ...spec, name: this.name };
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
    await transact(this.#empty());
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
        const family = port.hostIp.includes(":") ? "ip6" : "ip";
        for (const { map, key, value } of elementsOf(port, zone)) {
          const where = `${family} ${this.name} ${map}`;
          maps.set(where, [...(maps.get(where) ?? []), verb === "add" ? `${key} : ${value}` : key]);
        }
      }
    }
    return [...maps].map(([where, items]) => `${verb} element ${where} { ${items.join(", ")} }`);
  }

  #nextZone(): number {
    this.#zone = (this.#zone % ZONES) + 1;
    return this.#zone;
  }

  #render(): string {
    const all = [...this.#published.values()];
    const text = tablesText(this.#spec);
    return `${this.#empty()}${text}${this.#elements("add", all).join("\n")}\n`;
  }

  #empty(): string {
    const families = this.#spec.subnet6 === undefined ? ["ip"] : ["ip", "ip6"];
    return families.map((f) => `add table ${f} ${this.name}\ndelete table ${f} ${this.name}\n`).join("");
  }
}

function elementsOf(port: Published, zone: number): { map: string; key: string; value: string }[] {
  const { proto, hostIp, hostPort, ip } = port;
  const exact = hostIp !== "0.0.0.0" && hostIp !== "::";
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
