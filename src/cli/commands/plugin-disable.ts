import { command } from "../command.ts";

/** `berth plugin disable`. */
export default command({
  usage: "[OPTIONS] PLUGIN",
  summary: "Disable a plugin",
  since: 25,
  args: [1, 1],
  flags: { force: { kind: "bool", short: "f", help: "Disable it though it is in use" } },
  async run(ctx, { flags, args: [name = ""] }) {
    await ctx.engine.plugins.disable(name, flags.force);
    ctx.io.out(`${name}\n`);
    return 0;
  },
});
