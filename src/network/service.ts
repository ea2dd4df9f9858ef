import { createHash } from "node:crypto";
import { join } from "node:path";
import { NetHelper } from "../host/net-helper.ts";
import type { Network } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import type { Records } from "../store/types.ts";
import { Book } from "./book.ts";
import { checkBridgeName } from "./bridge.ts";
import { parseBip } from "./cidr.ts";
import { Connections } from "./connections.ts";
import { blankRecord, DefaultBridge } from "./default-bridge.ts";
import { Guard } from "./guard.ts";
import { readSysctls } from "./interface-sysctls.ts";
import { HostNames, type HostNamesWay } from "./names/host-names.ts";
import { NameServer } from "./names/server.ts";
import { makeSlot, type Slot } from "./netns.ts";
import { endpointsOf, ensureNetworks, findNetwork, type NetworkRecord, viewNetwork } from "./networks.ts";
import { Ruleset } from "./nft.ts";
import { objectionsTo, releaseAddresses, waysOf } from "./place.ts";
import { Pool } from "./pool.ts";
import { type PoolConfig, SubnetPools } from "./pools.ts";
import { PortLedger } from "./ports.ts";
import type { Unnamed } from "./publish-policy.ts";
import { isFree, readRates } from "./rates.ts";
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
import { type Segment, usageOf } from "./wired.ts";

/** How to open the network service. */
export interface NetworkOptions {
  records: Records;
  /** Path of berth-helper. */
  helper: string;
  /** Volatile folder of this daemon alone; namespaces are kept in `netns/` below it. */
  execRoot: string;
  /** The default bridge's name; `none`: no default bridge, and `default` means `none`. */
  bridge: string;
  /** Address and prefix length of the bridge. Default: a free subnet, the same again after a restart. */
  bip?: string;
  /** What networks without a subnet of their own are cut from. Default: Docker's. */
  pools?: PoolConfig[];
  /** Default: that of the default route's interface. */
  mtu?: number;
  /** Options of new networks that do not have them, by driver. */
  networkDefaults?: Record<string, Record<string, string>>;
  /** How containers' names are resolved from the host. Default: not at all. */
  hostNames?: HostNamesWay;
  /** Where published ports go that name no address. Default: everywhere. */
  unnamed?: Unnamed;
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
  readonly #book: Book;
  readonly #ledger = new PortLedger();
  readonly #rules: Ruleset;
  readonly #sweeper: Sweeper;
  readonly #dir: string;
  readonly #helper: NetHelper;
  readonly #names: NameServer;
  readonly hostNames: HostNames;
  readonly #guard: Guard;
  readonly #segments: Segments;
  readonly #connections: Connections;
  readonly #default: DefaultBridge;
  #changes: Promise<unknown> = Promise.resolve();
  #bare: Pool<Slot>;

  constructor(options: NetworkOptions) {
    const { unnamed = () => undefined } = options;
    const { records, log, mtu } = options;
    const pools = new SubnetPools(options.pools);
    this.#options = options;
    const book = new Book(records, { hasBridge: options.bridge !== NO_BRIDGE });
    this.#book = book;
    this.#sweeper = new Sweeper(log);
    this.#rules = new Ruleset(tableName(options));
    this.#dir = join(options.execRoot, "netns");
    this.#bare = this.#openBare();
    this.#helper = new NetHelper({
      ...{ helper: options.helper, log },
      onQuery: (query) => void this.#names.answer(query),
      onChange: (change) => this.#guard.changed(change),
    });
    this.#names = new NameServer({
      ...{ index: book.index, sockets: this.#helper, log },
      get: (id) => book.get(id),
      // Names of the outside are for those who have a way out.
      upstream: (asking) => {
        const { v4, v6 } = waysOf(endpointsOf(asking), (id) => this.#segment(id));
        return v4 || v6 ? upstreamServers(hostResolvConf(), asking.dns ?? []) : [];
      },
    });
    this.hostNames = new HostNames({
      ...{ way: options.hostNames ?? { kind: "off" }, tag: tableName(options), link: options.bridge, log },
      ...{ all: () => book.all(), reached: () => book.bridged() },
    });
    book.onChange = () => {
      this.#helper.forget();
      this.hostNames.changed();
    };
    this.#segments = new Segments({
      ...{ networks: book.networks, pools, rules: this.#rules, log },
      ...(mtu === undefined ? {} : { mtu }),
      defaults: options.networkDefaults ?? {},
      defaultNet: () => this.#default.net(),
    });
    this.#connections = new Connections({
      ...{ dir: this.#dir, ledger: this.#ledger, unnamed },
      segmentOf: (id) => this.#segment(id),
      find: (mode) => book.resolve(mode),
      get: (id) => book.get(id),
      save: (record) => book.save(record),
      forget: (id) => book.forget(id),
      holder: (network, address) => book.holder(network, address),
      discard: (slot) => this.#sweeper.add(slot),
      settled: () => this.#sweeper.idle(),
    });
    const { poolSize = POOL_SIZE } = options;
    const parts = { dir: this.#dir, book, ledger: this.#ledger, rules: this.#rules, sweeper: this.#sweeper };
    this.#default = new DefaultBridge({ ...options, poolSize, pools, unnamed, ...parts });
    const watched = { book, rules: this.#rules, bridge: this.#default, segments: this.#segments, log };
    this.#guard = new Guard({ ...watched, queue: (body) => this.#change(body) });
  }

  async start(live: Set<string>): Promise<void> {
    await this.#retire();
    ensureNetworks(this.#book.networks);
    this.#ledger.clear();
    this.#rules.hold();
    this.#bare = this.#openBare();
    if (this.#options.bridge !== NO_BRIDGE) await this.#default.open(live);
    await this.#segments.openAll();
    const { log } = this.#options;
    const segments = this.#segments.all();
    const bridge = this.#book.bridge;
    if (this.#default.wired && bridge) segments.unshift([bridge.id, this.#default.wired]);
    await recover({ endpoints: this.#book.endpoints, live, dir: this.#dir, segments, ledger: this.#ledger, log });
    await this.#rules.release();
    this.#book.index.changed();
    await this.#names.serveAll(this.#book.all().filter((record) => record.network !== "none"));
    if (segments.length > 0) this.#helper.warm();
    await this.hostNames.open();
    this.#guard.open();
    this.#default.wired?.pool.fill();
  }

  async attach(request: AttachRequest): Promise<Attachment> {
    const network = this.#book.resolve(request.mode);
    if (this.#book.get(request.containerId)) {
      throw new BerthError("conflict", `endpoint with name ${request.name} already exists in network ${network.name}`);
    }
    if (network.driver === "bridge" || network.own) return this.#attachNamed(request, network);
    const slot = network.driver === "null" ? await this.#bare.take() : undefined;
    return this.#book.save({ ...blankRecord(request, network), ...(slot ? { slot, netns: slot.path } : {}) });
  }

  /** On bridges, with names before anything runs in it. */
  async #attachNamed(request: AttachRequest, network: NetworkRecord): Promise<Attachment> {
    const attached = isPlain(request, network)
      ? await this.#default.attach(request, network)
      : await this.#connections.attach(request);
    try {
      if (attached.netns !== undefined) await this.#names.serve(request.containerId, attached.netns);
      return attached;
    } catch (error) {
      await this.detach(request.containerId);
      throw error;
    }
  }

  async detach(containerId: string): Promise<void> {
    const record = this.#book.get(containerId);
    if (!record) return;
    this.#names.leave(containerId);
    const endpoints = endpointsOf(record);
    for (const { networkId } of endpoints) await this.#segment(networkId)?.table.unpublish(containerId);
    this.#book.forget(containerId);
    this.#ledger.release(containerId);
    const { slot } = record;
    if (!slot) return;
    const more = endpoints.flatMap((e) => e.link ?? []);
    this.#sweeper.add(more.length > 0 ? { ...slot, more } : slot, () => {
      for (const endpoint of endpoints) releaseAddresses(endpoint, this.#segment(endpoint.networkId));
    });
    (slot.link ? this.#default.wired?.pool : this.#bare)?.topUp();
  }

  get(containerId: string): Attachment | undefined {
    return this.#book.get(containerId);
  }

  connect(containerId: string, wish: EndpointWish): Promise<Endpoint> {
    return this.#connections.connect(containerId, wish);
  }

  disconnect(containerId: string, network: string): Promise<boolean> {
    return this.#connections.disconnect(containerId, network);
  }

  rename(containerId: string, name: string, names: Record<string, string[]>): void {
    const record = this.#book.get(containerId);
    if (!record) return;
    const renamed = <E extends Endpoint>(e: E): E => (names[e.network] ? { ...e, names: names[e.network] } : e);
    const more = record.more?.map(renamed);
    this.#book.save({ ...renamed(record), name, ...(more ? { more } : {}) });
  }

  create(request: NetworkRequest): Promise<string> {
    return this.#change(() => this.#segments.create(request));
  }

  remove(name: string): Promise<Network> {
    return this.#change(async () => {
      const record = findNetwork(this.#book.known(), name);
      const pending = this.#segments.get(record.id)?.pending ?? 0;
      this.#book.refuseRemoval(record, { name, pending });
      const network = viewNetwork(record, [], this.#default.wired?.bridge);
      await this.#segments.remove(record);
      return network;
    });
  }

  serving(): boolean {
    const own = (e: Endpoint): boolean => e.names !== undefined && e.networkId !== this.#book.bridge?.id;
    const all = this.#book.all();
    return (this.hostNames.on && all.length > 0) || all.some((record) => endpointsOf(record).some(own));
  }

  warnings(): string[] {
    return [...this.#guard.conflicts(), ...this.hostNames.warnings];
  }

  list(): Network[] {
    const endpoints = this.#book.all();
    return this.#book.known().map((network) => viewNetwork(network, endpoints, this.#default.wired?.bridge));
  }

  inspect(name: string): Network {
    const record = findNetwork(this.#book.known(), name);
    const network = viewNetwork(record, this.#book.all(), this.#default.wired?.bridge);
    return { ...network, ...usageOf(this.#segment(record.id)) };
  }

  check(mode: string): void {
    this.#book.resolve(mode);
  }

  nameOf(mode: string): string {
    return this.#book.resolve(mode).name;
  }

  objections(wish: EndpointWish): string[] {
    let network: NetworkRecord | undefined;
    try {
      network = this.#book.resolve(wish.mode);
    } catch {
      network = undefined; // It may come to be before the start, which looks again.
    }
    return objectionsTo(wish, network, (wish.names ?? []).length > 0);
  }

  resolvConf(modes: string | string[], overrides: ResolvOverrides): string {
    const networks = [modes].flat().map((mode) => this.#book.resolve(mode));
    if (networks.some((n) => n.own)) return namesResolvConf(hostResolvConf(), overrides);
    const isolated = networks.every((n) => n.driver !== "host");
    const named = networks.some((n) => n.driver === "bridge");
    return containerResolvConf(hostResolvConf(), { isolated, named, overrides });
  }

  async stop(): Promise<void> {
    const wired = this.#default.wired;
    this.#guard.close();
    this.#names.clear();
    await this.hostNames.close();
    await this.#helper.close();
    await this.#retire();
    this.#ledger.clear();
    const inUse = new Set(this.#book.all().flatMap((record) => endpointsOf(record).map((e) => e.networkId)));
    await this.#segments.closeAll((id) => inUse.has(id));
    const bridge = this.#book.bridge;
    if (!wired || (bridge && inUse.has(bridge.id))) return;
    await this.#default.close();
  }

  async idle(): Promise<void> {
    await this.#default.wired?.pool.idle();
    await this.#bare.idle();
    await this.#sweeper.idle();
    await this.#guard.idle();
  }

  #segment(networkId: string): Segment | undefined {
    return networkId === this.#book.bridge?.id ? this.#default.wired : this.#segments.get(networkId);
  }

  /** Networks are made and removed one at a time. */
  #change<R>(body: () => Promise<R>): Promise<R> {
    const mine = this.#changes.then(body);
    this.#changes = mine.catch(() => undefined); // Its caller is told.
    return mine;
  }

  #openBare(): Pool<Slot> {
    const { log, poolSize: size = POOL_SIZE } = this.#options;
    return new Pool({ size, make: () => makeSlot(this.#dir), log });
  }

  /** Empties the pools and finishes all removals; attachments stay as they are. */
  async #retire(): Promise<void> {
    await this.#default.retire();
    for (const slot of await this.#bare.drain()) this.#sweeper.add(slot);
    await this.#sweeper.idle();
  }
}

/** Daemons beside each other have different bridges, or else different roots. */
function tableName({ bridge, execRoot }: NetworkOptions): string {
  if (bridge !== NO_BRIDGE) return `berth-${bridge}`;
  return `berth-${NO_BRIDGE}-${createHash("sha256").update(execRoot).digest("hex").slice(0, 8)}`;
}

/** What a ready namespace of the pool is good for: the default bridge, with nothing asked for but a MAC address. */
function isPlain(request: AttachRequest, network: NetworkRecord): boolean {
  const { more, linkLocal, dev, options } = request;
  return (
    !network.own &&
    !more?.length &&
    !linkLocal?.length &&
    dev === undefined &&
    isFree(readRates(options)) &&
    readSysctls(options).length === 0
  );
}
