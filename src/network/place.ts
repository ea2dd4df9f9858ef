import { randomBytes } from "node:crypto";
import type { PortMap } from "../spec/engine-api.ts";
import { BerthError, messageOf } from "../spec/errors.ts";
import { inNet, parseIp, parseNet } from "../spec/ipnet.ts";
import { readSysctls } from "./interface-sysctls.ts";
import { ipBatch, links } from "./ip.ts";
import { dropDevice, type Hop, makeSlot, newLink, rewire, type Slot, setRoutes, type Wire } from "./netns.ts";
import { type EndpointRecord, endpointsOf, type NetworkRecord } from "./networks.ts";
import { isFree, noIngress, readRates } from "./rates.ts";
import type { Endpoint, EndpointWish } from "./types.ts";
import { hopTo, macFor, type Segment, wireOf } from "./wired.ts";

/** An endpoint that is being made, its addresses taken. */
export interface Part {
  endpoint: Endpoint;
  segment: Segment;
}

/** Finds the running bridge of a network; undefined for host and none, and one that could not be made. */
export type SegmentOf = (networkId: string) => Segment | undefined;

const MAC = /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i;
const FIRST = "eth0";
const LINK = /^[^\s/:]{1,15}$/;

/** Docker's words, without what MAC address it was, are the same for create and connect. */
export function checkMac(mac: string | undefined): string | undefined {
  if (mac === undefined || mac === "") return undefined;
  if (!MAC.test(mac)) throw new BerthError("invalid-argument", `invalid MAC address: ${mac}`);
  return mac.toLowerCase().replaceAll("-", ":");
}

/** Takes the addresses of an endpoint. Throws in Docker's words, naming the container that `holder` says has one, with nothing taken. */
export function takePart(
  network: NetworkRecord,
  segment: Segment,
  wish: EndpointWish & { dev: string },
  holder: (address: string) => string | undefined,
): Part {
  const mac = checkMac(wish.mac);
  const { v4, v6 } = segment;
  const ip = v4 ? (wish.ip ? v4.addresses.claim(wish.ip, holder) : v4.addresses.take()) : "";
  let second: string | undefined;
  try {
    if (v6) second = wish.ip6 ? v6.addresses.claim(wish.ip6, holder) : v6.addresses.take();
  } catch (error) {
    v4?.addresses.release(ip);
    throw error;
  }
  const { linkLocal = [], names = [], links = {}, gwPriority = 0, dev } = wish;
  const rates = { ...segment.rates, ...readRates(wish.options) };
  const sysctls = readSysctls(wish.options);
  const endpoint: Endpoint = {
    network: network.name,
    networkId: network.id,
    endpointId: randomBytes(32).toString("hex"),
    ip,
    prefix: v4?.net.prefix ?? 0,
    gateway: segment.internal ? "" : (v4?.gateway ?? ""),
    mac: mac ?? (ip ? macFor(ip) : randomMac()),
    ...(second && v6
      ? { ip6: { ip: second, prefix: v6.net.prefix, gateway: segment.internal ? "" : v6.gateway } }
      : {}),
    ...(dev === FIRST ? {} : { dev }),
    ...(linkLocal.length > 0 ? { linkLocal } : {}),
    ...(gwPriority === 0 ? {} : { gwPriority }),
    ...(isFree(rates) ? {} : { rates }),
    ...(sysctls.length > 0 ? { sysctls } : {}),
    ...(names.length > 0 ? { names } : {}),
    ...(Object.keys(links).length > 0 ? { links } : {}),
  };
  return { endpoint, segment };
}

/** Gives the addresses of an endpoint back. */
export function releaseAddresses(endpoint: Endpoint, segment: Segment | undefined): void {
  if (endpoint.ip) segment?.v4?.addresses.release(endpoint.ip);
  if (endpoint.ip6) segment?.v6?.addresses.release(endpoint.ip6.ip);
}

/** The endpoints that the default routes go through: the highest priority, then the first name. Internal networks have none. */
export function waysOf(endpoints: Endpoint[], segmentOf: SegmentOf): { v4?: Endpoint; v6?: Endpoint } {
  const able = endpoints
    .filter((e) => segmentOf(e.networkId)?.internal === false)
    .sort((a, b) => (b.gwPriority ?? 0) - (a.gwPriority ?? 0) || (a.network < b.network ? -1 : 1));
  const v4 = able.find((e) => e.gateway !== "");
  const v6 = able.find((e) => e.ip6 !== undefined);
  return { ...(v4 ? { v4 } : {}), ...(v6 ? { v6 } : {}) };
}

/** What an endpoint's interface is to have, with the default routes that go through it. */
export function wireFor(endpoint: Endpoint, all: Endpoint[], context: { segmentOf: SegmentOf; own: string }): Wire {
  const segment = context.segmentOf(endpoint.networkId);
  if (!segment) throw new BerthError("unavailable", `network ${endpoint.network} is not running`);
  const ways = waysOf(all, context.segmentOf);
  const wire = wireOf(segment, {
    link: endpoint.link ?? context.own,
    dev: endpoint.dev ?? FIRST,
    mac: endpoint.mac,
    ip: endpoint.ip,
    ip6: endpoint.ip6?.ip,
    linkLocal: endpoint.linkLocal,
    routed: false,
  });
  const { v4, v6 } = segment;
  return {
    ...wire,
    rates: endpoint.rates ?? {},
    sysctls: endpoint.sysctls ?? [],
    ways: [
      ...(ways.v4 === endpoint && v4 ? [hopTo(segment, v4)] : []),
      ...(ways.v6 === endpoint && v6 ? [hopTo(segment, v6)] : []),
    ],
  };
}

/** Makes a namespace with all these endpoints. Each but the first gets a link of its own. */
export async function makePlace(dir: string, parts: Part[], segmentOf: SegmentOf): Promise<Slot> {
  const all = parts.map((part) => part.endpoint);
  for (const endpoint of all.slice(1)) endpoint.link = newLink();
  const make = (): Promise<Slot> =>
    makeSlot(dir, (own) => all.map((endpoint) => wireFor(endpoint, all, { segmentOf, own })));
  return withParents(
    parts.map((part) => part.segment),
    make,
  );
}

/** Where a parent interface is missing one of ours is made again, and that of somebody else is named. */
async function withParents<T>(segments: Segment[], body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    const lower = segments.filter((segment) => segment.lower);
    const there = await Promise.all(lower.map(async ({ bridge }) => (await links(["dev", bridge.name])).length > 0));
    const missing = lower.filter((_, i) => !there[i]);
    for (const { bridge, lower } of missing) await mendParent(bridge.name, lower);
    if (missing.length === 0) throw error;
    return await body();
  }
}

async function mendParent(name: string, lower: Segment["lower"]): Promise<void> {
  const known = `the requested parent interface ${name} was not found on the Docker host`;
  try {
    await lower?.mend();
  } catch (cause) {
    throw new BerthError("unavailable", `${known}: it is the parent of network ${lower?.network}`, { cause });
  }
}

/** Adds the last endpoint of a record to its namespace, and makes the routes right. */
export async function addInterface(record: EndpointRecord, added: Endpoint, segmentOf: SegmentOf): Promise<void> {
  const { slot } = record;
  if (!slot) return;
  const wire = wireFor(added, endpointsOf(record), { segmentOf, own: `bth${slot.id}` });
  const segment = segmentOf(added.networkId);
  await withParents(segment ? [segment] : [], () => rewire(slot, { ...wire, ways: [] }));
  await mendRoutes(record, segmentOf);
}

/** Removes an endpoint's interface: the host's end takes the other one with it. A missing one is fine. `record` is without the endpoint already. */
export async function dropInterface(record: EndpointRecord, gone: Endpoint, segmentOf: SegmentOf): Promise<void> {
  const { slot } = record;
  if (!slot) return;
  if (segmentOf(gone.networkId)?.lower) await dropDevice(slot, gone.dev ?? FIRST);
  else await ipBatch([`link delete dev ${gone.link ?? `bth${slot.id}`}`], { force: true });
  await mendRoutes(record, segmentOf);
}

async function mendRoutes(record: EndpointRecord, segmentOf: SegmentOf): Promise<void> {
  const { v4, v6 } = waysOf(endpointsOf(record), segmentOf);
  const way = (endpoint: Endpoint | undefined, family: "v4" | "v6"): (Hop & { dev: string })[] => {
    const segment = endpoint && segmentOf(endpoint.networkId);
    const lan = segment?.[family];
    return endpoint && lan ? [{ ...hopTo(segment, lan), dev: endpoint.dev ?? FIRST }] : [];
  };
  if (record.slot) await setRoutes(record.slot, [...way(v4, "v4"), ...way(v6, "v6")]);
}

/** The first free `eth<n>`, or the name that is wanted. */
export function deviceFor(endpoints: Endpoint[], wanted: string | undefined): string {
  const taken = new Set(endpoints.map((e) => e.dev ?? FIRST));
  if (wanted !== undefined) {
    if (LINK.test(wanted) && !taken.has(wanted) && wanted !== "lo") return wanted;
    throw new BerthError("invalid-argument", `invalid interface name: ${wanted.slice(0, 40)}`);
  }
  for (let n = 0; ; n++) if (!taken.has(`eth${n}`)) return `eth${n}`;
}

/** Ports that name no address go where the network says. */
export function portsFor(ports: PortMap, hostIp: string): PortMap {
  if (hostIp === "") return ports;
  const at = (bindings: PortMap[string]): PortMap[string] =>
    bindings?.map((b) => (b.HostIp ? b : { ...b, HostIp: hostIp })) ?? null;
  return Object.fromEntries(Object.entries(ports).map(([key, bindings]) => [key, at(bindings)]));
}

const ALIAS = "network-scoped alias is supported only for containers in user defined networks";
const BUILT_IN_IP = "user specified IP address is supported on user defined networks only";
const FREE_IP = "user specified IP address is supported only when connecting to networks with user configured subnets";

/** What `wish` asks for that the network cannot give, in Docker's words and order. `network` undefined: it does not exist (yet). */
export function objectionsTo(wish: EndpointWish, network: NetworkRecord | undefined, aliases: boolean): string[] {
  if (wish.mac && !MAC.test(wish.mac)) return [`invalid MAC address ${wish.mac}`];
  const wrong: string[] = [];
  const wanted = [
    { text: wish.ip, family: 4 },
    { text: wish.ip6, family: 6 },
  ].filter((w) => w.text);
  const own = network?.own;
  if (network && !own && wanted.length > 0) wrong.push(BUILT_IN_IP);
  if (network && !own && aliases) wrong.push(ALIAS);
  for (const { text = "", family } of wanted) {
    const ip = parseIp(text);
    if (ip?.family !== family) wrong.push(`invalid IPv${family} address: ${text}`);
  }
  wrong.push(...optionObjections(wish, network));
  for (const text of wish.linkLocal ?? []) if (!parseIp(text)) wrong.push(`invalid link-local IP address: ${text}`);
  for (const { text = "", family } of network ? wanted : []) {
    const subnets = subnetsOf(network).filter(({ Subnet = "" }) => parseNet(Subnet)?.net.family === family);
    if (subnets.length === 0) wrong.push(FREE_IP);
    else if (!isGiven(subnets, text)) wrong.push(notIn(text));
  }
  return wrong;
}

function optionObjections(wish: EndpointWish, network: NetworkRecord | undefined): string[] {
  try {
    readSysctls(wish.options);
    const { ingress } = readRates(wish.options);
    return ingress !== undefined && network?.own?.lower ? [noIngress(network.own.lower.driver)] : [];
  } catch (error) {
    return [messageOf(error)];
  }
}

/** Those from which addresses may be asked for. */
function subnetsOf(network: NetworkRecord | undefined): { Subnet?: string }[] {
  const { own, bridge } = network ?? {};
  if (own) return own.chosen ? own.ipam.config : [];
  return bridge ? [{ Subnet: bridge.subnet }] : [];
}

function notIn(text: string): string {
  return `no configured subnet or ip-range contain the IP address ${text}`;
}

function isGiven(config: { Subnet?: string }[], text: string): boolean {
  const ip = parseIp(text);
  return (
    ip !== undefined &&
    config.some((c) => inNet(parseNet(c.Subnet ?? "")?.net ?? { family: 4, base: 0n, prefix: 32 }, ip))
  );
}

function randomMac(): string {
  const bytes = [...randomBytes(5)].map((b) => b.toString(16).padStart(2, "0"));
  return ["02", ...bytes].join(":");
}
