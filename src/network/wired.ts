import { formatNet, type IpNet, parseNet } from "../spec/ipnet.ts";
import { AddressPool } from "./addresses.ts";
import type { BridgeState } from "./bridge.ts";
import { formatAddress, formatSubnet, macOf, parseAddress } from "./cidr.ts";
import { type Hop, makeSlot, type Slot, type Wire } from "./netns.ts";
import type { PortTable, Ruleset } from "./nft.ts";
import type { Lower } from "./parent.ts";
import { Pool } from "./pool.ts";
import type { Rates } from "./rates.ts";

/** One family's part of a bridge: its subnet, the gateway's address on it, and who has the others. */
export interface Lan {
  net: IpNet;
  gateway: string;
  addresses: AddressPool;
}

/** A bridge that containers are on, with all that belongs to it. */
export interface Segment {
  /** The bridge's link. */
  bridge: { name: string; index: number; mtu: number };
  v4?: Lan;
  v6?: Lan;
  table: PortTable;
  /** There is no bridge: interfaces lie on `bridge`, which is the parent interface. `mend` makes one of ours again. */
  lower?: Lower & { network: string; mend: () => Promise<void> };
  internal: boolean;
  /** Ports of the bridge do not talk to each other. */
  isolated: boolean;
  /** The address of published ports that name none; "": all that the container can be reached by. */
  hostIp: string;
  /** Of each of its endpoints that says nothing else. */
  rates?: Rates;
  /** Attachments that are being made; a network that has some is in use. */
  pending: number;
}

/** A namespace with eth0 on the bridge, its address already taken. */
export interface WiredSlot extends Slot {
  address: string;
}

/** All that belongs to the running default bridge. */
export interface Wired extends Segment {
  bridge: BridgeState;
  v4: Lan;
  pool: Pool<WiredSlot>;
}

/** Builds the parts around the default bridge; touches nothing yet. `dir` is where the namespaces' files are. */
export function openWired(
  bridge: BridgeState,
  options: { dir: string; size: number; rules: Ruleset; log: (line: string) => void },
): Wired {
  const gateway = formatAddress(bridge.gateway);
  const subnet = formatSubnet(bridge.subnet);
  const net = parseNet(subnet)?.net ?? { family: 4, base: BigInt(bridge.subnet.base), prefix: bridge.subnet.prefix };
  const addresses = new AddressPool({ net, network: "bridge", taken: [gateway] });
  const segment: Segment = {
    bridge,
    v4: { net, gateway, addresses },
    table: options.rules.table({ bridge: bridge.name, subnet }),
    internal: false,
    isolated: false,
    hostIp: "",
    pending: 0,
  };
  const make = async (): Promise<WiredSlot> => {
    const address = addresses.take();
    try {
      const slot = await makeSlot(options.dir, (link) => [
        wireOf(segment, { link, dev: "eth0", ip: address, mac: macFor(address), routed: true }),
      ]);
      return { ...slot, address };
    } catch (error) {
      addresses.release(address);
      throw error;
    }
  };
  const pool = new Pool({ size: options.size, make, log: options.log });
  return { ...segment, bridge, v4: { net, gateway, addresses }, pool };
}

/** How full a network's subnets are, as the Engine API shows it from 1.52 on (definitions/NetworkStatus). */
export function usageOf(segment: Segment | undefined): { Status?: object } {
  const lans = [segment?.v4, segment?.v6].filter((lan) => lan !== undefined);
  if (lans.length === 0) return {};
  const subnets = lans.map(({ net, addresses }) => {
    const { inUse, available } = addresses.usage();
    return [formatNet(net), { IPsInUse: inUse, DynamicIPsAvailable: available }];
  });
  return { Status: { IPAM: { Subnets: Object.fromEntries(subnets) } } };
}

/** Docker's classic MAC address, made from the IPv4 address. */
export function macFor(ip: string): string {
  return macOf(parseAddress(ip) ?? 0);
}

/** What an interface of a container is to have. `routed`: the default route goes this way. */
export function wireOf(
  segment: Segment,
  own: {
    link: string;
    dev: string;
    mac: string;
    ip: string;
    ip6?: string | undefined;
    linkLocal?: string[] | undefined;
    routed: boolean;
  },
): Wire {
  const { bridge, v4, v6, isolated } = segment;
  const addresses = [
    ...(own.ip && v4 ? [`${own.ip}/${v4.net.prefix}`] : []),
    ...(own.ip6 && v6 ? [`${own.ip6}/${v6.net.prefix}`] : []),
    ...(own.linkLocal ?? []).map((a) => (a.includes(":") ? `${a}/64` : `${a}/16`)),
  ];
  const ways: Hop[] =
    own.routed && !segment.internal
      ? [...(v4 ? [hopTo(segment, v4)] : []), ...(own.ip6 && v6 ? [hopTo(segment, v6)] : [])]
      : [];
  const { lower } = segment;
  const { link, dev, mac } = own;
  return {
    ...{ link, dev, mac, isolated, addresses },
    bridgeIndex: bridge.index,
    mtu: bridge.mtu,
    ipv6: v6 !== undefined || addresses.some((a) => a.includes(":")),
    ways,
    ...(lower ? { on: { parent: bridge.name, type: `${lower.driver} mode ${lower.mode} ${lower.flag ?? ""}` } } : {}),
  };
}

/** The way out through a network: its gateway, or, where the kernel routes on the parent interface, just that. */
export function hopTo({ lower }: Segment, { net, gateway }: Lan): Hop {
  return { family: net.family, ...(lower?.mode.startsWith("l3") ? {} : { via: gateway }) };
}
