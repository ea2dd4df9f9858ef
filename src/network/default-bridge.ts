import { randomBytes } from "node:crypto";
import type { PortMap } from "../spec/engine-api.ts";
import { BerthError, messageOf } from "../spec/errors.ts";
import { type Book, isOn } from "./book.ts";
import { ensureBridge, removeBridge } from "./bridge.ts";
import { formatAddress, parseBip } from "./cidr.ts";
import { wantedOf } from "./connections.ts";
import { setMac } from "./netns.ts";
import type { EndpointRecord, NetworkRecord } from "./networks.ts";
import type { Ruleset } from "./nft.ts";
import { checkMac } from "./place.ts";
import type { SubnetPools } from "./pools.ts";
import { boundPorts, type PortLedger, parsePorts, publishedOf, type WantedPort } from "./ports.ts";
import type { Unnamed } from "./publish-policy.ts";
import type { Sweeper } from "./sweeper.ts";
import type { Attachment, AttachRequest } from "./types.ts";
import { macFor, openWired, type Wired, type WiredSlot } from "./wired.ts";

/** What the default bridge works with. */
export interface DefaultBridgeOptions {
  bridge: string;
  bip?: string;
  mtu?: number;
  pools: SubnetPools;
  poolSize: number;
  dir: string;
  unnamed: Unnamed;
  book: Book;
  ledger: PortLedger;
  rules: Ruleset;
  sweeper: Sweeper;
  log: (line: string) => void;
}

/** The default bridge with its pool of ready namespaces: the way of a container that asks for nothing else. */
export class DefaultBridge {
  readonly #options: DefaultBridgeOptions;
  /** The running bridge. */
  wired: Wired | undefined;

  constructor(options: DefaultBridgeOptions) {
    this.#options = options;
  }

  /** Makes the bridge, or takes it over; its pool is still empty. */
  async open(live: Set<string>): Promise<Wired> {
    const { bridge: name, bip, mtu, pools, log, poolSize: size, book, dir, rules } = this.#options;
    const network = book.bridge;
    const record = network?.bridge?.name === name ? network.bridge : undefined;
    const bridge = await ensureBridge({
      name,
      pools,
      ...(bip === undefined ? {} : { bip }),
      ...(mtu === undefined ? {} : { mtu }),
      ...(record ? { record } : {}),
      inUse: book.all().some((e) => isOn(e, network?.id) && live.has(e.containerId)),
      save: (made) => {
        if (network) book.networks.put("bridge", { ...network, bridge: made });
      },
    });
    if (bip !== undefined && parseBip(bip).gateway !== bridge.gateway) {
      log(
        `network: ${name} keeps ${formatAddress(bridge.gateway)} while containers use it; restart without them for ${bip}`,
      );
    }
    this.wired = openWired(bridge, { dir, size, rules, log });
    return this.wired;
  }

  /** Makes the bridge again, which somebody has deleted or changed; the ready namespaces are made anew. */
  async mend(): Promise<void> {
    const { wired } = this;
    const { bridge: name, pools, book } = this.#options;
    const record = book.bridge?.bridge;
    if (!wired || !record) return;
    const bridge = await ensureBridge({
      name,
      pools,
      mtu: wired.bridge.mtu,
      record,
      inUse: true,
      save: () => undefined,
    });
    Object.assign(wired.bridge, { index: bridge.index });
    await this.retire();
    wired.pool.fill();
  }

  /** What other networks may not overlap. */
  net(): { id: string; net: Wired["v4"]["net"]; link: string } | undefined {
    const id = this.#options.book.bridge?.id;
    return this.wired && id ? { id, net: this.wired.v4.net, link: this.wired.bridge.name } : undefined;
  }

  /** A ready namespace, and the ports. Throws in Docker's words, leaving nothing. */
  async attach(request: AttachRequest, network: NetworkRecord): Promise<Attachment> {
    const { wired } = this;
    if (!wired) throw new BerthError("unavailable", "the network service is not running");
    const wanted = parsePorts(request.ports, { v4: true, v6: false, unnamed: this.#options.unnamed });
    const ownMac = checkMac(request.mac);
    const slot = await wired.pool.take();
    const blank = { ...blankRecord(request, network), ...(request.names?.length ? { names: request.names } : {}) };
    try {
      const ports = await this.#claim(request, { wanted, slot, endpointId: blank.endpointId });
      const mac = ownMac ?? macFor(slot.address);
      if (ownMac !== undefined) await setMac(slot, mac);
      const { net, gateway } = wired.v4;
      const place = { ip: slot.address, prefix: net.prefix, gateway, mac };
      const endpoint = this.#options.book.save({
        ...blank,
        ...place,
        ports,
        ...wantedOf(request.ports),
        slot,
        netns: slot.path,
      });
      await wired.table.publish(request.containerId, publishedOf(ports, { ip: endpoint.ip }));
      return endpoint;
    } catch (error) {
      this.#abandon(wired, request, slot);
      throw error;
    }
  }

  /** Undoes an attach that failed. The namespace goes back to the pool unless its MAC address was touched. */
  #abandon(wired: Wired, request: AttachRequest, slot: WiredSlot): void {
    this.#options.ledger.release(request.containerId);
    this.#options.book.forget(request.containerId);
    if (request.mac === undefined) wired.pool.put(slot);
    else this.#options.sweeper.add(slot, () => wired.v4.addresses.release(slot.address));
  }

  async #claim(
    request: AttachRequest,
    { wanted, slot, endpointId }: { wanted: WantedPort[]; slot: WiredSlot; endpointId: string },
  ): Promise<PortMap> {
    try {
      return boundPorts(
        request.ports,
        await this.#options.ledger.claim(request.containerId, wanted, { ip: slot.address }),
      );
    } catch (error) {
      const what = `driver failed programming external connectivity on endpoint ${request.name} (${endpointId})`;
      throw new BerthError("internal", `${what}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Empties the pool; attachments stay as they are. */
  async retire(): Promise<void> {
    const { wired } = this;
    for (const slot of (await wired?.pool.drain()) ?? [])
      this.#options.sweeper.add(slot, () => wired?.v4.addresses.release(slot.address));
  }

  /** Takes bridge and table away. */
  async close(): Promise<void> {
    await this.wired?.table.drop();
    if (this.wired) await removeBridge(this.wired.bridge);
    this.wired = undefined;
  }
}

/** An attachment without a place. */
export function blankRecord(request: AttachRequest, network: NetworkRecord): EndpointRecord {
  const { containerId, name, dns = [] } = request;
  const endpointId = randomBytes(32).toString("hex");
  const place = { ip: "", prefix: 0, gateway: "", mac: "", ports: {} };
  const servers = dns.length > 0 ? { dns } : {};
  return { containerId, name, network: network.name, networkId: network.id, endpointId, ...place, ...servers };
}
