import { command } from "../command.ts";
import { REGISTRY_FLAGS, registryOutput } from "../options/registry.ts";

/** `berth registry serve`: an OCI registry in the foreground, until it is told to end. */
export default command({
  usage: "[OPTIONS]",
  summary: "Serve an OCI registry (Berth only)",
  args: [0, 0],
  flags: REGISTRY_FLAGS,
  async run(ctx, { flags }) {
    const { runRegistry } = await ctx.registryServer();
    return runRegistry(flags, registryOutput(ctx));
  },
});
