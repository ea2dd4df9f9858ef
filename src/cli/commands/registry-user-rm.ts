import { command } from "../command.ts";
import { printLine } from "../context.ts";

/** `berth registry user rm`: a registry that runs lets them in no more from the next request on. */
export default command({
  usage: "FILE USER [USER...]",
  summary: "Remove users from a file of a registry's users (Berth only)",
  args: [2, Number.POSITIVE_INFINITY],
  flags: {},
  async run(ctx, { args: [file = "", ...users] }) {
    const { removeUser } = await ctx.registryServer();
    for (const user of users) {
      removeUser({ file, user });
      printLine(ctx, user);
    }
    return 0;
  },
});
