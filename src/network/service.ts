import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Network, PortMap } from "../spec/engine-api.ts";
import { BerthError, messageOf } from "../spec/errors.ts";
import type { Records, Table } from "../store/types.ts";
import { checkBridgeName, ensureBridge, removeBridge } from "./bridge.ts";
import { formatAddress, parseBip } from "./cidr.ts";
import { Connections } from "./connections.ts";
import { NameIndex } from "./names/index.ts";
import { NameServer } from "./names/server.ts";
import { makeSlot, type Slot, setMac } from "./netns.ts";
import {
  type EndpointRecord,
  endpointsOf,
  ensureNetworks,
  findNetwork,
  isBuiltIn,
  type NetworkRecord,
  viewNetwork,
} from "./networks.ts";
import { checkMac, objectionsTo, releaseAddresses, waysOf } from "./place.ts";
import { Pool } from "./pool.ts";
import { boundPorts, PortLedger, parsePorts, publishedOf, type WantedPort } from "./ports.ts";
import { recover } from "./recover.ts";
import {
  containerResolvConf,
  hostResolvConf,
  namesResolvConf,
  type ResolvOverrides,
  upstreamServers,
} from "./resolv.ts";
import { Segments } from "./segments.ts";
import { Sweeper } from "./sweeper.ts";
import type { Attachment, AttachRequest, Endpoint, EndpointWish, NetworkRequest, NetworkService } from "./types.ts";
import { macFor, openWired, type Segment, type Wired, type WiredSlot } from "./wired.ts";

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

/** Opens the service; nothing is touched before `start`. Throws `invalid-argument` for a bad `bridge` or `bip`. */
export function openNetworkService(options: NetworkOptions): IdleNetworkService {
  checkBridgeName(options.bridge);
  if (options.bip !== undefined) parseBip(options.bip);
  return new Service(options);
}

/**
 * One attachment's life: a slot from the pool → ports claimed → the record → nft's map → handed out. `detach` goes the other way. The
 * record is there before nft knows and goes after it has forgotten, so that whatever a kill leaves has a record or
 * is below `netns/`, and `start` finds it. What is not on the default bridge alone is made by `Connections`.
 */
class Service implements IdleNetworkService {
  readonly #options: NetworkOptions;
  readonly #endpoints: Table<EndpointRecord>;
  readonly #networks: Table<NetworkRecord>;
  readonly #ledger = new PortLedger();
  readonly #sweeper: Sweeper;
  readonly #dir: string;
  readonly #index = new NameIndex(() => this.#all());
  readonly #names: NameServer;
  readonly #segments: Segments;
  readonly #connections: Connections;
  #changes: Promise<unknown> = Promise.resolve();
  #bare: Pool<Slot>;
  #wired: Wired | undefined;

  constructor(options: NetworkOptions) {
    const { records, log, mtu } = options;
    this.#options = options;
    this.#endpoints = records.table<EndpointRecord>("endpoints");
    this.#networks = records.table<NetworkRecord>("networks");
    this.#sweeper = new Sweeper(log);
    this.#dir = join(options.execRoot, "netns");
    this.#bare = this.#openBare();
    this.#names = new NameServer({ index: this.#index, upstream: (asking) => this.#upstream(asking), log });
    this.#segments = new Segments({
      ...{ networks: this.#networks, names: this.#names, log },
      ...(mtu === undefined ? {} : { mtu }),
      defaultNet: () => this.#defaultNet(),
    });
    this.#connections = new Connections({
      ...{ dir: this.#dir, ledger: this.#ledger },
      segmentOf: (id) => this.#segment(id),
      find: (mode) => this.#resolve(mode),
      get: (id) => this.#endpoints.get(id),
      save: (record) => this.#record(record),
      forget: (id) => this.#forget(id),
      discard: (slot) => this.#sweeper.add(slot),
    });
  }

  async start(live: Set<string>): Promise<void> {
    await this.#retire();
    ensureNetworks(this.#networks);
    this.#ledger.clear();
    this.#bare = this.#openBare();
    if (this.#options.bridge !== NO_BRIDGE) this.#wired = await this.#openBridge(live);
    await this.#segments.openAll();
    const { log } = this.#options;
    const segments = this.#segments.all();
    const bridge = this.#networks.get("bridge");
    if (this.#wired && bridge) segments.unshift([bridge.id, this.#wired]);
    await recover({ endpoints: this.#endpoints, live, dir: this.#dir, segments, ledger: this.#ledger, log });
    this.#index.changed();
    this.#wired?.pool.fill();
  }

  async attach(request: AttachRequest): Promise<Attachment> {
    const network = this.#resolve(request.mode);
    if (this.#endpoints.get(request.containerId)) {
      throw new BerthError("conflict", `endpoint with name ${request.name} already exists in network ${network.name}`);
    }
    if (network.driver === "bridge" && isPlain(request, network)) return this.#attachBridge(request, network);
    if (network.driver === "bridge" || network.own) return this.#connections.attach(request);
    const slot = network.driver === "null" ? await this.#bare.take() : undefined;
    return this.#record({ ...this.#blank(request, network), ...(slot ? { slot, netns: slot.path } : {}) });
  }

  async detach(containerId: string): Promise<void> {
    const record = this.#endpoints.get(containerId);
    if (!record) return;
    const endpoints = endpointsOf(record);
    for (const { networkId } of endpoints) await this.#segment(networkId)?.table.unpublish(containerId);
    this.#forget(containerId);
    this.#ledger.release(containerId);
    const { slot } = record;
    if (!slot) return;
    const more = endpoints.flatMap((e) => e.link ?? []);
    this.#sweeper.add(more.length > 0 ? { ...slot, more } : slot, () => {
      for (const endpoint of endpoints) releaseAddresses(endpoint, this.#segment(endpoint.networkId));
    });
    (slot.link ? this.#wired?.pool : this.#bare)?.topUp();
  }

  get(containerId: string): Attachment | undefined {
    return this.#endpoints.get(containerId);
  }

  connect(containerId: string, wish: EndpointWish): Promise<Endpoint> {
    return this.#connections.connect(containerId, wish);
  }

  disconnect(containerId: string, network: string): Promise<boolean> {
    return this.#connections.disconnect(containerId, network);
  }

  rename(containerId: string, name: string, names: Record<string, string[]>): void {
    const record = this.#endpoints.get(containerId);
    if (!record) return;
    const renamed = <E extends Endpoint>(e: E): E => (names[e.network] ? { ...e, names: names[e.network] } : e);
    const more = record.more?.map(renamed);
    this.#record({ ...renamed(record), name, ...(more ? { more } : {}) });
  }

  create(request: NetworkRequest): Promise<string> {
    return this.#change(() => this.#segments.create(request));
  }

  remove(name: string): Promise<Network> {
    return this.#change(async () => {
      const record = findNetwork(this.#known(), name);
      this.#refuseRemoval(record, name);
      const network = viewNetwork(record, [], this.#wired?.bridge);
      await this.#segments.remove(record);
      return network;
    });
  }

  serving(): boolean {
    return this.#all().some((record) => endpointsOf(record).some((e) => e.names !== undefined));
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

  objections(wish: EndpointWish): string[] {
    let network: NetworkRecord | undefined;
    try {
      network = this.#resolve(wish.mode);
    } catch {
      network = undefined; // It may come to be before the start, which looks again.
    }
    return objectionsTo(wish, network, (wish.names ?? []).length > 0);
  }

  resolvConf(modes: string | string[], overrides: ResolvOverrides): string {
    const networks = [modes].flat().map((mode) => this.#resolve(mode));
    if (networks.some((n) => n.own?.ipv4)) return namesResolvConf(hostResolvConf(), overrides);
    const isolated = networks.every((n) => n.driver !== "host");
    return containerResolvConf(hostResolvConf(), { isolated, overrides });
  }

  async stop(): Promise<void> {
    const wired = this.#wired;
    await this.#retire();
    this.#ledger.clear();
    const inUse = new Set(this.#all().flatMap((record) => endpointsOf(record).map((e) => e.networkId)));
    await this.#segments.closeAll((id) => inUse.has(id));
    const bridge = this.#networks.get("bridge");
    if (!wired || (bridge && inUse.has(bridge.id))) return;
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
    const ownMac = checkMac(request.mac);
    const slot = await wired.pool.take();
    const blank = this.#blank(request, network);
    try {
      const ports = await this.#claim(request, { wanted, slot, endpointId: blank.endpointId });
      const mac = ownMac ?? macFor(slot.address);
      if (ownMac !== undefined) await setMac(slot, mac);
      const { net, gateway } = wired.v4;
      const place = { ip: slot.address, prefix: net.prefix, gateway, mac };
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
    else this.#sweeper.add(slot, () => wired.v4.addresses.release(slot.address));
  }

  async #claim(
    request: AttachRequest,
    { wanted, slot, endpointId }: { wanted: WantedPort[]; slot: WiredSlot; endpointId: string },
  ): Promise<PortMap> {
    try {
      return boundPorts(request.ports, await this.#ledger.claim(request.containerId, wanted, slot.address));
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
    this.#index.changed();
    return endpoint;
  }

  #forget(containerId: string): void {
    this.#options.records.unsynced(() => this.#endpoints.delete(containerId));
    this.#index.changed();
  }

  #all(): EndpointRecord[] {
    return this.#endpoints.entries().map(([, endpoint]) => endpoint);
  }

  /** The networks that this daemon offers: without a bridge, no default one. */
  #known(): NetworkRecord[] {
    ensureNetworks(this.#networks);
    const all = this.#networks.entries().map(([, network]) => network);
    return all.filter((n) => n.own || n.driver !== "bridge" || this.#options.bridge !== NO_BRIDGE);
  }

  #resolve(mode: string): NetworkRecord {
    const isDefault = mode === "default" || mode === "";
    const name = this.#options.bridge === NO_BRIDGE ? "none" : "bridge";
    return findNetwork(this.#known(), isDefault ? name : mode);
  }

  #segment(networkId: string): Segment | undefined {
    return networkId === this.#networks.get("bridge")?.id ? this.#wired : this.#segments.get(networkId);
  }

  #defaultNet(): { id: string; net: Wired["v4"]["net"]; link: string } | undefined {
    const id = this.#networks.get("bridge")?.id;
    return this.#wired && id ? { id, net: this.#wired.v4.net, link: this.#wired.bridge.name } : undefined;
  }

  /** Names of the outside are for those who have a way out. */
  #upstream(asking: EndpointRecord): string[] {
    const { v4, v6 } = waysOf(endpointsOf(asking), (id) => this.#segment(id));
    return v4 || v6 ? upstreamServers(hostResolvConf(), asking.dns ?? []) : [];
  }

  /** Networks are made and removed one at a time. */
  #change<R>(body: () => Promise<R>): Promise<R> {
    const mine = this.#changes.then(body);
    this.#changes = mine.catch(() => undefined); // Its caller is told.
    return mine;
  }

  /** In Docker's words. */
  #refuseRemoval(record: NetworkRecord, name: string): void {
    const refused = (words: string): BerthError => new BerthError("forbidden", words);
    if (isBuiltIn(record.name)) throw refused(`${name} is a pre-defined network and cannot be removed`);
    const failed = "error while removing network: ";
    if (record.own?.configOnly && this.#known().some((n) => n.own?.configFrom === record.name))
      throw refused(`${failed}configuration network "${record.name}" is in use`);
    const active = this.#all().flatMap((a) =>
      endpointsOf(a).flatMap((e) =>
        e.networkId === record.id ? [`name:"${a.name}" id:"${e.endpointId.slice(0, 12)}"`] : [],
      ),
    );
    const pending = this.#segments.get(record.id)?.pending ?? 0;
    if (active.length + pending === 0) return;
    throw refused(`${failed}network ${record.name} has active endpoints (${active.join(", ")})`);
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
      this.#sweeper.add(slot, () => this.#wired?.v4.addresses.release(slot.address));
    }
    for (const slot of await this.#bare.drain()) this.#sweeper.add(slot);
    await this.#sweeper.idle();
  }
}

/** What a ready namespace of the pool is good for: the default bridge, with nothing asked for but a MAC address. */
function isPlain(request: AttachRequest, network: NetworkRecord): boolean {
  const { more, linkLocal, dev } = request;
  return !network.own && !more?.length && !linkLocal?.length && dev === undefined;
}
