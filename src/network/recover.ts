import { messageOf } from "../spec/errors.ts";
import { inNet, parseIp } from "../spec/ipnet.ts";
import type { Table } from "../store/types.ts";
import { portsNetwork, reachedAt } from "./connections.ts";
import { ipBatch, type LinkInfo, links } from "./ip.ts";
import { hairpinLines, isMounted, LINK_NAME, listSlots, removeSlots, rewire } from "./netns.ts";
import { type EndpointRecord, endpointsOf } from "./networks.ts";
import type { Published } from "./nft.ts";
import { type SegmentOf, wireFor } from "./place.ts";
import { type PortLedger, publishedOf } from "./ports.ts";
import type { Endpoint } from "./types.ts";
import type { Segment } from "./wired.ts";

/** What recovery looks at. */
export interface Recovery {
  endpoints: Table<EndpointRecord>;
  live: Set<string>;
  dir: string;
  /** The running bridges by network id. */
  segments: [string, Segment][];
  ledger: PortLedger;
  log: (line: string) => void;
}

interface Kept {
  record: EndpointRecord;
  endpoint: Endpoint;
  segment: Segment;
  /** "": it has no other end on the host. */
  link: string;
}

/**
 * Makes records, namespaces, links, port claims and the nft tables agree, with the records of live containers as the truth. Everything
 * else of ours goes: endpoints of dead containers, the last pool, half-made namespaces and links. Repeatable; a kill
 * anywhere leaves only what the next run finds again.
 */
export async function recover(recovery: Recovery): Promise<void> {
  const { endpoints, live, segments } = recovery;
  for (const [id] of endpoints.entries()) if (!live.has(id)) endpoints.delete(id);
  const records = endpoints.entries().map(([, endpoint]) => endpoint);
  await sweepSlots(recovery.dir, records);
  const byId = new Map(segments);
  const kept = records.flatMap((record) => keptOf(record, byId));
  for (const { endpoint, segment } of kept) {
    segment.v4?.addresses.reserve(endpoint.ip);
    if (endpoint.ip6) segment.v6?.addresses.reserve(endpoint.ip6.ip);
  }
  await mendLinks(
    kept.filter((k) => k.link !== ""),
    recovery,
    (id) => byId.get(id),
  );
  await mendPorts(kept, recovery);
}

function keptOf(record: EndpointRecord, segments: Map<string, Segment>): Kept[] {
  return endpointsOf(record).flatMap((endpoint) => {
    const segment = segments.get(endpoint.networkId);
    const link = segment?.lower ? "" : (endpoint.link ?? record.slot?.link);
    return segment && link !== undefined ? [{ record, endpoint, segment, link }] : [];
  });
}

async function sweepSlots(dir: string, kept: EndpointRecord[]): Promise<void> {
  const used = new Set(kept.flatMap((e) => e.slot?.id ?? []));
  await removeSlots(listSlots(dir).filter((slot) => !used.has(slot.id)));
}

/** Ties the containers' links to bridges that were made again. */
export async function reconnect(recovery: Pick<Recovery, "endpoints" | "segments" | "log">): Promise<void> {
  const byId = new Map(recovery.segments);
  const kept = recovery.endpoints.entries().flatMap(([, record]) => keptOf(record, byId));
  const options = { ...recovery, keepStrays: true };
  await mendLinks(
    kept.filter((k) => k.link !== ""),
    options,
    (id) => byId.get(id),
  );
}

/** `keepStrays`: links that no record names are left, for they may belong to what is being made. */
async function mendLinks(
  kept: Kept[],
  { segments, log, keepStrays = false }: Pick<Recovery, "segments" | "log"> & { keepStrays?: boolean },
  segmentOf: SegmentOf,
): Promise<void> {
  const all = await links();
  const bridges = new Set(segments.map(([, segment]) => segment.bridge.name));
  const used = new Map(kept.map((k) => [k.link, k.segment.bridge.name]));
  const isOurs = (l: LinkInfo): boolean => l.master !== undefined && bridges.has(l.master) && LINK_NAME.test(l.ifname);
  const strays = keepStrays ? [] : all.filter((l) => isOurs(l) && !used.has(l.ifname));
  const loose = all.filter((l) => used.has(l.ifname) && !isConnected(l, used.get(l.ifname)));
  // Any of them may go by itself meanwhile, with a namespace that the kernel is still taking down or a container that ends.
  const force = true;
  await ipBatch(
    [
      ...strays.map((l) => `link delete dev ${l.ifname}`),
      ...loose.map((l) => `link set dev ${l.ifname} master ${used.get(l.ifname)} up`),
    ],
    { force },
  );
  const present = new Set((await links()).map((l) => l.ifname));
  await ipBatch(hairpinLines([...used.keys()].filter((name) => present.has(name))), { force });
  for (const lost of kept.filter((k) => !present.has(k.link))) await mendLink(lost, { log, segmentOf });
}

async function mendLink(
  { record, endpoint, link }: Kept,
  { log, segmentOf }: { log: (line: string) => void; segmentOf: SegmentOf },
): Promise<void> {
  const { slot, name } = record;
  if (!slot) return;
  try {
    if (!isMounted(slot))
      return log(`network: ${name}: its namespace is gone from ${slot.path}; restart the container`);
    await rewire(slot, wireFor(endpoint, endpointsOf(record), { segmentOf, own: link }));
  } catch (error) {
    log(`network: ${name}: cannot connect it again: ${messageOf(error)}`);
  }
}

function isConnected(link: LinkInfo, bridge: string | undefined): boolean {
  return link.master === bridge && link.flags.includes("UP");
}

async function mendPorts(kept: Kept[], { segments, ledger, log }: Recovery): Promise<void> {
  for (const [id, segment] of segments) {
    const published: [string, Published[]][] = [];
    for (const { record, endpoint } of kept.filter((k) => k.endpoint.networkId === id)) {
      const { name, containerId } = record;
      const ip = parseIp(endpoint.ip);
      if (ip && segment.v4 && !inNet(segment.v4.net, ip))
        log(`network: ${name}: ${endpoint.ip} is not on ${segment.bridge.name} any more`);
      if (portsNetwork(record) !== id) continue;
      const ports = publishedOf(record.ports, reachedAt(endpoint));
      published.push([containerId, ports]);
      for (const lost of await ledger.restore(containerId, ports))
        log(`network: ${name}: another program also listens on ${lost.hostIp}:${lost.hostPort}/${lost.proto}`);
    }
    await segment.table.load(published);
  }
}
