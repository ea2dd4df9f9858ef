import { randomBytes } from "node:crypto";
import type { Network, NetworkContainer, PortMap } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import type { Table } from "../store/types.ts";
import type { BridgeRecord, BridgeState } from "./bridge.ts";
import { formatAddress, formatSubnet } from "./cidr.ts";
import type { Slot } from "./netns.ts";
import type { Lower } from "./parent.ts";
import type { Attachment, Endpoint, IpamConfig } from "./types.ts";

/** A network in the records, by name. The id is made once and stays. */
export interface NetworkRecord {
  id: string;
  name: string;
  driver: "bridge" | "host" | "null" | Lower["driver"];
  /** RFC 3339. */
  created: string;
  /** The default bridge's. */
  bridge?: BridgeRecord;
  /** A network that a person made. */
  own?: OwnNetwork;
}

/** What a person's network is like; decided when it is made. */
export interface OwnNetwork {
  ipv4: boolean;
  ipv6: boolean;
  ipam: { driver: string; options: Record<string, string> | null; config: IpamConfig[] };
  /** The subnets of the families that it has, each with its gateway. `ipam` is what a person sees: a gateway that they did not give is not shown there, as with Docker. */
  lans: IpamConfig[];
  /** Addresses may be asked for: the person gave the subnets. */
  chosen: boolean;
  internal: boolean;
  attachable: boolean;
  ingress: boolean;
  configOnly: boolean;
  configFrom: string;
  options: Record<string, string>;
  labels: Record<string, string>;
  /** The bridge's link, or the parent interface. */
  link: string;
  /** The link was there before the network: it is left in place. False: a parent interface that we made. */
  foreign?: boolean;
  /** Its containers' interfaces lie on one of the host's: there is no bridge. */
  lower?: Lower;
}

/** An attachment in the records, by container id. `slot` is the namespace, absent in host mode. */
export interface EndpointRecord extends Attachment {
  name: string;
  slot?: Slot;
  /** The ports as they were asked for. Absent: none. */
  wanted?: PortMap;
}

const BUILT_IN = [
  { name: "bridge", driver: "bridge" },
  { name: "host", driver: "host" },
  { name: "none", driver: "null" },
] as const;

/** True for the names of the networks that are always there. */
export function isBuiltIn(name: string): boolean {
  return BUILT_IN.some((n) => n.name === name);
}

/** Writes the records of the three networks that are always there, where they are missing. */
export function ensureNetworks(table: Table<NetworkRecord>): void {
  for (const network of BUILT_IN) {
    if (table.get(network.name)) continue;
    table.put(network.name, { ...network, id: newNetworkId(), created: new Date().toISOString() });
  }
}

/** 64 hex digits. */
export function newNetworkId(): string {
  return randomBytes(32).toString("hex");
}

/** By id, then by name, then by a prefix of the id that fits one only. Throws `not-found`, or `invalid-argument` for an ambiguous prefix. */
export function findNetwork(networks: NetworkRecord[], wanted: string): NetworkRecord {
  const exact = networks.find((n) => n.id === wanted) ?? networks.find((n) => n.name === wanted);
  if (exact) return exact;
  const [first, ...more] = wanted === "" ? [] : networks.filter((n) => n.id.startsWith(wanted));
  if (!first) throw new BerthError("not-found", `network ${wanted} not found`);
  if (more.length === 0) return first;
  const count = more.length + 1;
  throw new BerthError(
    "invalid-argument",
    `network ${wanted} is ambiguous (${count} matches found based on ID prefix)`,
  );
}

/** All endpoints of a container, in the order of their interfaces. */
export function endpointsOf(attachment: Attachment): Endpoint[] {
  return [...(attachment.network === "" ? [] : [attachment]), ...(attachment.more ?? [])];
}

/** Docker answers null where its own type, in our description of the API, has an absent field. */
interface NullableIpam {
  Driver: string;
  Options: Record<string, string> | null;
  Config: IpamConfig[] | null;
}

/** A network as the Engine API shows it (1.51, definitions/Network). `bridge` is the default bridge. */
export function viewNetwork(record: NetworkRecord, attachments: EndpointRecord[], bridge?: BridgeState): Network {
  const { own } = record;
  const wired = record.driver === "bridge" && !own ? bridge : undefined;
  const ipam: NullableIpam = {
    Driver: own?.ipam.driver ?? "default",
    Options: own?.ipam.options ?? null,
    Config: wired
      ? [{ Subnet: formatSubnet(wired.subnet), Gateway: formatAddress(wired.gateway) }]
      : (own?.ipam.config ?? null),
  };
  return {
    Name: record.name,
    Id: record.id,
    Created: record.created,
    Scope: "local",
    Driver: record.driver,
    EnableIPv4: own?.ipv4 ?? true,
    EnableIPv6: own?.ipv6 ?? false,
    IPAM: ipam as NonNullable<Network["IPAM"]>,
    Internal: own?.internal ?? false,
    Attachable: own?.attachable ?? false,
    Ingress: own?.ingress ?? false,
    ConfigFrom: { Network: own?.configFrom ?? "" },
    ConfigOnly: own?.configOnly ?? false,
    Containers: Object.fromEntries(attachments.flatMap((a) => viewOn(record, a))),
    Options: wired ? bridgeOptions(wired) : (own?.options ?? {}),
    Labels: own?.labels ?? {},
  };
}

function viewOn(record: NetworkRecord, attachment: EndpointRecord): [string, NetworkContainer][] {
  const endpoint = endpointsOf(attachment).find((e) => e.networkId === record.id);
  return endpoint ? [[attachment.containerId, viewEndpoint(attachment.name, endpoint)]] : [];
}

function viewEndpoint(name: string, endpoint: Endpoint): NetworkContainer {
  const { ip, prefix, ip6 } = endpoint;
  return {
    Name: name,
    EndpointID: endpoint.endpointId,
    MacAddress: endpoint.mac,
    IPv4Address: ip === "" ? "" : `${ip}/${prefix}`,
    IPv6Address: ip6 ? `${ip6.ip}/${ip6.prefix}` : "",
  };
}

function bridgeOptions(bridge: BridgeState): Record<string, string> {
  return {
    "com.docker.network.bridge.default_bridge": "true",
    "com.docker.network.bridge.enable_icc": "true",
    "com.docker.network.bridge.enable_ip_masquerade": "true",
    "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
    "com.docker.network.bridge.name": bridge.name,
    "com.docker.network.driver.mtu": String(bridge.mtu),
  };
}
