import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Network, PortMap } from "../spec/engine-api.ts";
import { BerthError, messageOf } from "../spec/errors.ts";
import type { Records, Table } from "../store/types.ts";
import { checkBridgeName, ensureBridge, removeBridge } from "./bridge.ts";
import { formatAddress, macOf, parseAddress, parseBip } from "./cidr.ts";
import { makeSlot, type Slot, setMac } from "./netns.ts";
import { type EndpointRecord, ensureNetworks, findNetwork, type NetworkRecord, viewNetwork } from "./networks.ts";
import { Pool } from "./pool.ts";
import { boundPorts, PortLedger, parsePorts, publishedOf, type WantedPort } from "./ports.ts";
import { recover } from "./recover.ts";
import { containerResolvConf, hostResolvConf, type ResolvOverrides } from "./resolv.ts";
import { Sweeper } from "./sweeper.ts";
import type { Attachment, AttachRequest, NetworkService } from "./types.ts";
import { openWired, type Wired, type WiredSlot } from "./wired.ts";

/** How to open the network service. */
export interface NetworkOptions {
  records: Records;
  /** Volatile folder of this daemon alone; namespaces are kept in `netns/` below it. */
  execRoot: string;
  /** The default bridge's name; `none`: no default bridge, and `default` means `none`. */
  bridge: string;
  /** Address and prefix length of the bridge. Default: a free subnet, the same again after a restart. */
  bip?: string;
  /** Default: that of the default route's interface. */
  mtu?: number;
  /** Namespaces kept ready of each kind. Default 4; 0 makes all to order. */
  poolSize?: number;
  log: (line: string) => void;
}

/** The network service with what tests and shutdown need besides. */
export interface IdleNetworkService extends NetworkService {
  /** Resolves when the pools are full and nothing is being made or removed in the background. */
  idle(): Promise<void>;
}

const POOL_SIZE = 4;
const NO_BRIDGE = "none";
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** Opens the service; nothing is touched before `start`. Throws `invalid-argument` for a bad `bridge` or `bip`. */
export function openNetworkService(options: NetworkOptions): IdleNetworkService {
  checkBridgeName(options.bridge);
  if (options.bip !== undefined) parseBip(options.bip);
  return new Service(options);
}

/**
 * One attachment's life: a slot from the pool → ports claimed → the record → nft's map → handed out. `detach` goes the other way. The
 * record is there before nft knows and goes after it has forgotten, so that whatever a kill leaves has a record or
 * is below `netns/`, and `start` finds it.
 */
class Service implements IdleNetworkService {
  readonly #options: NetworkOptions;
  readonly #endpoints: Table<EndpointRecord>;
  readonly #networks: Table<NetworkRecord>;
  readonly #ledger = new PortLedger();
  readonly #sweeper: Sweeper;
  readonly #dir: string;
  #bare: Pool<Slot>;
  #wired: Wired | undefined;

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#endpoints = options.records.table<EndpointRecord>("endpoints");
    this.#networks = options.records.table<NetworkRecord>("networks");
    this.#sweeper = new Sweeper(options.log);
    this.#dir = join(options.execRoot, "netns");
    this.#bare = this.#openBare();
  }

  async start(live: Set<string>): Promise<void> {
    await this.#retire();
    ensureNetworks(this.#networks);
    this.#ledger.clear();
    this.#bare = this.#openBare();
    if (this.#options.bridge !== NO_BRIDGE) this.#wired = await this.#openBridge(live);
    const { log } = this.#options;
    const [endpoints, ledger] = [this.#endpoints, this.#ledger];
    await recover({ endpoints, live, dir: this.#dir, wired: this.#wired, ledger, log });
    this.#wired?.pool.fill();
  }

  async attach(request: AttachRequest): Promise<Attachment> {
    const network = this.#resolve(request.mode);
    if (this.#endpoints.get(request.containerId)) {
      throw new BerthError("conflict", `endpoint with name ${request.name} already exists in network ${network.name}`);
    }
    if (network.driver === "bridge") return this.#attachBridge(request, network);
    const slot = network.driver === "null" ? await this.#bare.take() : undefined;
    return this.#record({ ...this.#blank(request, network), ...(slot ? { slot, netns: slot.path } : {}) });
  }

  async detach(containerId: string): Promise<void> {
    const endpoint = this.#endpoints.get(containerId);
    if (!endpoint) return;
    await this.#wired?.table.unpublish(containerId);
    this.#forget(containerId);
    this.#ledger.release(containerId);
    const { slot, ip } = endpoint;
    if (!slot) return;
    this.#sweeper.add(slot, () => this.#wired?.addresses.release(parseAddress(ip) ?? 0));
    (slot.link ? this.#wired?.pool : this.#bare)?.topUp();
  }

  get(containerId: string): Attachment | undefined {
    return this.#endpoints.get(containerId);
  }

  list(): Network[] {
    const endpoints = this.#all();
    return this.#known().map((network) => viewNetwork(network, endpoints, this.#wired?.bridge));
  }

  inspect(name: string): Network {
    return viewNetwork(findNetwork(this.#known(), name), this.#all(), this.#wired?.bridge);
  }

  check(mode: string): void {
    this.#resolve(mode);
  }

  resolvConf(mode: string, overrides: ResolvOverrides): string {
    return containerResolvConf(hostResolvConf(), { isolated: this.#resolve(mode).driver !== "host", overrides });
  }

  async stop(): Promise<void> {
    const wired = this.#wired;
    await this.#retire();
    this.#ledger.clear();
    if (!wired || this.#all().some((endpoint) => endpoint.slot?.link)) return;
    await wired.table.drop();
    await removeBridge(wired.bridge);
    this.#wired = undefined;
  }

  async idle(): Promise<void> {
    await this.#wired?.pool.idle();
    await this.#bare.idle();
    await this.#sweeper.idle();
  }

  async #attachBridge(request: AttachRequest, network: NetworkRecord): Promise<Attachment> {
    const wired = this.#wired;
    if (!wired) throw new BerthError("unavailable", "the network service is not running");
    const wanted = parsePorts(request.ports);
    if (request.mac !== undefined && !MAC.test(request.mac)) {
      throw new BerthError("invalid-argument", `invalid MAC address: ${request.mac}`);
    }
    const slot = await wired.pool.take();
    const blank = this.#blank(request, network);
    try {
      const ports = await this.#claim(request, { wanted, slot, endpointId: blank.endpointId });
      const mac = request.mac?.toLowerCase() ?? macOf(slot.address);
      if (request.mac !== undefined) await setMac(slot, mac);
      const { subnet, gateway } = wired.bridge;
      const place = { ip: formatAddress(slot.address), prefix: subnet.prefix, gateway: formatAddress(gateway), mac };
      const endpoint = this.#record({ ...blank, ...place, ports, slot, netns: slot.path });
      await wired.table.publish(request.containerId, publishedOf(ports, endpoint.ip));
      return endpoint;
    } catch (error) {
      this.#abandon(wired, request, slot);
      throw error;
    }
  }

  /** Undoes an attach that failed. The namespace goes back to the pool unless its MAC address was touched. */
  #abandon(wired: Wired, request: AttachRequest, slot: WiredSlot): void {
    this.#ledger.release(request.containerId);
    this.#forget(request.containerId);
    if (request.mac === undefined) wired.pool.put(slot);
    else this.#sweeper.add(slot, () => wired.addresses.release(slot.address));
  }

  async #claim(
    request: AttachRequest,
    { wanted, slot, endpointId }: { wanted: WantedPort[]; slot: WiredSlot; endpointId: string },
  ): Promise<PortMap> {
    try {
      const bound = await this.#ledger.claim(request.containerId, wanted, formatAddress(slot.address));
      return boundPorts(request.ports, bound);
    } catch (error) {
      const what = `driver failed programming external connectivity on endpoint ${request.name} (${endpointId})`;
      throw new BerthError("internal", `${what}: ${messageOf(error)}`, { cause: error });
    }
  }

  #blank(request: AttachRequest, network: NetworkRecord): EndpointRecord {
    const { containerId, name } = request;
    const endpointId = randomBytes(32).toString("hex");
    const place = { ip: "", prefix: 0, gateway: "", mac: "", ports: {} };
    return { containerId, name, network: network.name, networkId: network.id, endpointId, ...place };
  }

  /** Endpoints end with the host, so that they need not be on the disk: `recover` drops those of containers that do not live. */
  #record(endpoint: EndpointRecord): EndpointRecord {
    this.#options.records.unsynced(() => this.#endpoints.put(endpoint.containerId, endpoint));
    return endpoint;
  }

  #forget(containerId: string): void {
    this.#options.records.unsynced(() => this.#endpoints.delete(containerId));
  }

  #all(): EndpointRecord[] {
    return this.#endpoints.entries().map(([, endpoint]) => endpoint);
  }

  /** The networks that this daemon offers: without a bridge, only host and none. */
  #known(): NetworkRecord[] {
    ensureNetworks(this.#networks);
    const all = ["bridge", "host", "none"].flatMap((name) => this.#networks.get(name) ?? []);
    return all.filter((n) => n.driver !== "bridge" || this.#options.bridge !== NO_BRIDGE);
  }

  #resolve(mode: string): NetworkRecord {
    const isDefault = mode === "default" || mode === "";
    const name = this.#options.bridge === NO_BRIDGE ? "none" : "bridge";
    return findNetwork(this.#known(), isDefault ? name : mode);
  }

  async #openBridge(live: Set<string>): Promise<Wired> {
    const { bridge: name, bip, mtu, log, poolSize: size = POOL_SIZE } = this.#options;
    const network = this.#networks.get("bridge");
    const record = network?.bridge?.name === name ? network.bridge : undefined;
    const bridge = await ensureBridge({
      name,
      ...(bip === undefined ? {} : { bip }),
      ...(mtu === undefined ? {} : { mtu }),
      ...(record ? { record } : {}),
      inUse: this.#all().some((e) => e.slot?.link !== undefined && live.has(e.containerId)),
      save: (made) => {
        if (network) this.#networks.put("bridge", { ...network, bridge: made });
      },
    });
    if (bip !== undefined && parseBip(bip).gateway !== bridge.gateway) {
      log(
        `network: ${name} keeps ${formatAddress(bridge.gateway)} while containers use it; restart without them for ${bip}`,
      );
    }
    return openWired(bridge, { dir: this.#dir, size, log });
  }

  #openBare(): Pool<Slot> {
    const { log, poolSize: size = POOL_SIZE } = this.#options;
    return new Pool({ size, make: () => makeSlot(this.#dir), log });
  }

  /** Empties the pools and finishes all removals; attachments stay as they are. */
  async #retire(): Promise<void> {
    for (const slot of (await this.#wired?.pool.drain()) ?? []) {
      this.#sweeper.add(slot, () => this.#wired?.addresses.release(slot.address));
    }
    for (const slot of await this.#bare.drain()) this.#sweeper.add(slot);
    await this.#sweeper.idle();
  }
}
