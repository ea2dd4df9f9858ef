import { command } from "../command.ts";

/** `berth network disconnect`. */
export default command({
  usage: "[OPTIONS] NETWORK CONTAINER",
  summary: "Disconnect a container from a network",
  args: [2, 2],
  flags: { force: { kind: "bool", short: "f", help: "Force the container to disconnect from a network" } },
  async run(ctx, { flags, args: [network = "", container = ""] }) {
    await ctx.engine.networks.disconnect(network, { Container: container, Force: flags.force });
    return 0;
  },
});
