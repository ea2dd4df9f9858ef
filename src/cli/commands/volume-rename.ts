import { command } from "../command.ts";

/** `berth volume rename VOLUME NEW_NAME`. */
export default command({
  usage: "VOLUME NEW_NAME",
  summary: "Rename a volume, also for the containers that have it (Berth only)",
  args: [2, 2],
  flags: {},
  async run(ctx, { args: [name = "", to = ""] }) {
    await ctx.engine.volumes.rename(name, to);
    return 0;
  },
});
