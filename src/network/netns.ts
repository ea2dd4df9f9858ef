import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ensureDir } from "../host/files.ts";
import { runOk } from "../host/spawn.ts";
import { MNT, umount2 } from "../host/sys.ts";
import { errnoOf } from "../spec/errors.ts";
import { type InterfaceSysctl, setSysctls } from "./interface-sysctls.ts";
import { ipBatch } from "./ip.ts";
import { limitDevice, type Rates } from "./rates.ts";

/** A network namespace of ours, kept by a bind mount at `path`. `link` is the host's end of its veth pair. */
export interface Slot {
  /** 8 hex digits: the file's name, and the end of the link's. */
  id: string;
  path: string;
  /** Absent in namespaces that have loopback only, or links with names of their own. */
  link?: string;
  /** Links besides that one, which go with the namespace. */
  more?: string[];
}

/** What one interface is to have. */
export interface Wire {
  /** The host's end. */
  link: string;
  /** The container's end. */
  dev: string;
  bridgeIndex: number;
  mtu: number;
  mac: string;
  /** Each with its prefix length. */
  addresses: string[];
  ipv6: boolean;
  /** The default routes, one a family at most. */
  ways: Hop[];
  /** It talks to the bridge itself only, not to its other ports. */
  isolated: boolean;
  rates?: Rates;
  sysctls?: InterfaceSysctl[];
  /** It lies on this interface of the host's, with no bridge: ip-link(8)'s words for what it is. */
  on?: { parent: string; type: string };
}

/** Where a default route goes. Without `via` to all that the device reaches (ipvlan in its layer 3 modes). */
export interface Hop {
  family: 4 | 6;
  via?: string;
}

/** Where helper/berth-helper/net.c listens. */
const NAMES_PORT = 20_053;
/** A link that carries less has no IPv6 at all (RFC 8200 section 5). */
const IPV6_MTU = 1280;
const NSFS_MAGIC = 0x6e736673;
const GONE_POLLS = 25;
const GONE_POLL_MS = 20;

/** Every link that a slot has in the host's namespace has this name; nothing else is ever deleted. */
export const LINK_NAME = /^bth[0-9a-f]{8}$/;

/**
 * Makes a namespace below `dir`, with lo up and the interfaces that `wires` answers, each on its bridge: one process does it all from the
 * inside, and the host's ends are born as ports of their bridges. `wires` is given the name of the slot's own link. A failure leaves
 * nothing; a kill leaves at most a file that `listSlots` finds, and links that go with their namespace.
 */
export async function makeSlot(dir: string, wires: (own: string) => Wire[] = () => []): Promise<Slot> {
  ensureDir(dir);
  const id = randomBytes(4).toString("hex");
  const all = wires(`bth${id}`);
  const [lower, pairs] = [all.filter((wire) => wire.on), all.filter((wire) => !wire.on)];
  const names = pairs.map((wire) => wire.link);
  const [link, ...more] = names;
  const slot: Slot = { id, path: join(dir, id), ...(link ? { link } : {}), ...(more.length > 0 ? { more } : {}) };
  writeFileSync(slot.path, "", { flag: "wx", mode: 0o600 });
  try {
    const lines = ["link set dev lo up", ...pairs.flatMap(wireLines)];
    await ipBatch(lines, { prefix: ["unshare", `--net=${slot.path}`] });
    for (const wire of lower) await layOn(slot, wire);
    for (const wire of all) await tune(slot, wire);
    await Promise.all([
      ipBatch([...hairpinLines(names), ...isolationLines(all)]),
      all.length > 0 ? leadNames(slot) : undefined,
    ]);
  } catch (error) {
    await removeSlots([slot]);
    throw error;
  }
  return slot;
}

/** What containers ask at 127.0.0.11, port 53, goes to the port where the daemon's helper listens: a name server of their own can have 53. */
const NAMES_RULES = `table ip berth-names {
  chain output {
    type nat hook output priority -100; policy accept;
    ip daddr 127.0.0.11 meta l4proto { tcp, udp } th dport 53 dnat to 127.0.0.11:${NAMES_PORT}
  }
}
`;

async function leadNames(slot: Slot): Promise<void> {
  await runOk([...inside(slot), "nft", "-f", "-"], { input: NAMES_RULES });
}

/** The name of a new link, for an interface besides the first. */
export function newLink(): string {
  return `bth${randomBytes(4).toString("hex")}`;
}

/**
 * Lets a bridge port send back to where a frame came from. Needed where br_netfilter shows bridged frames to nftables: a container that
 * asks for its own published port is then translated inside the bridge, and the frame has to leave by the port it came in by.
 */
export function hairpinLines(names: string[]): string[] {
  return bridgeFiltered() ? names.map((name) => `link set dev ${name} type bridge_slave hairpin on`) : [];
}

/** Gives an existing namespace one more interface, or one again whose pair was lost. */
export async function rewire(slot: Slot, wire: Wire): Promise<void> {
  if (wire.on) await layOn(slot, wire);
  else await ipBatch(wireLines(wire), { prefix: inside(slot) });
  await tune(slot, wire);
  if (wire.on) return;
  await ipBatch([...hairpinLines([wire.link]), ...isolationLines([wire])]);
}

/** Replaces the default routes of a namespace, one a family at most; none of a family: its route goes. */
export async function setRoutes(slot: Slot, ways: (Hop & { dev: string })[]): Promise<void> {
  const prefix = inside(slot);
  await ipBatch(
    ways.map((way) => `route replace ${routeText(way)} dev ${way.dev}`),
    { prefix },
  );
  const families = ways.map((way) => way.family);
  for (const family of [4, 6] as const)
    if (!families.includes(family))
      await ipBatch(["route delete default"], { prefix, family: `-${family}`, force: true });
}

/** Changes the MAC address of a slot's eth0. */
export async function setMac(slot: Slot, mac: string): Promise<void> {
  await ipBatch([`link set dev eth0 address ${mac}`], { prefix: inside(slot) });
}

/**
 * Removes namespaces and their links; returns when both are gone. Missing ones are fine. The kernel takes the links
 * away together with their namespaces, many at once; a link whose namespace some process still holds is deleted by name.
 */
export async function removeSlots(slots: Slot[]): Promise<void> {
  if (slots.length === 0) return;
  for (const slot of slots) {
    if (isMounted(slot)) umount2(slot.path, MNT.DETACH);
    rmSync(slot.path, { force: true });
  }
  const names = slots.flatMap((s) => [...(s.link ? [s.link] : []), ...(s.more ?? [])]);
  for (let poll = 0; poll < GONE_POLLS && present(names).length > 0; poll++) await delay(GONE_POLL_MS);
  await ipBatch(
    present(names).map((name) => `link delete dev ${name}`),
    { force: true },
  );
}

/** True where the namespace is there, not only its file. */
export function isMounted(slot: Slot): boolean {
  try {
    return statfsSync(slot.path).type === NSFS_MAGIC;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

/** The slots below `dir`, each taken to have a link. */
export function listSlots(dir: string): Slot[] {
  ensureDir(dir);
  return readdirSync(dir)
    .filter((id) => /^[0-9a-f]{8}$/.test(id))
    .map((id) => ({ id, path: join(dir, id), link: `bth${id}` }));
}

/** Those of `names` that are links of this host now. /proc/net follows the namespace of the process, which sysfs does not. */
function present(names: string[]): string[] {
  if (names.length === 0) return [];
  const table = readFileSync("/proc/net/dev", "latin1");
  return names.filter((name) => table.includes(`${name}:`));
}

function bridgeFiltered(): boolean {
  try {
    return readFileSync("/proc/sys/net/bridge/bridge-nf-call-iptables", "latin1").trim() === "1";
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false; // The module is not loaded.
    throw error;
  }
}

function inside(slot: Slot): string[] {
  return ["nsenter", `--net=${slot.path}`];
}

function isolationLines(wires: Wire[]): string[] {
  return wires.filter((w) => w.isolated).map((w) => `link set dev ${w.link} type bridge_slave isolated on`);
}

/** `if<n>` is iproute2's way to name a master by index: the bridge's name means nothing inside the namespace. */
function wireLines(wire: Wire): string[] {
  const { link, dev, mtu, mac } = wire;
  return [
    `link add name ${link} netns ${process.pid} master if${wire.bridgeIndex} mtu ${mtu} up type veth peer name ${dev} address ${mac} mtu ${mtu}`,
    ...addressLines(wire),
  ];
}

/** A new interface on one of the host's: born here, as the parent has no name inside, and set up there. */
async function layOn(slot: Slot, wire: Wire): Promise<void> {
  const { dev, mtu, mac, on } = wire;
  if (!on) return;
  const address = on.type.startsWith("macvlan") ? `address ${mac} ` : "";
  await ipBatch([`link add link ${on.parent} name ${dev} ${address}mtu ${mtu} netns ${slot.path} type ${on.type}`]);
  await ipBatch(addressLines(wire), { prefix: inside(slot) });
}

/** What a person asked for of the interface besides addresses. */
async function tune(slot: Slot, { link, dev, on, rates = {}, sysctls = [] }: Wire): Promise<void> {
  await setSysctls(dev, sysctls, inside(slot));
  if (rates.ingress !== undefined && !on) await limitDevice(link, rates.ingress);
  if (rates.egress !== undefined) await limitDevice(dev, rates.egress, inside(slot));
}

/** Takes away an interface that has no other end. A missing one is fine. */
export async function dropDevice(slot: Slot, dev: string): Promise<void> {
  await ipBatch([`link delete dev ${dev}`], { prefix: inside(slot), force: true });
}

function routeText({ family, via }: Hop): string {
  return via === undefined ? (family === 4 ? "0.0.0.0/0" : "::/0") : `default via ${via}`;
}

function addressLines(wire: Wire): string[] {
  const { dev } = wire;
  return [
    // Without IPv6 no link-local address either: duplicate detection would only make noise.
    ...(wire.ipv6 || wire.mtu < IPV6_MTU ? [] : [`link set dev ${dev} addrgenmode none`]),
    ...wire.addresses.map((a) => `address add ${a} ${a.includes(":") ? "nodad" : "brd +"} dev ${dev}`),
    `link set dev ${dev} up`,
    ...wire.ways.map((way) => `route add ${routeText(way)} dev ${dev}`),
  ];
}
