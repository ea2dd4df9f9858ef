import { messageOf } from "../spec/errors.ts";
import type { Table } from "../store/types.ts";
import { onBridge } from "./bridge.ts";
import { parseAddress } from "./cidr.ts";
import { ipBatch, type LinkInfo, links } from "./ip.ts";
import { hairpinLines, isMounted, LINK_NAME, listSlots, removeSlots, rewire } from "./netns.ts";
import type { EndpointRecord } from "./networks.ts";
import type { Published } from "./nft.ts";
import { type PortLedger, publishedOf } from "./ports.ts";
import { type Wired, wireOf } from "./wired.ts";

/** What recovery looks at. `wired` is absent where the daemon runs without a bridge. */
export interface Recovery {
  endpoints: Table<EndpointRecord>;
  live: Set<string>;
  dir: string;
  wired: Wired | undefined;
  ledger: PortLedger;
  log: (line: string) => void;
}

/**
 * Makes records, namespaces, links, port claims and the nft table agree, with the records of live containers as the truth. Everything
 * else of ours goes: endpoints of dead containers, the last pool, half-made namespaces and links. Repeatable; a kill
 * anywhere leaves only what the next run finds again.
 */
export async function recover(recovery: Recovery): Promise<void> {
  const { endpoints, live, wired } = recovery;
  for (const [id] of endpoints.entries()) if (!live.has(id)) endpoints.delete(id);
  const kept = endpoints.entries().map(([, endpoint]) => endpoint);
  await sweepSlots(recovery.dir, kept);
  if (!wired) return;
  const bridged = kept.filter((e) => e.slot?.link !== undefined);
  for (const endpoint of bridged) wired.addresses.reserve(parseAddress(endpoint.ip) ?? 0);
  await mendLinks(wired, bridged, recovery.log);
  await mendPorts(wired, bridged, recovery);
}

async function sweepSlots(dir: string, kept: EndpointRecord[]): Promise<void> {
  const used = new Set(kept.flatMap((e) => e.slot?.id ?? []));
  await removeSlots(listSlots(dir).filter((slot) => !used.has(slot.id)));
}

async function mendLinks(wired: Wired, kept: EndpointRecord[], log: (line: string) => void): Promise<void> {
  const { bridge } = wired;
  const all = await links();
  const used = new Set(kept.flatMap((e) => e.slot?.link ?? []));
  const strays = all.filter((l) => l.master === bridge.name && LINK_NAME.test(l.ifname) && !used.has(l.ifname));
  const loose = all.filter((l) => used.has(l.ifname) && !isConnected(l, bridge.name));
  await ipBatch([
    ...strays.map((l) => `link delete dev ${l.ifname}`),
    ...loose.map((l) => `link set dev ${l.ifname} master ${bridge.name} up`),
  ]);
  const present = new Set(all.map((l) => l.ifname));
  await ipBatch(hairpinLines([...used].filter((name) => present.has(name))));
  for (const endpoint of kept) {
    const { slot, ip, mac, name } = endpoint;
    if (!slot?.link || present.has(slot.link)) continue;
    try {
      if (!isMounted(slot)) log(`network: ${name}: its namespace is gone from ${slot.path}; restart the container`);
      else await rewire(slot, wireOf(bridge, ip, mac));
    } catch (error) {
      log(`network: ${name}: cannot connect it again: ${messageOf(error)}`);
    }
  }
}

function isConnected(link: LinkInfo, bridge: string): boolean {
  return link.master === bridge && link.flags.includes("UP");
}

async function mendPorts(wired: Wired, kept: EndpointRecord[], { ledger, log }: Recovery): Promise<void> {
  const published: [string, Published[]][] = [];
  for (const endpoint of kept) {
    const { containerId, name, ip } = endpoint;
    if (!onBridge(wired.bridge, ip)) log(`network: ${name}: ${ip} is not on ${wired.bridge.name} any more`);
    const ports = publishedOf(endpoint.ports, ip);
    published.push([containerId, ports]);
    for (const lost of await ledger.restore(containerId, ports)) {
      log(`network: ${name}: another program also listens on ${lost.hostIp}:${lost.hostPort}/${lost.proto}`);
    }
  }
  await wired.table.load(published);
}
