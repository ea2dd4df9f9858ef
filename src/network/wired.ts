import { AddressPool } from "./addresses.ts";
import type { BridgeState } from "./bridge.ts";
import { formatAddress, macOf } from "./cidr.ts";
import { makeSlot, type Slot, type Wire } from "./netns.ts";
import { PublishTable } from "./nft.ts";
import { Pool } from "./pool.ts";

/** A namespace with eth0 on the bridge, its address already taken. */
export interface WiredSlot extends Slot {
  address: number;
}

/** All that belongs to the running default bridge. */
export interface Wired {
  bridge: BridgeState;
  addresses: AddressPool;
  table: PublishTable;
  pool: Pool<WiredSlot>;
}

/** Builds the parts around a bridge; touches nothing yet. `dir` is where the namespaces' files are. */
export function openWired(
  bridge: BridgeState,
  options: { dir: string; size: number; log: (line: string) => void },
): Wired {
  const addresses = new AddressPool(bridge.subnet, bridge.gateway);
  const make = async (): Promise<WiredSlot> => {
    const address = addresses.take();
    try {
      return { ...(await makeSlot(options.dir, wireOf(bridge, formatAddress(address), macOf(address)))), address };
    } catch (error) {
      addresses.release(address);
      throw error;
    }
  };
  const pool = new Pool({ size: options.size, make, log: options.log });
  return { bridge, addresses, table: new PublishTable(bridge.name, bridge.subnet), pool };
}

/** What eth0 of a container is to have. */
export function wireOf(bridge: BridgeState, ip: string, mac: string): Wire {
  const { index, mtu, subnet, gateway } = bridge;
  return { bridgeIndex: index, mtu, mac, ip, prefix: subnet.prefix, gateway: formatAddress(gateway) };
}
