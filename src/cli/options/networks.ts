import type { EndpointSettings } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import type { FlagValues } from "../flags.ts";
import type { CONTAINER_FLAGS } from "./flags.ts";

const invalid = (message: string): BerthError => new BerthError("invalid-argument", message);

interface Attachment {
  target: string;
  endpoint: EndpointSettings;
}

/** `--network` and what goes with it, as NetworkMode and endpoints by network. */
export function networkOptions(flags: FlagValues<typeof CONTAINER_FLAGS>): {
  mode: string;
  endpoints: Record<string, EndpointSettings>;
} {
  const attachments = [...flags.network, ...flags.net].map(parseNetwork);
  const first = attachments[0] ?? { target: "default", endpoint: {} };
  const named = attachments.map((a) => a.target);
  if (attachments.length > 1 && named.some((n) => !isUserDefined(n))) {
    throw invalid("conflicting options: cannot attach both user-defined and non-user-defined network-modes");
  }
  const repeated = named.find((n, i) => named.indexOf(n) !== i);
  if (repeated) throw invalid(`network "${repeated}" is specified multiple times`);
  applyFlags(first, flags);
  if (first.endpoint.Aliases && !isUserDefined(first.target))
    throw invalid("network-scoped aliases are only supported for user-defined networks");
  const endpoints: Record<string, EndpointSettings> = {};
  for (const a of [first, ...attachments.slice(1)])
    if (isUserDefined(a.target) || hasAny(a.endpoint)) endpoints[a.target] = a.endpoint;
  return { mode: first.target, endpoints };
}

const hasAny = (endpoint: EndpointSettings): boolean => Object.keys(endpoint).length > 0;

function isUserDefined(target: string): boolean {
  return !["default", "bridge", "host", "none"].includes(target) && !target.startsWith("container:");
}

function parseNetwork(text: string): Attachment {
  if (text === "") throw invalid("no name set for network");
  const bad = (why: string): BerthError =>
    invalid(`invalid argument ${JSON.stringify(text)} for "--network" flag: ${why}`);
  if (!text.includes("=")) return { target: text, endpoint: {} };
  const attachment: Attachment = { target: "", endpoint: {} };
  for (const field of text.split(",")) {
    const equals = field.indexOf("=");
    if (equals < 0) throw bad(`invalid field ${field}`);
    setField(attachment, { key: field.slice(0, equals).toLowerCase(), value: field.slice(equals + 1).trim(), bad });
  }
  if (attachment.target === "") throw bad("network name/id is not specified");
  return attachment;
}

function setField(
  attachment: Attachment,
  { key, value, bad }: { key: string; value: string; bad: (why: string) => BerthError },
): void {
  const { endpoint } = attachment;
  const ipam = (more: object): void => {
    endpoint.IPAMConfig = { ...endpoint.IPAMConfig, ...more };
  };
  if (key === "name") attachment.target = value;
  else if (key === "alias") endpoint.Aliases = [...(endpoint.Aliases ?? []), value];
  else if (key === "ip") ipam({ IPv4Address: value });
  else if (key === "ip6") ipam({ IPv6Address: value });
  else if (key === "link-local-ip") ipam({ LinkLocalIPs: [...(endpoint.IPAMConfig?.LinkLocalIPs ?? []), value] });
  else if (key === "mac-address") endpoint.MacAddress = macAddress(value);
  else if (key === "gw-priority") {
    if (!/^[+-]?\d+$/.test(value)) throw bad(`invalid gw-priority (${value}): invalid syntax`);
    endpoint.GwPriority = Number(value);
  } else if (key === "driver-opt") {
    const equals = value.indexOf("=");
    if (equals < 0) throw bad("invalid key value pair format in driver options");
    endpoint.DriverOpts = { ...endpoint.DriverOpts, [value.slice(0, equals)]: value.slice(equals + 1) };
  } else throw bad(`invalid field key ${key}`);
}

function macAddress(text: string): string {
  if (!/^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$/.test(text)) throw invalid(`${text} is not a valid mac address`);
  return text.toLowerCase().replaceAll("-", ":");
}

/** What may be said by a flag or by a field of `--network`, but not by both. */
function checkTwice(endpoint: EndpointSettings, flags: FlagValues<typeof CONTAINER_FLAGS>): void {
  const { IPv4Address, IPv6Address, LinkLocalIPs } = endpoint.IPAMConfig ?? {};
  const pairs: [unknown, unknown, string][] = [
    [
      endpoint.Aliases,
      flags["network-alias"].length + flags["net-alias"].length,
      "--network-alias and per-network alias",
    ],
    [IPv4Address, flags.ip, "--ip and per-network IPv4 address"],
    [IPv6Address, flags.ip6, "--ip6 and per-network IPv6 address"],
    [endpoint.MacAddress, flags["mac-address"], "--mac-address and per-network MAC address"],
    [LinkLocalIPs, flags["link-local-ip"].length, "--link-local-ip and per-network link-local IP addresses"],
  ];
  const twice = pairs.find(([field, flag]) => field && flag);
  if (twice) throw invalid(`conflicting options: cannot specify both ${twice[2]}`);
}

function applyFlags(first: Attachment, flags: FlagValues<typeof CONTAINER_FLAGS>): void {
  const { endpoint } = first;
  checkTwice(endpoint, flags);
  const aliases = [...flags["network-alias"], ...flags["net-alias"]];
  if (aliases.length > 0) endpoint.Aliases = [...(endpoint.Aliases ?? []), ...aliases];
  if (isUserDefined(first.target) && flags.link.length > 0) endpoint.Links = flags.link;
  if (flags.ip || flags.ip6 || flags["link-local-ip"].length > 0) {
    endpoint.IPAMConfig = {
      ...endpoint.IPAMConfig,
      ...(flags.ip ? { IPv4Address: flags.ip } : {}),
      ...(flags.ip6 ? { IPv6Address: flags.ip6 } : {}),
      ...(flags["link-local-ip"].length > 0 ? { LinkLocalIPs: flags["link-local-ip"] } : {}),
    };
  }
  if (flags["mac-address"]) endpoint.MacAddress = macAddress(flags["mac-address"]);
}
