import type { PortMap } from "../spec/engine-api.ts";
import { BerthError, messageOf } from "../spec/errors.ts";
import { newLink, type Slot } from "./netns.ts";
import { type EndpointRecord, endpointsOf, type NetworkRecord } from "./networks.ts";
import {
  addInterface,
  deviceFor,
  dropInterface,
  makePlace,
  type Part,
  portsFor,
  releaseAddresses,
  type SegmentOf,
  takePart,
  waysOf,
} from "./place.ts";
import { boundPorts, familiesOf, type PortLedger, parsePorts, publishedOf, type Reached } from "./ports.ts";
import type { Unnamed } from "./publish-policy.ts";
import type { Attachment, AttachRequest, Endpoint, EndpointWish } from "./types.ts";

/** What connections work with. */
export interface ConnectionsOptions {
  dir: string;
  unnamed: Unnamed;
  ledger: PortLedger;
  segmentOf: SegmentOf;
  find: (mode: string) => NetworkRecord;
  get: (containerId: string) => EndpointRecord | undefined;
  save: (record: EndpointRecord) => EndpointRecord;
  forget: (containerId: string) => void;
  /** The name of the container that has an address. */
  holder: (networkId: string, address: string) => string | undefined;
  discard: (slot: Slot) => void;
  /** Resolves when the addresses of those who left are free: their namespaces have them until they are gone. */
  settled: () => Promise<void>;
}

/**
 * Containers on bridges of persons' networks, on several networks, and networks that come and go while a container runs. As in the
 * service, the record is there before what it names, and goes after it.
 */
export class Connections {
  readonly #options: ConnectionsOptions;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** Makes a namespace with an interface for each wish. Throws in Docker's words, leaving nothing. */
  async attach(request: AttachRequest): Promise<Attachment> {
    const { segmentOf, ledger, save, forget, discard } = this.#options;
    const { containerId, name, ports, dns = [] } = request;
    const wishes = [request, ...(request.more ?? [])];
    await this.#settle(wishes);
    const parts: Part[] = [];
    let slot: Slot | undefined;
    try {
      for (const wish of wishes) parts.push(this.#take(wish, parts, name));
      const [first, ...more] = parts.map((part) => part.endpoint);
      if (!first) throw new BerthError("internal", `container ${name} has no network`);
      const at = portsAt([first, ...more], segmentOf);
      const bound = at ? await this.#claim(request, at) : boundPorts(ports, []);
      slot = await makePlace(this.#options.dir, parts, segmentOf);
      const record: EndpointRecord = {
        ...first,
        containerId,
        name,
        ports: bound,
        ...wantedOf(ports),
        slot,
        netns: slot.path,
        ...(more.length > 0 ? { more } : {}),
        ...(at?.networkId === first.networkId ? {} : { portsOn: at?.networkId ?? "" }),
        ...(dns.length > 0 ? { dns } : {}),
      };
      save(record);
      if (at) await segmentOf(at.networkId)?.table.publish(containerId, publishedOf(bound, reachedAt(at)));
      return record;
    } catch (error) {
      ledger.release(containerId);
      forget(containerId);
      for (const { endpoint, segment } of parts) releaseAddresses(endpoint, segment);
      if (slot) discard(slot);
      throw error;
    } finally {
      for (const { segment } of parts) segment.pending--;
    }
  }

  /** One more network for a container that is attached. Throws in Docker's words, leaving it as it was. */
  async connect(containerId: string, wish: EndpointWish): Promise<Endpoint> {
    const { segmentOf, get, save } = this.#options;
    await this.#settle([wish]);
    const before = get(containerId);
    if (!before?.slot) throw new BerthError("conflict", `container ${containerId} has no network namespace of its own`);
    const taken = endpointsOf(before).map((endpoint) => ({ endpoint }));
    const { endpoint, segment } = this.#take(wish, taken, before.name);
    try {
      endpoint.link = newLink();
      const after = save(this.#withPorts(withEndpoints(before, [...endpointsOf(before), endpoint])));
      try {
        await addInterface(after, endpoint, segmentOf);
        save(await this.#movePorts(before, after));
      } catch (error) {
        save(before);
        await dropInterface(before, endpoint, segmentOf).catch(() => undefined); // What went wrong first is what is told.
        throw error;
      }
      return endpoint;
    } catch (error) {
      releaseAddresses(endpoint, segment);
      throw error;
    } finally {
      segment.pending--;
    }
  }

  /** Takes a network away; false where the container is not on it. */
  async disconnect(containerId: string, network: string): Promise<boolean> {
    const { segmentOf, get, save } = this.#options;
    const before = get(containerId);
    const gone = before && endpointsOf(before).find((e) => e.network === network);
    if (!before || !gone) return false;
    const left = endpointsOf(before).filter((e) => e !== gone && e.endpointId !== gone.endpointId);
    const pinned = left.map((e) => ({ ...e, ...pinnedLink(e, before) }));
    const after = this.#withPorts(withEndpoints(before, pinned));
    const moved = await this.#movePorts(before, after);
    await dropInterface(moved, gone, segmentOf);
    save(moved);
    releaseAddresses(gone, segmentOf(gone.networkId));
    return true;
  }

  /** A container that is started again asks for the very address that it has just left. */
  async #settle(wishes: EndpointWish[]): Promise<void> {
    if (wishes.some((wish) => wish.ip || wish.ip6)) await this.#options.settled();
  }

  #take(wish: EndpointWish, before: { endpoint: Endpoint }[], container: string): Part {
    const network = this.#options.find(wish.mode);
    const segment = this.#options.segmentOf(network.id);
    if (!segment) {
      if (network.own?.configOnly)
        throw new BerthError("forbidden", "cannot create endpoint on configuration-only network");
      throw new BerthError("unavailable", `network ${network.name} is not running; see the daemon's log`);
    }
    const endpoints = before.map((b) => b.endpoint);
    if (endpoints.some((e) => e.networkId === network.id)) {
      const words = `endpoint with name ${container} already exists in network ${network.name}`;
      throw new BerthError("forbidden", words);
    }
    const holder = (address: string): string | undefined => this.#options.holder(network.id, address);
    const part = takePart(network, segment, { ...wish, dev: deviceFor(endpoints, wish.dev) }, holder);
    segment.pending++;
    return part;
  }

  async #claim(
    request: { containerId: string; name: string; ports: PortMap },
    at: Endpoint,
  ): Promise<Attachment["ports"]> {
    const segment = this.#options.segmentOf(at.networkId);
    const ports = portsFor(request.ports, segment?.hostIp ?? "");
    const reached = reachedAt(at);
    try {
      const wanted = parsePorts(ports, { ...familiesOf(reached), unnamed: this.#options.unnamed });
      return boundPorts(ports, await this.#options.ledger.claim(request.containerId, wanted, reached));
    } catch (error) {
      // What the daemon's policy refuses is nobody's failure.
      if (error instanceof BerthError && error.kind === "forbidden") throw error;
      const what = `driver failed programming external connectivity on endpoint ${request.name} (${at.endpointId})`;
      throw new BerthError("internal", `${what}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** The record with its ports on the endpoint that is to have them now. */
  #withPorts(record: EndpointRecord): EndpointRecord {
    const { portsOn: _before, ...rest } = record;
    const at = portsAt(endpointsOf(record), this.#options.segmentOf)?.networkId ?? "";
    return at === record.networkId ? rest : { ...rest, portsOn: at };
  }

  /** Publishes the ports where they are to be now. Answers the record with those that it then has: without a network for them it has none. */
  async #movePorts(before: EndpointRecord, after: EndpointRecord): Promise<EndpointRecord> {
    const [from, to] = [portsNetwork(before), portsNetwork(after)];
    if (from === to) return after;
    const { segmentOf, ledger } = this.#options;
    const { containerId, name, wanted = {} } = before;
    await segmentOf(from)?.table.unpublish(containerId);
    const at = endpointsOf(after).find((e) => e.networkId === to);
    if (!at) {
      ledger.release(containerId);
      return { ...after, ports: boundPorts(wanted, []) };
    }
    const ports = from === "" ? await this.#claim({ containerId, name, ports: wanted }, at) : before.ports;
    try {
      await segmentOf(to)?.table.publish(containerId, publishedOf(ports, reachedAt(at)));
      return { ...after, ports };
    } catch (error) {
      if (from === "") ledger.release(containerId);
      throw error;
    }
  }
}

/** What a record keeps of the ports that were asked for. */
export function wantedOf(ports: PortMap): { wanted?: PortMap } {
  return Object.keys(ports).length > 0 ? { wanted: ports } : {};
}

/** The addresses that a container's ports lead to there. */
export function reachedAt({ ip, ip6 }: Endpoint): Reached {
  return { ip, ...(ip6 ? { ip6: ip6.ip } : {}) };
}

/** The endpoint that has the published ports. */
export function portsAt(endpoints: Endpoint[], segmentOf: SegmentOf): Endpoint | undefined {
  const { v4, v6 } = waysOf(endpoints, segmentOf);
  // What lies on an interface of the host's is reached without us.
  return [v4, v6].find((endpoint) => endpoint && !segmentOf(endpoint.networkId)?.lower);
}

/** The network whose table has the ports of a record; "": none. */
export function portsNetwork(record: EndpointRecord): string {
  return record.portsOn ?? record.networkId;
}

const BLANK = { network: "", networkId: "", endpointId: "", ip: "", prefix: 0, gateway: "", mac: "" };

/** The record with other endpoints, all else as it was. */
export function withEndpoints(record: EndpointRecord, endpoints: readonly Endpoint[]): EndpointRecord {
  const { endpoint: _, rest } = parts(record);
  const [first = BLANK, ...more] = endpoints.map((endpoint) => parts(endpoint).endpoint);
  return { ...rest, ...first, ...(more.length > 0 ? { more } : {}) };
}

/** What of a record is its first endpoint's, and what is the container's. */
function parts(record: Endpoint & Partial<EndpointRecord>): {
  endpoint: Endpoint;
  rest: Omit<EndpointRecord, keyof Endpoint>;
} {
  const { containerId = "", name = "", ports = {}, more: _, netns, portsOn, dns, slot, wanted, ...endpoint } = record;
  const rest = {
    ...{ containerId, name, ports },
    ...(netns === undefined ? {} : { netns }),
    ...(slot === undefined ? {} : { slot }),
    ...(portsOn === undefined ? {} : { portsOn }),
    ...(wanted === undefined ? {} : { wanted }),
    ...(dns === undefined ? {} : { dns }),
  };
  return { endpoint, rest };
}

/** The first endpoint's link is the namespace's own: its name is written down where another may come to be the first. */
function pinnedLink(endpoint: Endpoint, record: EndpointRecord): { link?: string } {
  const link = endpoint.link ?? (record.slot ? `bth${record.slot.id}` : undefined);
  return link === undefined ? {} : { link };
}
