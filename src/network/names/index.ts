import { parseIp } from "../../spec/ipnet.ts";
import { type EndpointRecord, endpointsOf } from "../networks.ts";
import type { Known } from "./answer.ts";

/** All names of one network: name in lower case → addresses. */
type Names = Map<string, string[]>;

interface Index {
  /** By network id. */
  names: Map<string, Names>;
  /** `<network id> <address>` → who has it. */
  owners: Map<string, EndpointRecord>;
}

/**
 * Who is called what on which network. Made from the attachments when it is first asked after a change, so that a start costs nothing here, and
 * an answer after a start, a stop or a rename is never an old one.
 */
export class NameIndex {
  #index: Index | undefined;

  constructor(
    readonly all: () => EndpointRecord[],
    readonly onChange: () => void = () => undefined,
  ) {}

  /** The attachments are others now. */
  changed(): void {
    this.#index = undefined;
    this.onChange();
  }

  /** What a container may know. */
  seenBy(asking: EndpointRecord): Known {
    return {
      addresses: (name) => this.addresses(asking, name),
      pointer: (address) => this.pointer(asking, address),
    };
  }

  /** The container that has an address on a network. */
  owner(networkId: string, address: string): EndpointRecord | undefined {
    return this.#current().owners.get(`${networkId} ${address}`);
  }

  /**
   * The addresses of both families that `name` has for a container: its links first, then the first of its networks that knows the name.
   * `name.network` is known too. Undefined: nobody has that name.
   */
  addresses(asking: EndpointRecord, name: string): string[] | undefined {
    const { names } = this.#current();
    const wanted = name.toLowerCase();
    for (const endpoint of endpointsOf(asking)) {
      const here = names.get(endpoint.networkId);
      const linked = Object.entries(endpoint.links ?? {}).find(([alias]) => alias.toLowerCase() === wanted);
      const found = (linked && here?.get(linked[1].toLowerCase())) ?? here?.get(wanted);
      if (found) return found;
      const suffix = `.${endpoint.network.toLowerCase()}`;
      const within = wanted.endsWith(suffix) ? here?.get(wanted.slice(0, -suffix.length)) : undefined;
      if (within) return within;
    }
    return undefined;
  }

  /** The name of an address that some container has on a network of the asking one, as `name.network`. */
  pointer(asking: EndpointRecord, address: string): string | undefined {
    for (const { networkId, network } of endpointsOf(asking)) {
      const owner = this.owner(networkId, address);
      const name = owner && endpointsOf(owner).find((e) => e.networkId === networkId)?.names?.[0];
      if (name) return `${name}.${network}`;
    }
    return undefined;
  }

  #current(): Index {
    this.#index ??= indexOf(this.all());
    return this.#index;
  }
}

function indexOf(attachments: EndpointRecord[]): Index {
  const index: Index = { names: new Map(), owners: new Map() };
  for (const attachment of attachments) {
    for (const { networkId, names = [], ip, ip6 } of endpointsOf(attachment)) {
      const addresses = [ip, ip6?.ip ?? ""].filter((a) => a !== "");
      for (const address of addresses) index.owners.set(`${networkId} ${address}`, attachment);
      const here: Names = index.names.get(networkId) ?? new Map();
      index.names.set(networkId, here);
      for (const name of new Set(names.map((n) => n.toLowerCase())))
        here.set(name, [...(here.get(name) ?? []), ...addresses]);
    }
  }
  return index;
}

/** The addresses of one family. */
export function ofFamily(addresses: string[], family: 4 | 6): string[] {
  return addresses.filter((a) => parseIp(a)?.family === family);
}
