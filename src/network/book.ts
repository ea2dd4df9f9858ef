import { BerthError } from "../spec/errors.ts";
import type { Records, Table } from "../store/types.ts";
import { NameIndex } from "./names/index.ts";
import {
  type EndpointRecord,
  endpointsOf,
  ensureNetworks,
  findNetwork,
  isBuiltIn,
  type NetworkRecord,
} from "./networks.ts";
import type { Endpoint } from "./types.ts";

/** The records of networks and attachments, and the index of names that follows them. */
export class Book {
  readonly networks: Table<NetworkRecord>;
  readonly endpoints: Table<EndpointRecord>;
  readonly index = new NameIndex(
    () => this.all(),
    () => this.onChange(),
  );
  /** Told of each change of the attachments. */
  onChange: () => void = () => undefined;
  readonly #records: Records;
  readonly #hasBridge: boolean;

  constructor(records: Records, options: { hasBridge: boolean }) {
    this.#records = records;
    this.#hasBridge = options.hasBridge;
    this.networks = records.table<NetworkRecord>("networks");
    this.endpoints = records.table<EndpointRecord>("endpoints");
  }

  /** Endpoints end with the host, so that they need not be on the disk: `recover` drops those of containers that do not live. */
  save(endpoint: EndpointRecord): EndpointRecord {
    this.#records.unsynced(() => this.endpoints.put(endpoint.containerId, endpoint));
    this.index.changed();
    return endpoint;
  }

  /** Repeatable. */
  forget(containerId: string): void {
    this.#records.unsynced(() => this.endpoints.delete(containerId));
    this.index.changed();
  }

  get(containerId: string): EndpointRecord | undefined {
    return this.endpoints.get(containerId);
  }

  /** All attachments. */
  all(): EndpointRecord[] {
    return this.endpoints.entries().map(([, endpoint]) => endpoint);
  }

  /** The name of the container that has an address on a network. */
  holder(networkId: string, address: string): string | undefined {
    const has = ({ ip, ip6, ...e }: Endpoint): boolean =>
      e.networkId === networkId && (ip === address || ip6?.ip === address);
    return this.all().find((attachment) => endpointsOf(attachment).some(has))?.name;
  }

  /** The networks that this daemon offers: without a bridge, no default one. */
  known(): NetworkRecord[] {
    ensureNetworks(this.networks);
    const all = this.networks.entries().map(([, network]) => network);
    return all.filter((n) => n.own || n.driver !== "bridge" || this.#hasBridge);
  }

  /** The network that a mode means. Throws `not-found`. */
  resolve(mode: string): NetworkRecord {
    const isDefault = mode === "default" || mode === "";
    return findNetwork(this.known(), isDefault ? (this.#hasBridge ? "bridge" : "none") : mode);
  }

  /** Ids of the networks that are bridges. */
  bridged(): Set<string> {
    return new Set(this.known().flatMap((n) => (n.driver === "bridge" ? [n.id] : [])));
  }

  /** The default bridge's network. */
  get bridge(): NetworkRecord | undefined {
    return this.networks.get("bridge");
  }

  /** Throws in Docker's words where a network may not go. `pending`: attachments that are being made. */
  refuseRemoval(record: NetworkRecord, { name, pending }: { name: string; pending: number }): void {
    const refused = (words: string): BerthError => new BerthError("forbidden", words);
    if (isBuiltIn(record.name)) throw refused(`${name} is a pre-defined network and cannot be removed`);
    const failed = "error while removing network: ";
    if (record.own?.configOnly && this.known().some((n) => n.own?.configFrom === record.name))
      throw refused(`${failed}configuration network "${record.name}" is in use`);
    const active = this.all().flatMap((attachment) =>
      endpointsOf(attachment)
        .filter((e) => e.networkId === record.id)
        .map((e) => `name:"${attachment.name}" id:"${e.endpointId.slice(0, 12)}"`),
    );
    if (active.length + pending === 0) return;
    throw refused(`${failed}network ${record.name} has active endpoints (${active.join(", ")})`);
  }
}

/** True where a container is on the network. */
export function isOn(attachment: EndpointRecord, networkId: string | undefined): boolean {
  return endpointsOf(attachment).some((e) => e.networkId === networkId);
}
