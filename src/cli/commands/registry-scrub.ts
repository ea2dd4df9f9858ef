import { command } from "../command.ts";
import { REGISTRY_FLAGS, registryFlags, registryOutput } from "../options/registry.ts";

/** `berth registry scrub`: what is damaged is told and taken away. */
export default command({
  usage: "[OPTIONS]",
  summary: "Read all of a registry's blobs and compare them with their digests (Berth only)",
  args: [0, 0],
  flags: { config: REGISTRY_FLAGS.config, root: REGISTRY_FLAGS.root },
  async run(ctx, { flags }) {
    const { scrubRegistry } = await ctx.registryServer();
    return scrubRegistry(registryFlags(flags), registryOutput(ctx));
  },
});
