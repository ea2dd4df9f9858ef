import { command } from "../command.ts";

/** `berth plugin set PLUGIN KEY=VALUE…`. */
export default command({
  usage: "PLUGIN KEY=VALUE [KEY=VALUE...]",
  summary: "Change settings for a plugin",
  since: 25,
  args: [2, Number.POSITIVE_INFINITY],
  flags: {},
  async run(ctx, { args: [name = "", ...settings] }) {
    await ctx.engine.plugins.set(name, settings);
    return 0;
  },
});
