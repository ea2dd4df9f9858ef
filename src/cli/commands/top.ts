import { command } from "../command.ts";
import { alignTable } from "../format/table.ts";

/** `berth top CONTAINER [ps options]`. */
export default command({
  usage: "CONTAINER [ps OPTIONS]",
  summary: "Display the running processes of a container",
  args: [1, Number.POSITIVE_INFINITY],
  interspersed: false,
  flags: {},
  async run(ctx, { args: [id = "", ...ps] }) {
    const { Titles = [], Processes = [] } = await ctx.engine.containers.top(id, ps.join(" "));
    ctx.io.out(alignTable([Titles, ...Processes], { minWidth: 20 }));
    return 0;
  },
});
