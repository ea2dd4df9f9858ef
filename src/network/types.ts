import type { Network, PortMap } from "../spec/engine-api.ts";

/** What the engine asks for when a container starts. */
export interface AttachRequest {
  containerId: string;
  /** Container name without slash. */
  name: string;
  hostname: string;
  /** `default`, `bridge`, `none`, `host` or a network's name or id. `container:` modes never reach the network. */
  mode: string;
  /** Keys `80/tcp`; HostPort "" or "0": any free port; ranges `8000-8010`; HostIp "": all addresses. */
  ports: PortMap;
  /** Wanted MAC address, if any. */
  mac?: string;
}

/** A container's place on a network. Written to the records, so a restarted daemon finds it again. */
export interface Attachment {
  containerId: string;
  /** Path to join; undefined for host mode. */
  netns?: string;
  network: string;
  networkId: string;
  endpointId: string;
  /** Empty strings for none and host. */
  ip: string;
  prefix: number;
  gateway: string;
  mac: string;
  /** The ports as they were really bound: every HostPort is a number. */
  ports: PortMap;
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
  list(): Network[];
  /** By name, id or unique prefix; with `Containers` filled in. Throws `not-found`. */
  inspect(name: string): Network;
  /** Checks that a mode names something that exists, at create time. Throws `not-found`. */
  check(mode: string): void;
  /** nameservers, search domains and options for a container's resolv.conf. */
  resolvConf(mode: string, overrides: { dns: string[]; search: string[]; options: string[] }): string;
  /** Removes bridge, table, pool and forwarding rules where no container is attached; else leaves all. For shutdown. */
  stop(): Promise<void>;
}
