import type { CreateBody } from "../../api/backend.ts";
import type { EndpointWish } from "../../network/types.ts";
import type { EndpointSettings, HostConfig } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import type { EngineContext } from "../context.ts";
import type { ContainerRecord, EndpointWanted } from "../record.ts";
import { withoutNulls } from "./config.ts";
import { sharedWith } from "./modes.ts";

const BUILT_IN = ["default", "bridge", "host", "none"];
const SHORT_ID = 12;
const IFNAME = "com.docker.network.endpoint.ifname";

/** True where a network is one that a person made: there containers have names. */
export function isUserDefined(name: string): boolean {
  return !BUILT_IN.includes(name) && sharedWith(name) === undefined;
}

/** The network of containers that name none. They have names there too, which Docker's have not. */
export function isDefaultBridge(name: string): boolean {
  return name === "default" || name === "bridge";
}

/** What a body asks of each network, by the networks' own names. Throws `invalid-argument` in Docker's words. */
export function wantedNetworks(
  ctx: EngineContext,
  body: CreateBody,
  host: HostConfig,
): Record<string, EndpointWanted> | undefined {
  const mode = host.NetworkMode ?? "bridge";
  const all: Record<string, EndpointWanted> = {};
  for (const [given, settings] of Object.entries(body.NetworkingConfig?.EndpointsConfig ?? {})) {
    // Docker calls the default network by two names; a container's network may be named by name or id of the container.
    const isMode =
      given === mode || given === "default" || (sharedWith(given) !== undefined && sharedWith(mode) !== undefined);
    all[networkName(ctx, isMode ? mode : given)] = wantedOf(settings ?? {});
  }
  const others = Object.keys(all).filter((name) => name !== networkName(ctx, mode));
  if (others.length > 0 && (mode === "host" || mode === "none" || sharedWith(mode) !== undefined)) {
    throw new BerthError(
      "invalid-argument",
      "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
    );
  }
  const mac = body.MacAddress && !["none", "host"].includes(mode) ? { MacAddress: body.MacAddress } : {};
  for (const [name, wanted] of Object.entries({ [networkName(ctx, mode)]: {}, ...all }))
    refuseObjections(ctx, name, name === networkName(ctx, mode) ? { ...mac, ...wanted } : wanted);
  const anything = others.length > 0 || Object.values(all).some((wanted) => Object.keys(wanted).length > 0);
  return anything ? { [networkName(ctx, mode)]: {}, ...all } : undefined;
}

function refuseObjections(ctx: EngineContext, name: string, wanted: EndpointWanted): void {
  const wrong = objections(ctx, name, wanted);
  if (wrong) throw new BerthError("invalid-argument", `invalid config for network ${name}: ${wrong}`);
}

/** Why a network cannot give what is wanted, as Docker says it; undefined: it can. */
export function objections(ctx: EngineContext, name: string, wanted: EndpointWanted): string | undefined {
  if (sharedWith(name) !== undefined) return undefined;
  const wrong = ctx.network.objections({ ...wishFrom(name, wanted), names: wanted.Aliases ?? [] });
  if (wrong.length === 0) return undefined;
  // A bad MAC address is told alone and has no heading.
  if (wrong[0]?.startsWith("invalid MAC address")) return wrong[0];
  return `invalid endpoint settings:\n${wrong.map((line) => (wrong.length > 1 ? `* ${line}` : line)).join("\n")}`;
}

/** The members of an endpoint's settings that are a wish; what inspect shows besides is not. */
export function wantedOf(settings: EndpointSettings): EndpointWanted {
  const { IPAMConfig, Links, Aliases, MacAddress, DriverOpts, GwPriority } = settings;
  const ipam = withoutNulls(IPAMConfig ?? {});
  const given = Object.entries(ipam).filter(([, v]) => (Array.isArray(v) ? v.length > 0 : v !== ""));
  return {
    ...(given.length > 0 ? { IPAMConfig: Object.fromEntries(given) } : {}),
    ...(Links?.length ? { Links } : {}),
    ...(Aliases?.length ? { Aliases } : {}),
    ...(MacAddress ? { MacAddress } : {}),
    ...(Object.keys(DriverOpts ?? {}).length > 0 ? { DriverOpts: DriverOpts ?? {} } : {}),
    ...(GwPriority ? { GwPriority } : {}),
  };
}

/** A network's own name where it is there now, else as it was given. */
export function networkName(ctx: EngineContext, given: string): string {
  if (sharedWith(given) !== undefined || BUILT_IN.includes(given)) return given;
  try {
    return ctx.network.nameOf(given);
  } catch {
    return given; // It may come to be before the start.
  }
}

/** A container's networks in the order of their interfaces: its mode's first, then by priority and name. */
export function networksOf(ctx: EngineContext, record: ContainerRecord): [string, EndpointWanted][] {
  const mode = networkName(ctx, record.hostConfig.NetworkMode ?? "bridge");
  if (!record.networks) return [[mode, {}]];
  const rank = (name: string): number => (name === mode ? 0 : 1);
  return Object.entries(record.networks).sort(
    ([a, x], [b, y]) => rank(a) - rank(b) || (y.GwPriority ?? 0) - (x.GwPriority ?? 0) || (a < b ? -1 : 1),
  );
}

/** What DNS calls it on a network: name, aliases, short id, host name; Docker's order. */
export function dnsNames(record: ContainerRecord, wanted: EndpointWanted): string[] {
  const { name, id, config } = record;
  const hostname = config.Hostname ? [config.Hostname] : [];
  return [...new Set([name, ...(wanted.Aliases ?? []), id.slice(0, SHORT_ID), ...hostname])];
}

/** All that a container asks of one network. */
export function wishOf(
  ctx: EngineContext,
  record: ContainerRecord,
  name: string,
  wanted: EndpointWanted,
): EndpointWish {
  const isMode = name === networkName(ctx, record.hostConfig.NetworkMode ?? "bridge");
  const mac = wanted.MacAddress || (isMode ? record.config.MacAddress : undefined);
  const wish = { ...wishFrom(name, wanted), ...(mac ? { mac } : {}) };
  if (!isUserDefined(name)) return isDefaultBridge(name) ? { ...wish, names: dnsNames(record, {}) } : wish;
  const links = [...(wanted.Links ?? []), ...(isMode ? (record.hostConfig.Links ?? []) : [])];
  return {
    ...wish,
    names: dnsNames(record, wanted),
    ...(links.length > 0 ? { links: Object.fromEntries(links.map((link) => linked(ctx, link))) } : {}),
  };
}

/** `container:alias` → the alias and a name that follows the container when it is renamed. */
function linked(ctx: EngineContext, link: string): [string, string] {
  const [reference = "", alias = ""] = link.split(":");
  const plain = (text: string): string => text.slice(text.lastIndexOf("/") + 1);
  try {
    const { record } = ctx.containers.find(reference);
    return [plain(alias) || record.name, record.id.slice(0, SHORT_ID)];
  } catch {
    return [plain(alias) || plain(reference), plain(reference)]; // It may be made later.
  }
}

function wishFrom(name: string, wanted: EndpointWanted): EndpointWish {
  const { IPAMConfig: ipam, MacAddress: mac, GwPriority: gwPriority, DriverOpts: options } = wanted;
  const dev = options?.[IFNAME];
  return {
    mode: name,
    ...(ipam?.IPv4Address ? { ip: ipam.IPv4Address } : {}),
    ...(ipam?.IPv6Address ? { ip6: ipam.IPv6Address } : {}),
    ...(ipam?.LinkLocalIPs?.length ? { linkLocal: ipam.LinkLocalIPs } : {}),
    ...(mac ? { mac } : {}),
    ...(gwPriority ? { gwPriority } : {}),
    ...(dev ? { dev } : {}),
    ...(options && Object.keys(options).length > 0 ? { options } : {}),
  };
}
