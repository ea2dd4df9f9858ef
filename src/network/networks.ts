import { randomBytes } from "node:crypto";
import type { Network, NetworkContainer } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import type { Table } from "../store/types.ts";
import type { BridgeRecord, BridgeState } from "./bridge.ts";
import { formatAddress, formatSubnet } from "./cidr.ts";
import type { Slot } from "./netns.ts";
import type { Attachment } from "./types.ts";

/** A network in the records, by name. The id is made once and stays. */
export interface NetworkRecord {
  id: string;
  name: string;
  driver: "bridge" | "host" | "null";
  /** RFC 3339. */
  created: string;
  bridge?: BridgeRecord;
}

/** An attachment in the records, by container id. `slot` is the namespace, absent in host mode. */
export interface EndpointRecord extends Attachment {
  name: string;
  slot?: Slot;
}

const BUILT_IN = [
  { name: "bridge", driver: "bridge" },
  { name: "host", driver: "host" },
  { name: "none", driver: "null" },
] as const;

/** Writes the records of the three networks that are always there, where they are missing. */
export function ensureNetworks(table: Table<NetworkRecord>): void {
  for (const network of BUILT_IN) {
    if (table.get(network.name)) continue;
    table.put(network.name, { ...network, id: randomBytes(32).toString("hex"), created: new Date().toISOString() });
  }
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

/** Docker answers null where its own type, in our description of the API, has an absent field. */
interface NullableIpam {
  Driver: string;
  Options: Record<string, string> | null;
  Config: { Subnet: string; Gateway: string }[] | null;
}

/** A network as the Engine API shows it (1.51, definitions/Network). */
export function viewNetwork(record: NetworkRecord, endpoints: EndpointRecord[], bridge?: BridgeState): Network {
  const wired = record.driver === "bridge" ? bridge : undefined;
  const ipam: NullableIpam = {
    Driver: "default",
    Options: null,
    Config: wired ? [{ Subnet: formatSubnet(wired.subnet), Gateway: formatAddress(wired.gateway) }] : null,
  };
  return {
    Name: record.name,
    Id: record.id,
    Created: record.created,
    Scope: "local",
    Driver: record.driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: ipam as NonNullable<Network["IPAM"]>,
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: Object.fromEntries(
      endpoints.filter((e) => e.networkId === record.id).map((e) => [e.containerId, viewEndpoint(e)]),
    ),
    Options: wired ? bridgeOptions(wired) : {},
    Labels: {},
  };
}

function viewEndpoint(endpoint: EndpointRecord): NetworkContainer {
  return {
    Name: endpoint.name,
    EndpointID: endpoint.endpointId,
    MacAddress: endpoint.mac,
    IPv4Address: endpoint.ip === "" ? "" : `${endpoint.ip}/${endpoint.prefix}`,
    IPv6Address: "",
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
