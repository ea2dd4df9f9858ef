import { randomInt } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { BerthError } from "../spec/errors.ts";
import { formatAddress, formatSubnet, macOf, overlap, parseBip, parseCidr, type Subnet } from "./cidr.ts";
import { addressesOf, ipBatch, type LinkInfo, links, type RouteInfo, routes } from "./ip.ts";
import { SubnetPools } from "./pools.ts";

/** What the records keep of the default bridge. `subnet` and `gateway` as `a.b.c.d/n` and `a.b.c.d`. */
export interface BridgeRecord {
  name: string;
  subnet: string;
  gateway: string;
  /** Made by us, and so removed by us. */
  owned: boolean;
}

/** The bridge as it is now. */
export interface BridgeState {
  name: string;
  index: number;
  mtu: number;
  subnet: Subnet;
  gateway: number;
  owned: boolean;
}

/** How the bridge is to be. */
export interface BridgeOptions {
  name: string;
  bip?: string;
  mtu?: number;
  pools?: SubnetPools;
  /** What an earlier daemon wrote. */
  record?: BridgeRecord;
  /** Containers are attached: their subnet stays, whatever `bip` says. */
  inUse: boolean;
  /** Called before the link is made, so that a kill in between does not leave an unowned bridge. */
  save: (record: BridgeRecord) => void;
}

const ETHERNET_MTU = 1500;
const CHOICES = 6;
/** Among so many free subnets one is chosen by chance after a clash. */
const STEPS_BACK = 30;
/** Routes wider than this cover half the internet (a VPN's way to write "default") and do not count as used. */
const WIDEST_PREFIX = 8;

/** Throws `invalid-argument` where a bridge could not have this name (or nftables could not quote it). */
export function checkBridgeName(name: string): void {
  if (/^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(name)) return;
  throw new BerthError("invalid-argument", `invalid bridge name "${name.slice(0, 40)}"`, {
    hint: "a letter first, then up to 14 letters, digits, '_', '.' and '-'",
  });
}

/** Makes the bridge or takes over an existing one; afterwards it is up, has its address, and IPv4 is forwarded. Repeatable. */
export async function ensureBridge(options: BridgeOptions): Promise<BridgeState> {
  const { name } = options;
  let { record } = options;
  for (let attempt = 0; ; attempt++) {
    const [link] = await links(["dev", name]);
    if (link && link.linkinfo?.info_kind !== "bridge") {
      throw new BerthError("invalid-argument", `device ${name} is not a bridge`, { hint: "choose another --bridge" });
    }
    const owned = link ? (record?.owned ?? false) : true;
    const foreign = link !== undefined && !owned;
    const plan = await planSubnet({ ...options, ...(record ? { record } : {}) }, { foreign, again: attempt > 0 });
    record = { name, subnet: formatSubnet(plan.subnet), gateway: formatAddress(plan.gateway), owned };
    options.save(record);
    const mtu = options.mtu ?? (link && !owned ? link.mtu : await defaultMtu());
    await configure({ link, name, mtu, owned, ...plan });
    // Another daemon that started at the same moment may have chosen the same subnet: both step back and look again.
    if (plan.chosen && attempt < CHOICES && (await clashing(plan.subnet, name))) {
      await ipBatch([`address flush dev ${name}`]);
      continue;
    }
    const [made] = await links(["dev", name]);
    if (!made) throw new BerthError("internal", `bridge ${name} vanished while it was being made`);
    setSysctl("net/ipv4/ip_forward", "1");
    setSysctl(`net/ipv4/conf/${name}/route_localnet`, "1");
    return { name, index: made.ifindex, mtu: made.mtu, subnet: plan.subnet, gateway: plan.gateway, owned };
  }
}

/** Removes the bridge where we made it. A missing one is fine. */
export async function removeBridge(bridge: BridgeState): Promise<void> {
  const [link] = await links(["dev", bridge.name]);
  if (bridge.owned && link) await ipBatch([`link delete dev ${bridge.name}`]);
}

/** The first subnet of the pools that no route of the host touches, or one of the next ones. Throws `unavailable`. */
export function chooseSubnet(
  used: RouteInfo[],
  { start = 0, pools = new SubnetPools() }: { start?: number; pools?: SubnetPools } = {},
): { subnet: Subnet; gateway: number } {
  const taken = used.flatMap((route) => subnetOfRoute(route) ?? []);
  const free: Subnet[] = [];
  for (const subnet of pools.free4(taken)) if (free.push(subnet) > start) break;
  const subnet = free[start % Math.max(1, free.length)];
  if (subnet) return { subnet, gateway: subnet.base + 1 };
  throw new BerthError("unavailable", "all predefined address pools have been fully subnetted", {
    hint: "give the daemon a subnet with --bip, or pools with --default-address-pool",
  });
}

interface Plan {
  subnet: Subnet;
  gateway: number;
  /** Chosen now, freely: another may be chosen instead. */
  chosen: boolean;
}

/** `again`: it had to step back. What it had is no choice then, since its rival, which stepped back as well, would come back to the same. */
async function planSubnet(options: BridgeOptions, now: { foreign: boolean; again: boolean }): Promise<Plan> {
  const { bip, record, name, inUse } = options;
  const recorded = record && { gateway: parseCidr(`${record.gateway}/32`).address, ...subnetIn(record.subnet) };
  if (recorded && inUse) return { ...recorded, chosen: false };
  if (bip !== undefined) return { ...parseBip(bip), chosen: false };
  const [existing] = now.foreign ? await addressesOf(name) : [];
  if (existing) return { ...parseBip(existing), chosen: false };
  if (recorded && !now.again && !(await clashing(recorded.subnet, name))) return { ...recorded, chosen: true };
  const others = (await routes()).filter((route) => route.dev !== name);
  const start = recorded ? randomInt(STEPS_BACK) : 0;
  return { ...chooseSubnet(others, { start, ...(options.pools ? { pools: options.pools } : {}) }), chosen: true };
}

async function configure(wanted: {
  link: LinkInfo | undefined;
  name: string;
  mtu: number;
  owned: boolean;
  subnet: Subnet;
  gateway: number;
}): Promise<void> {
  const { link, name, gateway, subnet } = wanted;
  const address = `${formatAddress(gateway)}/${subnet.prefix}`;
  const have = link ? await addressesOf(name) : [];
  const lines = link ? [] : [`link add name ${name} type bridge`, `link set dev ${name} addrgenmode none`];
  // A fixed MAC: a bridge would else change its own with every port that comes and goes, and containers lose their gateway.
  if (wanted.owned) lines.push(`link set dev ${name} address ${macOf(gateway)} mtu ${wanted.mtu}`);
  if (wanted.owned) lines.push(...have.filter((a) => a !== address).map((a) => `address delete ${a} dev ${name}`));
  if (!have.includes(address)) lines.push(`address add ${address} brd + dev ${name}`);
  lines.push(`link set dev ${name} up`);
  await ipBatch(lines);
}

/** The MTU of the way out: of the default route's interface, Ethernet's where there is none. */
export async function defaultMtu(): Promise<number> {
  const defaults = (await routes()).filter((route) => route.dst === "default" && route.dev);
  defaults.sort((a, b) => (a.metric ?? 0) - (b.metric ?? 0));
  const dev = defaults[0]?.dev;
  const [link] = dev ? await links(["dev", dev]) : [];
  return link?.mtu ?? ETHERNET_MTU;
}

async function clashing(subnet: Subnet, own: string): Promise<boolean> {
  return (await routes()).some((route) => {
    const used = route.dev === own ? undefined : subnetOfRoute(route);
    return used !== undefined && overlap(used, subnet);
  });
}

function subnetIn(cidr: string): { subnet: Subnet } {
  return { subnet: parseCidr(cidr).subnet };
}

/** What a route takes of the address space; undefined: nothing that counts. */
export function subnetOfRoute(route: RouteInfo): Subnet | undefined {
  if (!/^[0-9.]+(\/\d+)?$/.test(route.dst)) return undefined;
  const { subnet } = subnetIn(route.dst.includes("/") ? route.dst : `${route.dst}/32`);
  return subnet.prefix < WIDEST_PREFIX ? undefined : subnet;
}

/** Sets a kernel parameter of this namespace, unless it has that value. Throws `unavailable` where it may not be written. */
export function setSysctl(name: string, value: string): void {
  const path = `/proc/sys/${name}`;
  if (readFileSync(path, "latin1").trim() === value) return;
  try {
    writeFileSync(path, value);
  } catch (error) {
    throw new BerthError("unavailable", `cannot set ${name.replaceAll("/", ".")} to ${value}`, {
      hint: "run the daemon as root with a writable /proc/sys, or set it beforehand",
      cause: error,
    });
  }
}
