import { randomInt } from "node:crypto";
import { run } from "../host/spawn.ts";
import { BerthError } from "../spec/errors.ts";
import { type BridgeSpec, type Element, elementsOf, type Family, familiesOf, partsOf, tableText } from "./nft-table.ts";

/** What ports are of. */
export type Protocol = "tcp" | "udp" | "sctp";

/** One published port: host address and port → container's address and port, both of one family. `hostIp` 0.0.0.0 or ::: all addresses. */
export interface Published {
  proto: Protocol;
  hostIp: string;
  hostPort: number;
  ip: string;
  port: number;
}

/** Conntrack zones are 16 bits; 0 is everybody's. */
const ZONES = 65535;
const FAMILIES: Family[] = ["ip", "ip6"];

/** One container's ports and the conntrack zone of its UDP flows. */
interface Publication {
  ports: Published[];
  zone: number;
}

/** A bridge, and what is published of its containers, by container. */
interface Member {
  spec: BridgeSpec;
  published: Map<string, Publication>;
}

interface Pending {
  lines: string[];
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * The nftables tables of one daemon, `ip NAME` and, where a bridge has IPv6, `ip6 NAME`: a few rules, and sets with what differs between
 * bridges, so neither a packet nor a change costs more with a thousand networks than with one. Changes that come while nft runs go
 * together in its next run, as one transaction. Where one fails (somebody flushed the ruleset) all is written anew from memory, so it
 * mends itself. It begins held: what is put in is remembered, and an earlier daemon's tables stay in force until `release`.
 */
export class Ruleset {
  readonly name: string;
  readonly #members = new Map<string, Member>();
  /** The families whose table is there. */
  readonly #standing = new Set<Family>();
  #zone = randomInt(1, ZONES);
  #queue: Pending[] = [];
  #running: Promise<void> | undefined;
  #held = true;

  constructor(name: string) {
    this.name = name;
  }

  /** Forgets everything, and only remembers what comes until `release`. */
  hold(): void {
    this.#held = true;
    this.#members.clear();
  }

  /** Writes all that is remembered, in one transaction, in place of what was there. */
  async release(): Promise<void> {
    this.#held = false;
    // A host without nftables can do without networks.
    if (this.#members.size > 0) await this.mend();
    else await this.mend().catch(() => undefined);
  }

  /** Writes all anew. */
  async mend(): Promise<void> {
    await this.#running;
    await this.#rewrite();
  }

  /** Writes all anew where a table is not as it was written, its elements aside. Answers whether it was. */
  async verify(): Promise<boolean> {
    await this.#running;
    if (this.#held) return false;
    for (const family of this.#standing) {
      if (await isIntact(this.name, family)) continue;
      await this.#rewrite();
      return true;
    }
    return false;
  }

  /** One bridge's part. Nothing is done before its `load`. */
  table(spec: BridgeSpec): PublishTable {
    return new PublishTable(this, spec);
  }

  /** Puts a bridge in, in place of what is known of it. */
  join(spec: BridgeSpec, published: Iterable<[string, Published[]]>): Promise<void> {
    const gone = this.#members.has(spec.bridge) ? this.#leave(spec.bridge) : [];
    const publications = [...published].map(([owner, ports]) => [owner, { ports, zone: this.#nextZone() }] as const);
    const member = { spec, published: new Map(publications) };
    this.#members.set(spec.bridge, member);
    const made = familiesOf(spec).filter((family) => !this.#standing.has(family));
    if (!this.#held) for (const family of made) this.#standing.add(family);
    return this.#commit([...gone, ...made.map((f) => this.#fresh(f)), ...this.#lines("add", [member])]);
  }

  /** Takes a bridge out with all that is published there; a table without a bridge goes. Repeatable. */
  async leave(bridge: string): Promise<void> {
    if (this.#members.has(bridge)) await this.#commit(this.#leave(bridge));
  }

  /** Opens the ports of one container, all or none. */
  async publish(bridge: string, owner: string, ports: Published[]): Promise<void> {
    const member = this.#members.get(bridge);
    if (!member) throw new BerthError("unavailable", `bridge ${bridge} is not there`);
    const publication = { ports, zone: this.#nextZone() };
    member.published.set(owner, publication);
    try {
      await this.#commit(this.#write("add", portElements([publication])));
    } catch (error) {
      member.published.delete(owner);
      throw error;
    }
  }

  /** Closes the ports of one container. Repeatable. */
  async unpublish(bridge: string, owner: string): Promise<void> {
    const published = this.#members.get(bridge)?.published;
    const publication = published?.get(owner);
    if (!publication) return;
    published?.delete(owner);
    try {
      await this.#commit(this.#write("delete", portElements([publication])));
    } catch (error) {
      published?.set(owner, publication);
      throw error;
    }
  }

  #leave(bridge: string): string[] {
    const member = this.#members.get(bridge);
    if (!member) return [];
    this.#members.delete(bridge);
    const left = new Set([...this.#members.values()].flatMap(({ spec }) => familiesOf(spec)));
    const over = [...this.#standing].filter((family) => !left.has(family));
    for (const family of over) this.#standing.delete(family);
    const lines = this.#lines("delete", [member]).filter((line) => !over.some((f) => line.includes(` element ${f} `)));
    return [...lines, ...over.map((family) => `delete table ${family} ${this.name}`)];
  }

  #commit(lines: string[]): Promise<void> {
    if (this.#held) return Promise.resolve();
    const done = new Promise<void>((resolve, reject) => this.#queue.push({ lines, resolve, reject }));
    this.#running ??= this.#flush();
    return done;
  }

  async #flush(): Promise<void> {
    // Callers of the same turn of the event loop join the first transaction.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      try {
        await transact(batch.flatMap((p) => p.lines).join("\n")).catch(() => this.#rewrite());
        for (const pending of batch) pending.resolve();
      } catch (error) {
        for (const pending of batch) pending.reject(error);
      }
    }
    // In the same turn as the last look: whoever comes next begins a run of its own.
    this.#running = undefined;
  }

  async #rewrite(): Promise<void> {
    const members = [...this.#members.values()];
    const wanted = new Set(members.flatMap(({ spec }) => familiesOf(spec)));
    for (const family of FAMILIES) wanted.has(family) ? this.#standing.add(family) : this.#standing.delete(family);
    const tables = FAMILIES.map((family) => (wanted.has(family) ? this.#fresh(family) : this.#gone(family)));
    await transact([...tables, ...this.#lines("add", members)].join("\n"));
  }

  /** A table without elements, whatever was there. */
  #fresh(family: Family): string {
    return `${this.#gone(family)}\n${tableText(this.name, family)}`;
  }

  #gone(family: Family): string {
    return `add table ${family} ${this.name}\ndelete table ${family} ${this.name}`;
  }

  #lines(verb: "add" | "delete", members: Member[]): string[] {
    const own = members.flatMap(({ spec }) =>
      familiesOf(spec).flatMap((family) => elementsOf(spec, family).map((element) => ({ family, ...element }))),
    );
    const ports = portElements(members.flatMap(({ published }) => [...published.values()]));
    return this.#write(verb, [...own, ...ports]);
  }

  #write(verb: "add" | "delete", elements: (Element & { family: Family })[]): string[] {
    const sets = new Map<string, string[]>();
    for (const { family, set, key, value } of elements) {
      const where = `${family} ${this.name} ${set}`;
      const item = verb === "add" && value !== undefined ? `${key} : ${value}` : key;
      const items = sets.get(where);
      if (items) items.push(item);
      else sets.set(where, [item]);
    }
    return [...sets].map(([where, items]) => `${verb} element ${where} { ${items.join(", ")} }`);
  }

  #nextZone(): number {
    this.#zone = (this.#zone % ZONES) + 1;
    return this.#zone;
  }
}

/** Where the ports of one network's containers are published. */
export interface PortTable {
  load(published: Iterable<[string, Published[]]>): Promise<void>;
  publish(owner: string, ports: Published[]): Promise<void>;
  unpublish(owner: string): Promise<void>;
  drop(): Promise<void>;
}

/** Of a network whose containers are reached without us: nothing is published there. */
export const NO_PORTS: PortTable = {
  load: async () => undefined,
  publish: async () => undefined,
  unpublish: async () => undefined,
  drop: async () => undefined,
};

/** What the rules hold of one bridge and its containers' ports. */
export class PublishTable implements PortTable {
  readonly #ruleset: Ruleset;
  readonly #spec: BridgeSpec;

  constructor(ruleset: Ruleset, spec: BridgeSpec) {
    this.#ruleset = ruleset;
    this.#spec = spec;
  }

  /** Puts the bridge in, with exactly these ports open. */
  load(published: Iterable<[string, Published[]]>): Promise<void> {
    return this.#ruleset.join(this.#spec, published);
  }

  /** Opens the ports of one container, all or none. Nothing is run where there are none. */
  async publish(owner: string, ports: Published[]): Promise<void> {
    if (ports.length > 0) await this.#ruleset.publish(this.#spec.bridge, owner, ports);
  }

  /** Closes the ports of one container. Repeatable. */
  unpublish(owner: string): Promise<void> {
    return this.#ruleset.unpublish(this.#spec.bridge, owner);
  }

  /** Takes the bridge out. Repeatable. */
  drop(): Promise<void> {
    return this.#ruleset.leave(this.#spec.bridge);
  }
}

/** By the number of its parts: nft shows them in other words than it was told. */
async function isIntact(name: string, family: Family): Promise<boolean> {
  const { code, stdout } = await run(["nft", "-j", "-t", "list", "table", family, name]);
  if (code !== 0) return false;
  const { nftables } = JSON.parse(stdout) as { nftables: object[] };
  const parts = nftables.map((part) => Object.keys(part)[0] ?? "");
  const counted = (...kinds: string[]): number => parts.filter((kind) => kinds.includes(kind)).length;
  const wanted = partsOf(tableText(name, family));
  return (
    counted("chain") === wanted.chains && counted("rule") === wanted.rules && counted("set", "map") === wanted.sets
  );
}

function portElements(publications: Publication[]): (Element & { family: Family })[] {
  return publications.flatMap(({ ports, zone }) => ports.flatMap((port) => elementsOfPort(port, zone)));
}

function elementsOfPort(port: Published, zone: number): (Element & { family: Family })[] {
  const { proto, hostIp, hostPort, ip } = port;
  const family = hostIp.includes(":") ? "ip6" : "ip";
  const exact = hostIp !== "0.0.0.0" && hostIp !== "::";
  const key = exact ? `${proto} . ${hostIp} . ${hostPort}` : `${proto} . ${hostPort}`;
  const target = { family, set: exact ? "one" : "any", key, value: `${ip} . ${port.port}` } as const;
  if (proto !== "udp") return [target];
  const zoneKey = exact ? `${hostIp} . ${hostPort}` : String(hostPort);
  return [target, { family, set: exact ? "zone_one" : "zone_any", key: zoneKey, value: String(zone) }];
}

async function transact(text: string): Promise<void> {
  const { code, stderr } = await run(["nft", "-f", "-"], { input: text });
  if (code === 0) return;
  throw new BerthError("internal", `nft: ${stderr.trim().split("\n")[0] ?? "failed"}`, {
    hint: "the kernel needs nf_tables with NAT",
  });
}
