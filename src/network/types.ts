import type { Network, PortMap } from "../spec/engine-api.ts";
import type { InterfaceSysctl } from "./interface-sysctls.ts";
import type { Rates } from "./rates.ts";

/** What is wanted of one endpoint. What is left out is chosen by the network. */
export interface EndpointWish {
  /** `default`, `bridge`, `none`, `host` or a network's name or id. `container:` modes never reach the network. */
  mode: string;
  mac?: string;
  ip?: string;
  ip6?: string;
  /** Further addresses of the interface, link-local ones mostly. */
  linkLocal?: string[];
  /** The interface's name in the container. Default: the first free `eth<n>`. */
  dev?: string;
  /** The network with the highest number has the default route and the published ports. Default 0. */
  gwPriority?: number;
  /** Options of the endpoint: limits of its rate (rates.ts), kernel parameters (interface-sysctls.ts). */
  options?: Record<string, string>;
  /** What the container is called on a user-defined network; the first is what a reverse look-up answers. */
  names?: string[];
  /** Names that only this container sees, and the name of the container that each stands for. */
  links?: Record<string, string>;
}

/** What the engine asks for when a container starts. */
export interface AttachRequest extends EndpointWish {
  containerId: string;
  /** Container name without slash. */
  name: string;
  hostname: string;
  /** Keys `80/tcp`; HostPort "" or "0": any free port; ranges `8000-8010`; HostIp "": all addresses. */
  ports: PortMap;
  /** Networks besides `mode`'s, in the order of their interfaces. */
  more?: EndpointWish[];
  /** The servers that are asked for names of the outside. Empty or absent: the host's. */
  dns?: string[];
}

/** A container on one network. */
export interface Endpoint {
  network: string;
  networkId: string;
  endpointId: string;
  /** Empty strings for none and host, and on a network without IPv4. */
  ip: string;
  prefix: number;
  gateway: string;
  mac: string;
  ip6?: { ip: string; prefix: number; gateway: string };
  /** The host's end of the veth pair. Absent where it is the namespace's own, `bth<id>`. */
  link?: string;
  /** Absent: `eth0`. */
  dev?: string;
  linkLocal?: string[];
  gwPriority?: number;
  /** Bits per second. */
  rates?: Rates;
  sysctls?: InterfaceSysctl[];
  names?: string[];
  links?: Record<string, string>;
}

/**
 * A container's place: its first endpoint, and those that follow. Written to the records, so a restarted daemon finds it again. Without
 * any network (the last one was taken away while it ran) `network` is "".
 */
export interface Attachment extends Endpoint {
  containerId: string;
  /** Path to join; undefined for host mode. */
  netns?: string;
  /** The ports as they were really bound: every HostPort is a number. */
  ports: PortMap;
  more?: Endpoint[];
  /** Id of the network whose endpoint has the ports; absent: the first endpoint's. "": none can have them now. */
  portsOn?: string;
  dns?: string[];
}

/** What a person gives for a new network; checked by `create`. */
export interface NetworkRequest {
  name: string;
  driver: string;
  internal: boolean;
  attachable: boolean;
  ingress: boolean;
  scope: string;
  configOnly: boolean;
  /** Name of the network whose configuration is taken; "": none. */
  configFrom: string;
  ipv4: boolean;
  ipv6: boolean;
  /** `options` null: the request says nothing of them. */
  ipam: { driver: string; options: Record<string, string> | null; config: IpamConfig[] };
  options: Record<string, string>;
  labels: Record<string, string>;
}

/** One subnet, in the API's words. */
export interface IpamConfig {
  Subnet?: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses?: Record<string, string>;
}

/** Networks and their attachments. Every change is one nft transaction; a kill anywhere is mended by `start`. */
export interface NetworkService {
  /** Makes the bridge, the table and the pool; keeps the attachments of `live` containers and removes all others. Repeatable. */
  start(live: Set<string>): Promise<void>;
  /** Takes a ready namespace from the pool (or makes one) and publishes the ports. Throws `conflict`-like errors with Docker's words for taken ports, leaving nothing behind. */
  attach(request: AttachRequest): Promise<Attachment>;
  /** Takes away ports, address, namespace and record. Repeatable; answers when the ports are free, removes the namespace after. */
  detach(containerId: string): Promise<void>;
  get(containerId: string): Attachment | undefined;
  /** Puts an attached container on one more network while it runs. Throws in Docker's words, leaving it as it was. */
  connect(containerId: string, wish: EndpointWish): Promise<Endpoint>;
  /** Takes an attached container off a network, by the network's name. Answers false where it was not on it. */
  disconnect(containerId: string, network: string): Promise<boolean>;
  /** A container has another name: its names on each network, by the network's name. */
  rename(containerId: string, name: string, names: Record<string, string[]>): void;
  /** Makes a network: a record first, then what it names; answers its id. Throws in Docker's words. */
  create(request: NetworkRequest): Promise<string>;
  /** Removes a network that nobody is on: the record goes last. Throws `not-found`, and `forbidden` in Docker's words. */
  remove(name: string): Promise<Network>;
  /** How names of containers are resolved from the host, and how its resolver is told, for people; "": not at all. */
  readonly hostNames: { readonly text: string };
  /** True where a container needs this daemon: one whose names it answers. */
  serving(): boolean;
  /** What stands in the way of networks, as a person is to know it. */
  warnings(): string[];
  list(): Network[];
  /** By name, id or unique prefix; with `Containers` filled in. Throws `not-found`. */
  inspect(name: string): Network;
  /** Checks that a mode names something that exists, at create time. Throws `not-found`. */
  check(mode: string): void;
  /** The own name of the network that a mode means. Throws `not-found`. */
  nameOf(mode: string): string;
  /** What a wish asks for that its network cannot give, each in Docker's words; a network that does not exist refuses nothing. */
  objections(wish: EndpointWish): string[];
  /** nameservers, search domains and options for a container's resolv.conf. */
  resolvConf(modes: string | string[], overrides: { dns: string[]; search: string[]; options: string[] }): string;
  /** Removes bridge, table, pool and forwarding rules where no container is attached; else leaves all. For shutdown. */
  stop(): Promise<void>;
}
