import { randomBytes } from "node:crypto";
import { BerthError, messageOf } from "../spec/errors.ts";
import { formatNet, type IpNet, netsOverlap, parseNet } from "../spec/ipnet.ts";
import type { Table } from "../store/types.ts";
import { AddressPool } from "./addresses.ts";
import { defaultMtu, setSysctl, subnetOfRoute } from "./bridge.ts";
import { formatSubnet, macOf, parseAddress } from "./cidr.ts";
import { ipBatch, links, type RouteInfo, routes } from "./ip.ts";
import { type NetworkRecord, newNetworkId, type OwnNetwork } from "./networks.ts";
import { NO_PORTS, type Ruleset } from "./nft.ts";
import { checkRequest, planNetwork, readOptions, type TakenNet } from "./own.ts";
import { checkShared, dropParent, ensureParent } from "./parent.ts";
import type { SubnetPools } from "./pools.ts";
import { readRates } from "./rates.ts";
import type { NetworkRequest } from "./types.ts";
import type { Lan, Segment } from "./wired.ts";

const ETHERNET_MTU = 1500;
const ULA = 0xfdn << 120n;
const ULA_PREFIX = 64;
/** fe80::/64, which every interface has. */
const LINK_LOCAL = 0xfe80n << 112n;

/** What the segments work with. */
export interface SegmentsOptions {
  networks: Table<NetworkRecord>;
  pools: SubnetPools;
  rules: Ruleset;
  /** Options of new networks that do not have them, by driver. */
  defaults?: Record<string, Record<string, string>>;
  /** MTU of networks that name none; undefined: the way out's. */
  mtu?: number;
  /** The default bridge's subnet, when there is one. */
  defaultNet: () => { id: string; net: IpNet; link: string } | undefined;
  log: (line: string) => void;
}

/**
 * The bridges of the networks that persons made. A record comes before the link and the tables that it names, and goes after them: a kill
 * anywhere leaves a record whose network `openAll` makes whole. No link or table of ours is without a record.
 */
export class Segments {
  readonly #options: SegmentsOptions;
  readonly #open = new Map<string, Segment>();

  constructor(options: SegmentsOptions) {
    this.#options = options;
  }

  get(networkId: string): Segment | undefined {
    return this.#open.get(networkId);
  }

  all(): [string, Segment][] {
    return [...this.#open];
  }

  /** Makes all recorded networks. One that cannot be made is said, and its containers have to wait for the next start. */
  async openAll(): Promise<void> {
    this.#open.clear();
    for (const [, record] of this.#options.networks.entries()) {
      if (!record.own || record.own.configOnly) continue;
      try {
        await this.#make(record, record.own);
      } catch (error) {
        this.#options.log(`network: ${record.name}: ${messageOf(error)}`);
        // Its parent may come back: until then a start says what is missing.
        if (record.own.lower) this.#openLower(record, record.own, { index: 0, mtu: ETHERNET_MTU });
      }
    }
  }

  /** Throws in Docker's words, leaving nothing. */
  async create(asked: NetworkRequest): Promise<string> {
    const request = { ...asked, options: { ...this.#options.defaults?.[asked.driver], ...asked.options } };
    const { networks } = this.#options;
    const known = networks.entries().map(([, n]) => n);
    checkRequest(request, known);
    const id = newNetworkId();
    const defaultNet = this.#options.defaultNet();
    const others = known.flatMap((n) => (n.own?.lans ?? []).flatMap((lan) => netOf(n.name, lan.Subnet ?? "")));
    if (defaultNet) others.push(...netOf("bridge", formatNet(defaultNet.net)));
    others.push(...(await hostNets(4)), ...(request.ipv6 ? await hostNets(6) : []));
    const used = others.map(({ net }) => net);
    const choice = (family: 4 | 6, taken: IpNet[]): IpNet => choose(this.#options.pools, family, taken);
    const own = planNetwork(request, { id, known, used, others, choose: choice });
    if (own.lower) await checkParent(own, known);
    else if (!own.configOnly) await this.#checkLink(id, own, known);
    const driver = request.configOnly ? "null" : (own.lower?.driver ?? "bridge");
    const record: NetworkRecord = { id, name: request.name, driver, created: new Date().toISOString(), own };
    networks.put(record.name, record);
    if (own.configOnly) return id;
    try {
      await this.#make(record, own);
    } catch (error) {
      await this.#unmake(record).catch(() => undefined); // What went wrong first is what is told.
      networks.delete(record.name);
      throw error;
    }
    return id;
  }

  /** Makes the bridge of a running network again, which somebody has deleted or changed. */
  async mend(segment: Segment): Promise<void> {
    const [id] = [...this.#open].find(([, open]) => open === segment) ?? [];
    const own = this.#options.networks.entries().find(([, record]) => record.id === id)?.[1].own;
    if (own) segment.bridge.index = await ensureLink(own, { mtu: segment.bridge.mtu, lans: segment });
  }

  /** Removes a network that nobody is on. */
  async remove(record: NetworkRecord): Promise<void> {
    await this.#unmake(record);
    this.#options.networks.delete(record.name);
  }

  /** For shutdown: takes away the bridges that are not in use. The records stay. */
  async closeAll(inUse: (networkId: string) => boolean): Promise<void> {
    for (const [, record] of this.#options.networks.entries())
      if (this.#open.has(record.id) && !inUse(record.id)) await this.#unmake(record);
  }

  /** A bridge's name may be one network's only; a link of that name that is there already is used and left. */
  async #checkLink(id: string, own: OwnNetwork, known: NetworkRecord[]): Promise<void> {
    const defaultNet = this.#options.defaultNet();
    const all = known.map((n) => ({ id: n.id, link: n.own?.link })).concat(defaultNet ? [defaultNet] : []);
    const same = all.find((n) => n.link === own.link);
    if (same) {
      const words = `conflicts with network ${same.id} (${own.link}): networks have same bridge name`;
      throw new BerthError("forbidden", `cannot create network ${id} (${own.link}): ${words}`);
    }
    const [link] = await links(["dev", own.link]);
    if (!link) return;
    if (link.linkinfo?.info_kind !== "bridge")
      throw new BerthError("forbidden", `cannot create network ${id} (${own.link}): the device is not a bridge`);
    own.foreign = true;
  }

  async #make(record: NetworkRecord, own: OwnNetwork): Promise<void> {
    if (own.lower) return this.#openLower(record, own, await ensureParent(own));
    const choices = readOptions(own.options);
    const lans = lansOf(record.name, own);
    const mtu = choices.mtu || (this.#options.mtu ?? (await defaultMtu()));
    const index = await ensureLink(own, { mtu, lans });
    const { v4, v6 } = lans;
    const table = this.#options.rules.table({
      bridge: own.link,
      ...(v4 ? { subnet: netText(own, 4) } : {}),
      ...(v6 ? { subnet6: netText(own, 6) } : {}),
      internal: own.internal,
      icc: choices.icc,
      masquerade: choices.masquerade,
    });
    await table.load([]);
    this.#open.set(record.id, {
      bridge: { name: own.link, index, mtu },
      ...(v4 ? { v4 } : {}),
      ...(v6 ? { v6 } : {}),
      table,
      internal: own.internal,
      isolated: !choices.icc,
      hostIp: choices.hostIp,
      rates: choices.rates,
      pending: 0,
    });
  }

  #openLower(record: NetworkRecord, own: OwnNetwork, { index, mtu }: { index: number; mtu: number }): void {
    if (!own.lower) return;
    const mend = async (): Promise<void> => void (await ensureParent(own));
    this.#open.set(record.id, {
      bridge: { name: own.link, index, mtu },
      ...lansOf(record.name, own),
      table: NO_PORTS,
      lower: { ...own.lower, network: record.name, mend },
      ...{ internal: own.internal, isolated: false, hostIp: "", rates: readRates(own.options), pending: 0 },
    });
  }

  async #unmake(record: NetworkRecord): Promise<void> {
    const { own } = record;
    if (!own || own.configOnly) return;
    // From now on nobody comes to it.
    this.#open.delete(record.id);
    if (own.lower)
      return dropParent(
        own,
        this.#options.networks.entries().map(([, n]) => n),
      );
    await this.#options.rules.leave(own.link);
    const [link] = await links(["dev", own.link]);
    if (link && !own.foreign) await ipBatch([`link delete dev ${own.link}`]);
  }
}

/** Whether the parent interface is somebody's is written down before it is made. Throws in Docker's words. */
async function checkParent(own: OwnNetwork, known: NetworkRecord[]): Promise<void> {
  checkShared(own, known);
  const ours = known.some((n) => n.own?.link === own.link && n.own.foreign === false);
  own.foreign = !ours && (await links(["dev", own.link])).length > 0;
}

function netText(own: OwnNetwork, family: 4 | 6): string {
  return own.lans.find((lan) => parseNet(lan.Subnet ?? "")?.net.family === family)?.Subnet ?? "";
}

function lansOf(network: string, own: OwnNetwork): { v4?: Lan; v6?: Lan } {
  const lans: { v4?: Lan; v6?: Lan } = {};
  for (const { Subnet = "", Gateway: gateway = "", IPRange = "", AuxiliaryAddresses: extra = {} } of own.lans) {
    const net = parseNet(Subnet)?.net;
    if (!net) continue;
    const range = parseNet(IPRange)?.net;
    const taken = [gateway, ...Object.values(extra)];
    const addresses = new AddressPool({ net, network, taken, ...(range ? { range } : {}) });
    lans[net.family === 4 ? "v4" : "v6"] = { net, gateway, addresses };
  }
  return lans;
}

/** The bridge is up afterwards and has its gateways' addresses; forwarding is on. Answers its index. Repeatable. */
async function ensureLink(
  own: OwnNetwork,
  { mtu, lans }: { mtu: number; lans: { v4?: Lan; v6?: Lan } },
): Promise<number> {
  const { link: name } = own;
  const { v4, v6 } = lans;
  const [there] = await links(["dev", name]);
  if (there && there.linkinfo?.info_kind !== "bridge")
    throw new BerthError("unavailable", `device ${name} is not a bridge`, { hint: "rename or remove that device" });
  const mac = v4
    ? macOf(parseAddress(v4.gateway) ?? 0)
    : `02:${randomBytes(5).toString("hex").match(/../g)?.join(":")}`;
  await ipBatch([
    ...(there ? [] : [`link add name ${name} type bridge`]),
    ...(v6 || there ? [] : [`link set dev ${name} addrgenmode none`]),
    // A fixed MAC: a bridge would else change its own with every port that comes and goes, and containers lose their gateway.
    ...(there ? [] : [`link set dev ${name} address ${mac} mtu ${mtu}`]),
    ...(v4 ? [`address replace ${v4.gateway}/${v4.net.prefix} brd + dev ${name}`] : []),
    ...(v6 ? [`address replace ${v6.gateway}/${v6.net.prefix} nodad dev ${name}`] : []),
    `link set dev ${name} up`,
  ]);
  setSysctl("net/ipv4/ip_forward", "1");
  setSysctl(`net/ipv4/conf/${name}/route_localnet`, "1");
  if (v6) setSysctl("net/ipv6/conf/all/forwarding", "1");
  const [made] = await links(["dev", name]);
  if (!made) throw new BerthError("internal", `bridge ${name} vanished while it was being made`);
  return made.ifindex;
}

function netOf(network: string, subnet: string): TakenNet[] {
  const net = parseNet(subnet)?.net;
  return net ? [{ net, what: `network ${network} has ${subnet}` }] : [];
}

/** The subnets that the host is in, or has a way to. */
async function hostNets(family: 4 | 6): Promise<TakenNet[]> {
  return (await routes(family)).flatMap((route) => {
    const { dst, dev = "", gateway } = route;
    const net = family === 4 ? ipv4Of(route) : parseNet(dst)?.net;
    if (!net || net.base === LINK_LOCAL) return [];
    const what = gateway ? `the host has a route to ${dst} by ${gateway}` : `the host's interface ${dev} has ${dst}`;
    return [{ net, what, dev, routed: gateway !== undefined || dev === "" }];
  });
}

function ipv4Of(route: RouteInfo): IpNet | undefined {
  const subnet = subnetOfRoute(route);
  return subnet && parseNet(formatSubnet(subnet))?.net;
}

/** A network of the pools that nobody uses; of IPv6, where there are none, a unique local prefix (RFC 4193). Throws `unavailable`. */
function choose(pools: SubnetPools, family: 4 | 6, used: IpNet[]): IpNet {
  if (family === 6 && !pools.has(6)) {
    for (;;) {
      const base = ULA | (BigInt(`0x${randomBytes(5).toString("hex")}`) << 80n);
      const net: IpNet = { family, base, prefix: ULA_PREFIX };
      if (!used.some((u) => netsOverlap(u, net))) return net;
    }
  }
  return pools.choose(family, used);
}
