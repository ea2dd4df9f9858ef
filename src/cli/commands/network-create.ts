import type { NetworkCreateResponse } from "../../spec/engine-api.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { pairs } from "../options/env.ts";
import { ipamConfig } from "../options/ipam.ts";

/** `berth network create`. */
export default command({
  usage: "[OPTIONS] NETWORK",
  summary: "Create a network",
  args: [1, 1],
  flags: {
    attachable: { since: 25, kind: "bool", help: "Enable manual container attachment" },
    "aux-address": { kind: "list", type: "map", help: "Addresses that containers do not get" },
    "config-from": { since: 30, kind: "string", help: "The network from which to copy the configuration" },
    "config-only": { since: 30, kind: "bool", help: "Create a configuration only network" },
    driver: { kind: "string", short: "d", help: "Driver of the network", fallback: "bridge" },
    gateway: { kind: "list", type: "strings", help: "Gateway of a subnet, IPv4 or IPv6" },
    ingress: { since: 29, kind: "bool", help: "Create swarm routing-mesh network" },
    internal: { kind: "bool", help: "Nothing passes between the network and the outside" },
    "ip-range": { kind: "list", type: "strings", help: "The part of a subnet that containers get addresses from" },
    "ipam-driver": { kind: "string", help: "Driver of the addresses", fallback: "default" },
    "ipam-opt": { kind: "list", type: "map", help: "Options of the addresses' driver" },
    ipv4: { kind: "bool", help: "Give IPv4 addresses", fallback: true },
    ipv6: { kind: "bool", help: "Give IPv6 addresses" },
    label: { kind: "list", help: "Set a label" },
    opt: { kind: "list", short: "o", type: "map", help: "Options of the driver" },
    scope: { since: 30, kind: "string", help: "Scope of the network" },
    subnet: { kind: "list", type: "strings", help: "A subnet, such as 10.5.0.0/16; once a family" },
  },
  async run(ctx, { flags, given, args: [name = ""] }) {
    const made: NetworkCreateResponse = await ctx.engine.networks.create({
      Name: name,
      Driver: flags.driver,
      Options: pairs(flags.opt),
      IPAM: {
        Driver: flags["ipam-driver"],
        Options: pairs(flags["ipam-opt"]),
        Config: config(flags),
      },
      Internal: flags.internal,
      Attachable: flags.attachable,
      Ingress: flags.ingress,
      Scope: flags.scope,
      ConfigOnly: flags["config-only"],
      ...(flags["config-from"] ? { ConfigFrom: { Network: flags["config-from"] } } : {}),
      ...(given.has("ipv4") ? { EnableIPv4: flags.ipv4 } : {}),
      ...(given.has("ipv6") ? { EnableIPv6: flags.ipv6 } : {}),
      Labels: pairs(flags.label),
    });
    if (made.Warning) ctx.io.err(`WARNING: ${made.Warning}\n`);
    ctx.io.out(`${made.Id}\n`);
    return 0;
  },
});

function config(flags: {
  subnet: string[];
  "ip-range": string[];
  gateway: string[];
  "aux-address": string[];
}): object[] {
  try {
    return ipamConfig({
      subnets: flags.subnet,
      ranges: flags["ip-range"],
      gateways: flags.gateway,
      extra: pairs(flags["aux-address"]),
    });
  } catch (error) {
    throw new ExitError(1, error instanceof Error ? error.message : String(error));
  }
}
