import { BerthError } from "../spec/errors.ts";
import { formatIp, formatNet, type IpNet, inNet, netsOverlap, parseIp, parseNet } from "../spec/ipnet.ts";
import { isBuiltIn, type NetworkRecord, type OwnNetwork } from "./networks.ts";
import { isLower, type Lower, readLower } from "./parent.ts";
import { noIngress, type Rates, readRates } from "./rates.ts";
import type { IpamConfig, NetworkRequest } from "./types.ts";

/** Options of the bridge driver that we read; others are kept and have no effect, as with Docker. */
const OPTION = {
  link: "com.docker.network.bridge.name",
  icc: "com.docker.network.bridge.enable_icc",
  masquerade: "com.docker.network.bridge.enable_ip_masquerade",
  hostIp: "com.docker.network.bridge.host_binding_ipv4",
  mtu: "com.docker.network.driver.mtu",
};
const LINK_NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,14}$/;
const TRUE = ["1", "t", "T", "TRUE", "true", "True"];
const FALSE = ["0", "f", "F", "FALSE", "false", "False"];
const MAX_NAME = 255;
const MIN_MTU = 68;
const MAX_MTU = 65535;

/** What the bridge's options say. */
export interface BridgeChoices {
  icc: boolean;
  masquerade: boolean;
  /** Where ports go that name no address; "": all addresses. */
  hostIp: string;
  /** 0: as the default bridge. */
  mtu: number;
  rates: Rates;
}

const bad = (message: string): BerthError => new BerthError("invalid-argument", message);
const refused = (message: string): BerthError => new BerthError("forbidden", message);

/** Checks all of a request that needs no look at the host, in Docker's words: 400, 403, 404 and 409 as Docker has them. */
export function checkRequest(request: NetworkRequest, known: NetworkRecord[]): void {
  const { name, driver } = request;
  if (name === "") throw bad("invalid name: name is empty");
  if (name.length > MAX_NAME || /[\0/\n]/.test(name)) throw bad(`invalid name: ${JSON.stringify(name.slice(0, 80))}`);
  if (isBuiltIn(name)) throw refused(`operation is not permitted on predefined ${name} network `);
  checkIpam(request);
  if (known.some((n) => n.name === name)) throw new BerthError("conflict", `network with name ${name} already exists`);
  if (request.scope === "swarm") throw refused("cannot create a swarm scoped network when swarm is not active");
  if (request.ingress) throw refused("Ingress network can only be global scope network");
  checkConfigFrom(request, known);
  if (request.configOnly) return;
  if (driver === "host" || driver === "null") throw refused(`only one instance of "${driver}" network is allowed`);
  if (driver === "overlay") throw refused("This node is not a swarm manager: overlay networks need swarm mode");
  if (driver !== "bridge" && !isLower(driver)) throw new BerthError("not-found", `plugin "${driver}" not found`);
  if (request.ipam.driver !== "default") throw new BerthError("not-found", `plugin "${request.ipam.driver}" not found`);
  if (!request.ipv4 && !request.ipv6) throw bad("IPv4 or IPv6 must be enabled");
  if (isLower(driver)) checkLower(driver, request.options);
  else readOptions(request.options);
}

function checkLower(driver: Lower["driver"], options: Record<string, string>): void {
  readLower(driver, options);
  if (readRates(options).ingress !== undefined) throw bad(noIngress(driver));
}

function checkConfigFrom(request: NetworkRequest, known: NetworkRecord[]): void {
  const { configFrom, configOnly } = request;
  if (configFrom === "") return;
  if (configOnly) throw refused("a configuration network cannot depend on another configuration network");
  const set: [boolean, string][] = [
    [Object.keys(request.options).length > 0, "network driver options"],
    [
      request.ipam.config.length > 0 || Object.keys(request.ipam.options ?? {}).length > 0,
      "user specified configurations",
    ],
    [Object.keys(request.labels).length > 0, "user specified configurations"],
  ];
  const twice = set.find(([given]) => given);
  if (twice) throw refused(`${twice[1]} are not supported if the network depends on a configuration network`);
  if (!known.some((n) => n.name === configFrom && n.own?.configOnly))
    throw new BerthError("not-found", `configuration network "${configFrom}" does not exist`);
}

function checkIpam(request: NetworkRequest): void {
  const wrong = request.ipam.config.flatMap((config) => configErrors(config));
  if (wrong.length === 0) return;
  const lines = wrong.length === 1 ? wrong : wrong.map((line) => `* ${line}`);
  throw bad(`invalid network config:\n${lines.join("\n")}`);
}

function configErrors(config: IpamConfig): string[] {
  const { Subnet = "", IPRange, Gateway, AuxiliaryAddresses = {} } = config;
  const subnet = parseNet(Subnet);
  if (!subnet) return [`invalid subnet ${Subnet}: invalid CIDR block notation`];
  const errors: string[] = [];
  const canonical = formatNet(subnet.net);
  if (subnet.address.value !== subnet.net.base) errors.push(`invalid subnet ${Subnet}: it should be ${canonical}`);
  if (IPRange) errors.push(...rangeErrors(IPRange, subnet.net, canonical));
  const within = (what: string, text: string): void => {
    const ip = parseIp(text);
    if (!ip) errors.push(`invalid ${what}: invalid address`);
    else if (!inNet(subnet.net, ip))
      errors.push(`invalid ${what}: parent subnet ${canonical} doesn't contain this address`);
  };
  if (Gateway) within(`gateway ${Gateway}`, Gateway);
  for (const [name, text] of Object.entries(AuxiliaryAddresses)) within(`auxiliary address ${name}`, text);
  return errors;
}

function rangeErrors(text: string, subnet: IpNet, canonical: string): string[] {
  const range = parseNet(text);
  if (!range) return [`invalid ip-range ${text}: invalid CIDR block notation`];
  const first = { family: range.net.family, value: range.net.base };
  if (!inNet(subnet, first) || range.net.prefix < subnet.prefix)
    return [`invalid ip-range ${text}: parent subnet ${canonical} doesn't contain ip-range`];
  if (range.address.value !== range.net.base) return [`invalid ip-range ${text}: it should be ${formatNet(range.net)}`];
  return [];
}

/** The bridge's options. Throws `invalid-argument` in Docker's words for a value that is none. */
export function readOptions(options: Record<string, string>): BridgeChoices & { link: string } {
  const flag = (name: string): boolean => {
    const text = options[name] ?? "true";
    if (!TRUE.includes(text) && !FALSE.includes(text)) {
      const why = `strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`;
      throw bad(`failed to parse ${name} value: ${text} (${why})`);
    }
    return TRUE.includes(text);
  };
  const mtu = options[OPTION.mtu] ?? "0";
  if (!/^\d{1,9}$/.test(mtu)) {
    const why = `strconv.Atoi: parsing ${JSON.stringify(mtu)}: invalid syntax`;
    throw bad(`failed to parse ${OPTION.mtu} value: ${mtu} (${why})`);
  }
  if (Number(mtu) !== 0 && (Number(mtu) < MIN_MTU || Number(mtu) > MAX_MTU)) throw bad(`invalid MTU value: ${mtu}`);
  const asked = options[OPTION.hostIp] ?? "";
  // All addresses: what a binding without one means.
  const hostIp = asked === "0.0.0.0" ? "" : asked;
  if (hostIp !== "" && parseIp(hostIp)?.family !== 4)
    throw bad(`failed to parse ${OPTION.hostIp} value: ${hostIp} (invalid ip address)`);
  const link = options[OPTION.link] ?? "";
  if (link !== "" && !LINK_NAME.test(link)) throw bad(`invalid bridge name "${link.slice(0, 40)}"`);
  const rates = readRates(options);
  return { icc: flag(OPTION.icc), masquerade: flag(OPTION.masquerade), hostIp, mtu: Number(mtu), rates, link };
}

/**
 * What the network will be: the configuration that it depends on, its subnets, gateways and link. `used` are subnets that are not free;
 * a person's may not overlap `others`. Throws `forbidden` in Docker's words, and names what is in the way.
 */
export function planNetwork(
  request: NetworkRequest,
  context: { id: string; known: NetworkRecord[]; used: IpNet[]; others: TakenNet[]; choose: Chooser },
): OwnNetwork {
  const from = context.known.find((n) => n.name === request.configFrom)?.own;
  const { options, labels, ipam } = from ? { ...request, ...from } : request;
  const base = {
    internal: request.internal,
    attachable: request.attachable,
    ingress: false,
    configOnly: request.configOnly,
    configFrom: request.configFrom,
    ipv4: from?.ipv4 ?? request.ipv4,
    ipv6: from?.ipv6 ?? request.ipv6,
    options,
    labels,
  };
  const shown = {
    driver: ipam.driver,
    options: ipam.options,
    config: ipam.config,
  };
  if (request.configOnly) return { ...base, ipam: shown, chosen: false, link: "", lans: [] };
  const { driver } = request;
  const { link, ...more } = isLower(driver) ? onParent(driver, options, context.id) : onBridge(options, context.id);
  // A bridge that is there already has its subnet for this very network, and a parent interface is on the subnet that it gives.
  const others = context.others.filter(({ dev }) => dev !== link && !(more.lower && dev !== undefined));
  const { config, lans } = subnetsOf({ ...base, given: ipam.config }, { ...context, others });
  return { ...base, ipam: { ...shown, config }, chosen: ipam.config.length > 0, link, lans, ...more };
}

function onBridge(options: Record<string, string>, id: string): { link: string; lower?: Lower } {
  return { link: readOptions(options).link || `br-${id.slice(0, 12)}` };
}

function onParent(
  driver: Lower["driver"],
  options: Record<string, string>,
  id: string,
): { link: string; lower: Lower } {
  const { parent, ...lower } = readLower(driver, options);
  return { link: parent || `${driver === "macvlan" ? "dm" : "di"}-${id.slice(0, 12)}`, lower };
}

/** A subnet that another network or the host has. */
export interface TakenNet {
  net: IpNet;
  /** Who has it, for messages. */
  what: string;
  /** The host's interface that has it. */
  dev?: string;
  /** Behind a router: a network may be a part of it, but not hide it. */
  routed?: boolean;
}

function isInTheWay(other: TakenNet, net: IpNet): boolean {
  return netsOverlap(other.net, net) && !(other.routed && net.prefix > other.net.prefix);
}

/** Finds a free subnet of a family. */
export type Chooser = (family: 4 | 6, used: IpNet[]) => IpNet;

function subnetsOf(
  network: { ipv4: boolean; ipv6: boolean; given: IpamConfig[] },
  { used, others, choose }: { used: IpNet[]; others: TakenNet[]; choose: Chooser },
): { config: IpamConfig[]; lans: IpamConfig[] } {
  const config: IpamConfig[] = [];
  const lans: IpamConfig[] = [];
  const seen: IpNet[] = [];
  for (const given of network.given) {
    const net = parseNet(given.Subnet ?? "")?.net;
    if (!net) continue;
    const wanted = net.family === 4 ? network.ipv4 : network.ipv6;
    if (wanted && seen.some((s) => s.family === net.family))
      throw refused("bridge driver doesn't support multiple subnets");
    seen.push(net);
    const other = wanted ? others.find((o) => isInTheWay(o, net)) : undefined;
    if (other) throw refused(`invalid pool request: Pool overlaps with other one on this address space: ${other.what}`);
    config.push(given);
    if (wanted) lans.push(withGateway(given, net));
  }
  for (const family of [4, 6] as const) {
    if (!(family === 4 ? network.ipv4 : network.ipv6) || seen.some((s) => s.family === family)) continue;
    const net = choose(family, [...used, ...seen]);
    const made = withGateway({ Subnet: formatNet(net) }, net);
    config.push(made);
    lans.push(made);
  }
  return { config, lans };
}

/** The first address of the range, or of the subnet, that is no auxiliary one. */
function withGateway(given: IpamConfig, net: IpNet): IpamConfig {
  if (given.Gateway) return given;
  const range = parseNet(given.IPRange ?? "")?.net ?? net;
  const taken = new Set(Object.values(given.AuxiliaryAddresses ?? {}));
  let value = range.base === net.base ? net.base + 1n : range.base;
  while (taken.has(formatIp({ family: net.family, value }))) value++;
  return { ...given, Gateway: formatIp({ family: net.family, value }) };
}
