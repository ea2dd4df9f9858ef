import { command } from "../command.ts";
import { errorLine } from "../each.ts";
import { ExitError } from "../exit.ts";

/** `berth rename`. */
export default command({
  usage: "CONTAINER NEW_NAME",
  summary: "Rename a container",
  args: [2, 2],
  flags: {},
  async run(ctx, { args: [id = "", name = ""] }) {
    if (!id.trim() || !name.trim()) throw new ExitError(1, "Error: Neither old nor new names may be empty");
    await ctx.engine.containers.rename(id, name.trim()).catch((error: unknown) => {
      throw new ExitError(1, `${errorLine(error)}\nError: failed to rename container named ${id}`);
    });
    return 0;
  },
});
