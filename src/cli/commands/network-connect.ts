import { command } from "../command.ts";
import { pairs } from "../options/env.ts";

/** `berth network connect`. */
export default command({
  usage: "[OPTIONS] NETWORK CONTAINER",
  summary: "Connect a container to a network",
  args: [2, 2],
  flags: {
    alias: { kind: "list", type: "strings", help: "Another name of the container in the network" },
    "driver-opt": { kind: "list", type: "strings", help: "Options of the driver for this connection" },
    "gw-priority": { kind: "int", help: "The network with the highest number has the default gateway" },
    ip: { kind: "string", help: "IPv4 address, such as 172.30.100.104" },
    ip6: { kind: "string", help: "IPv6 address, such as 2001:db8::33" },
    link: { kind: "list", help: "Another container's name in the network, for this one alone" },
    "link-local-ip": { kind: "list", type: "strings", help: "A link-local address" },
  },
  async run(ctx, { flags, args: [network = "", container = ""] }) {
    const linkLocal = flags["link-local-ip"];
    await ctx.engine.networks.connect(network, {
      Container: container,
      EndpointConfig: {
        IPAMConfig: {
          ...(flags.ip ? { IPv4Address: flags.ip } : {}),
          ...(flags.ip6 ? { IPv6Address: flags.ip6 } : {}),
          ...(linkLocal.length > 0 ? { LinkLocalIPs: linkLocal } : {}),
        },
        Links: flags.link,
        Aliases: flags.alias,
        DriverOpts: pairs(flags["driver-opt"]),
        GwPriority: flags["gw-priority"],
      },
    });
    return 0;
  },
});
