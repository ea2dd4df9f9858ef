import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ensureDir } from "../host/files.ts";
import { MNT, umount2 } from "../host/sys.ts";
import { errnoOf } from "../spec/errors.ts";
import { ipBatch } from "./ip.ts";

/** A network namespace of ours, kept by a bind mount at `path`. `link` is the host's end of its veth pair. */
export interface Slot {
  /** 8 hex digits: the file's name, and the end of the link's. */
  id: string;
  path: string;
  /** Absent in namespaces that have loopback only. */
  link?: string;
}

/** What eth0 in a slot is to have. Addresses are dotted quads. */
export interface Wire {
  bridgeIndex: number;
  mtu: number;
  mac: string;
  ip: string;
  prefix: number;
  gateway: string;
}

const NSFS_MAGIC = 0x6e736673;
const GONE_POLLS = 25;
const GONE_POLL_MS = 20;

/** Every link that a slot has in the host's namespace has this name; nothing else is ever deleted. */
export const LINK_NAME = /^bth[0-9a-f]{8}$/;

/**
 * Makes a namespace below `dir`, with lo up and, given a `wire`, eth0 on the bridge: one process does it all from the
 * inside, and the host's end is born as a port of the bridge. A failure leaves nothing; a kill leaves at most
 * a file that `listSlots` finds, and a link that goes with its namespace.
 */
export async function makeSlot(dir: string, wire?: Wire): Promise<Slot> {
  ensureDir(dir);
  const id = randomBytes(4).toString("hex");
  const slot: Slot = { id, path: join(dir, id), ...(wire ? { link: `bth${id}` } : {}) };
  writeFileSync(slot.path, "", { flag: "wx", mode: 0o600 });
  try {
    const lines = ["link set dev lo up", ...(wire && slot.link ? wireLines(slot.link, wire) : [])];
    await ipBatch(lines, { prefix: ["unshare", `--net=${slot.path}`] });
    if (slot.link) await ipBatch(hairpinLines([slot.link]));
  } catch (error) {
    await removeSlots([slot]);
    throw error;
  }
  return slot;
}

/**
 * Lets a bridge port send back to where a frame came from. Needed where br_netfilter shows bridged frames to nftables: a container that
 * asks for its own published port is then translated inside the bridge, and the frame has to leave by the port it came in by.
 */
export function hairpinLines(names: string[]): string[] {
  return bridgeFiltered() ? names.map((name) => `link set dev ${name} type bridge_slave hairpin on`) : [];
}

/** Gives an existing namespace its eth0 again, where the pair was lost. */
export async function rewire(slot: Slot, wire: Wire): Promise<void> {
  if (!slot.link) return;
  await ipBatch(wireLines(slot.link, wire), { prefix: inside(slot) });
  await ipBatch(hairpinLines([slot.link]));
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
  const names = slots.flatMap((s) => s.link ?? []);
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

/** `if<n>` is iproute2's way to name a master by index: the bridge's name means nothing inside the namespace. */
function wireLines(link: string, wire: Wire): string[] {
  return [
    `link add name ${link} netns ${process.pid} master if${wire.bridgeIndex} mtu ${wire.mtu} up type veth peer name eth0 address ${wire.mac} mtu ${wire.mtu}`,
    // No link-local IPv6 address: the network has IPv4 only, and duplicate detection would only make noise.
    "link set dev eth0 addrgenmode none",
    `address add ${wire.ip}/${wire.prefix} brd + dev eth0`,
    "link set dev eth0 up",
    `route add default via ${wire.gateway}`,
  ];
}
