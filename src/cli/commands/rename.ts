import { command } from "../command.ts";

/** `berth rename`. */
export default command({
  usage: "CONTAINER NEW_NAME",
  summary: "Rename a container",
  args: [2, 2],
  flags: {},
  async run(ctx, { args: [id = "", name = ""] }) {
    await ctx.engine.containers.rename(id, name.trim());
    return 0;
  },
});
