import { command } from "../command.ts";
import { printLine } from "../context.ts";

/** `berth registry user ls`: their names, one a line. */
export default command({
  usage: "FILE",
  summary: "List the users of a file (Berth only)",
  args: [1, 1],
  flags: {},
  async run(ctx, { args: [file = ""] }) {
    const { listUsers } = await ctx.registryServer();
    for (const user of listUsers(file)) printLine(ctx, user);
    return 0;
  },
});
