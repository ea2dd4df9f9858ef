import { networkInterfaces } from "node:os";
import { BerthError } from "../spec/errors.ts";
import { inNet, parseIp, parseNet } from "../spec/ipnet.ts";

/**
 * Where a published port that names no address is reached. `any`: at all of the host's addresses, as with Docker. `lan`: at those that
 * are private, and from the host itself. `local`: from the host itself. `ask`: it is refused, a person has to name an address.
 */
export const PUBLISH_POLICIES = ["any", "lan", "local", "ask"] as const;

/** One of PUBLISH_POLICIES. */
export type PublishPolicy = (typeof PUBLISH_POLICIES)[number];

/** The host's addresses for a port (`80/tcp`) that names none; undefined: all. Throws `forbidden` where one has to be named. */
export type Unnamed = (key: string) => string[] | undefined;

const LOCAL = ["127.0.0.1", "::1"];
/** RFC 1918, RFC 6598, RFC 3927 and RFC 4193. */
const PRIVATE = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "169.254.0.0/16",
  "fc00::/7",
].flatMap((text) => parseNet(text)?.net ?? []);
/** Links that containers are on: the host is reached there by containers alone. */
const BRIDGE = /^(br-[0-9a-f]{12}|docker0)$/;

/** The rule of a policy. An `address` goes before it. `bridge` is the default bridge's link. */
export function unnamedBy(rule: { policy: PublishPolicy; address?: string; bridge: string }): Unnamed {
  const { policy, address, bridge } = rule;
  if (address !== undefined) return () => [address];
  if (policy === "any") return () => undefined;
  if (policy === "local") return () => LOCAL;
  if (policy === "lan") return () => [...LOCAL, ...privateAddresses(bridge)];
  return (key) => {
    const way = `name an address, as in -p 127.0.0.1:8080:${key}`;
    throw new BerthError("forbidden", `cannot publish ${key}: the daemon's publish-policy is ask; ${way}`);
  };
}

function privateAddresses(bridge: string): string[] {
  return Object.entries(networkInterfaces())
    .filter(([name]) => name !== bridge && !BRIDGE.test(name))
    .flatMap(([, all = []]) => all.map((a) => a.address))
    .filter((text) => {
      const ip = parseIp(text);
      return ip !== undefined && PRIVATE.some((net) => net.family === ip.family && inNet(net, ip));
    });
}
