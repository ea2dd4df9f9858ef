import { BerthError } from "../spec/errors.ts";
import { ipBatch, links } from "./ip.ts";
import type { NetworkRecord, OwnNetwork } from "./networks.ts";

/** The drivers whose interfaces lie on one of the host's, with no bridge and no rules of ours between. */
export const LOWER_DRIVERS = ["macvlan", "ipvlan"] as const;

/** How a network of such a driver lies on its parent interface. */
export interface Lower {
  driver: (typeof LOWER_DRIVERS)[number];
  mode: string;
  /** ipvlan only: who may talk to whom. */
  flag?: string;
}

const MODES = { macvlan: ["bridge", "private", "vepa", "passthru"], ipvlan: ["l2", "l3", "l3s"] };
const FLAGS = ["bridge", "private", "vepa"];
const MAX_VLAN = 4094;

const bad = (message: string): BerthError => new BerthError("invalid-argument", message);

/** True for a driver of this kind. */
export function isLower(driver: string): driver is Lower["driver"] {
  return LOWER_DRIVERS.some((known) => known === driver);
}

/** The options of such a network, in Docker's names; `parent` "": it gets an interface of its own that leads nowhere. Throws in Docker's words. */
export function readLower(driver: Lower["driver"], options: Record<string, string>): Lower & { parent: string } {
  const [fallback = ""] = MODES[driver];
  const mode = options[`${driver}_mode`] || fallback;
  if (!MODES[driver].includes(mode))
    throw bad(`requested ${driver} mode '${mode}' is not valid, '${fallback}' mode is the ${driver} driver default`);
  const parent = options["parent"] ?? "";
  if (parent === "lo") throw bad(`loopback interface is not a valid ${driver} parent link`);
  if (driver === "macvlan") return { driver, mode, parent };
  const flag = options["ipvlan_flag"] || "bridge";
  if (!FLAGS.includes(flag))
    throw bad(`requested ipvlan flag '${flag}' is not valid, 'bridge' is the ipvlan driver default`);
  return { driver, mode, flag, parent };
}

/** One macvlan network in passthru mode has its parent alone. Throws in Docker's words, which name the other network. */
export function checkShared(own: OwnNetwork, known: NetworkRecord[]): void {
  for (const { id, own: other } of known) {
    if (other?.lower?.driver !== "macvlan" || own.lower?.driver !== "macvlan" || other.link !== own.link) continue;
    const words = `macvlan network ${id} is already using parent interface ${own.link}`;
    if (own.lower.mode === "passthru") throw new BerthError("forbidden", `cannot use mode passthru, ${words}`);
    if (other.lower.mode === "passthru") throw new BerthError("forbidden", `${words} in mode passthru`);
  }
}

/**
 * The parent interface is there and up afterwards: a VLAN's (`eth0.50`) and one that leads nowhere are made where they are missing, and then
 * are ours to remove. Answers its index, its MTU and whether we made it. Throws in Docker's words where there is none. Repeatable.
 */
export async function ensureParent(own: OwnNetwork): Promise<{ index: number; mtu: number; made: boolean }> {
  const [there] = await links(["dev", own.link]);
  if (there) {
    if (own.foreign === false && !there.flags.includes("UP")) await ipBatch([`link set dev ${own.link} up`]);
    return { index: there.ifindex, mtu: there.mtu, made: false };
  }
  await (own.options["parent"] ? makeVlan(own.link) : makeNowhere(own.link));
  const [made] = await links(["dev", own.link]);
  if (!made) throw new BerthError("internal", `interface ${own.link} vanished while it was being made`);
  return { index: made.ifindex, mtu: made.mtu, made: true };
}

/** Removes a parent that we made. A missing one is fine. */
export async function dropParent(own: OwnNetwork, known: NetworkRecord[]): Promise<void> {
  const others = known.filter((n) => n.own !== own && n.own?.link === own.link);
  const [there] = own.foreign === false && others.length === 0 ? await links(["dev", own.link]) : [];
  if (there) await ipBatch([`link delete dev ${own.link}`], { force: true });
}

async function makeVlan(name: string): Promise<void> {
  const [, master, id = ""] = /^(.+)\.([^.]*)$/.exec(name) ?? [];
  if (master === undefined) throw bad(`invalid subinterface vlan name ${name}, example formatting is eth0.10`);
  if (!/^\d+$/.test(id)) throw bad(`unable to parse a valid vlan id from: ${id} (ex. eth0.10 for vlan 10)`);
  if (Number(id) < 1 || Number(id) > MAX_VLAN)
    throw bad(`vlan id must be between 1-${MAX_VLAN}, received: ${Number(id)}`);
  const [there] = await links(["dev", master]);
  if (!there) throw bad(`failed to find master interface ${master} on the Docker host`);
  try {
    await ipBatch([`link add link ${master} name ${name} type vlan id ${id}`, `link set dev ${name} up`]);
  } catch (error) {
    throw new BerthError("internal", `failed to create ${name} vlan link: ${kernelWords(error)}`, { cause: error });
  }
}

/** A dummy, or, where the kernel has none, one end of a pair whose other end nobody has. */
async function makeNowhere(name: string): Promise<void> {
  const up = `link set dev ${name} up`;
  try {
    await ipBatch([`link add name ${name} type dummy`, up]);
  } catch {
    const peer = `x${name}`.slice(0, 15);
    await ipBatch([`link add name ${name} type veth peer name ${peer}`, `link set dev ${peer} up`, up]);
  }
}

function kernelWords(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /Unknown device type/.test(text) ? "operation not supported" : text;
}
