import type { CreateBody } from "../../api/backend.ts";
import type { EndpointSettings, HostConfig } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";

const IP = "user specified IP address is supported on user defined networks only";
const SUBNET = "user specified IP address is supported only when connecting to networks with user configured subnets";
const ALIAS = "network-scoped alias is supported only for containers in user defined networks";

/** Settings of create that have no effect in this version and do no harm by that: when one is given, how it is named, and why. */
const WITHOUT_EFFECT: [given: (endpoint: EndpointSettings) => string[], why: string][] = [
  [
    ({ IPAMConfig: own }) => (own?.LinkLocalIPs ?? []).map((ip) => `--link-local-ip ${ip}`),
    "containers have one address each in this version",
  ],
  [
    ({ DriverOpts: own }) => Object.keys(own ?? {}).map((name) => `--network driver-opt ${name}`),
    "the networks of this version have no driver options",
  ],
];

/** One line for each setting without effect. */
export function withoutEffect(body: CreateBody, host: HostConfig): string[] {
  const endpoint = endpointOf(body, host);
  return WITHOUT_EFFECT.flatMap(([given, why]) => given(endpoint).map((option) => `${option} has no effect: ${why}`));
}

/** Addresses and names on a network that cannot give them, and networks that are not there: `invalid-argument` in Docker's words. */
export function checkEndpoints(body: CreateBody, host: HostConfig): void {
  const mode = host.NetworkMode ?? "bridge";
  const others = Object.keys(body.NetworkingConfig?.EndpointsConfig ?? {}).filter((name) => !isSame(name, mode));
  // Not as `not-found`: docker's client would take it for the image.
  if (others.length > 0) throw new BerthError("invalid-argument", `network ${others[0]} not found`);
  const { IPAMConfig: ipam, Aliases: aliases } = endpointOf(body, host);
  const wantsIp = Boolean(ipam?.IPv4Address || ipam?.IPv6Address);
  const wrong = [...(wantsIp ? [IP] : []), ...(aliases?.length ? [ALIAS] : []), ...(wantsIp ? [SUBNET] : [])];
  if (wrong.length === 0) return;
  const shown = wrong.length === 1 ? wrong : wrong.map((line) => `* ${line}`);
  throw new BerthError(
    "invalid-argument",
    `invalid config for network ${mode}: invalid endpoint settings:\n${shown.join("\n")}`,
  );
}

/** Docker calls the default network by two names; a container's network may be named by name or id of the container. */
function isSame(name: string, mode: string): boolean {
  return name === mode || name === "default" || (name.startsWith("container:") && mode.startsWith("container:"));
}

function endpointOf(body: CreateBody, host: HostConfig): EndpointSettings {
  const all = body.NetworkingConfig?.EndpointsConfig ?? {};
  return all[host.NetworkMode ?? "bridge"] ?? all["default"] ?? {};
}
