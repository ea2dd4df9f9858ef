import { command } from "../command.ts";
import { REGISTRY_FLAGS, registryFlags, registryOutput } from "../options/registry.ts";

/** `berth registry gc`: what no manifest names goes; a registry that runs there is told to do it. */
export default command({
  usage: "[OPTIONS]",
  summary: "Collect a registry's garbage now (Berth only)",
  args: [0, 0],
  flags: {
    "gc-grace": REGISTRY_FLAGS["gc-grace"],
    "upload-timeout": REGISTRY_FLAGS["upload-timeout"],
    config: REGISTRY_FLAGS.config,
    root: REGISTRY_FLAGS.root,
  },
  async run(ctx, { flags }) {
    const { collectRegistry } = await ctx.registryServer();
    return collectRegistry(registryFlags(flags), registryOutput(ctx));
  },
});
