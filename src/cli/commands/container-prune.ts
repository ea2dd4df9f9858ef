import { command } from "../command.ts";
import { parseFilters } from "../filters.ts";
import { pruneFilters } from "../hosts/preferences.ts";
import { confirm, printReclaimed } from "../prune.ts";

/** `berth container prune`. */
export default command({
  usage: "[OPTIONS]",
  summary: "Remove all stopped containers",
  since: 25,
  args: [0, 0],
  flags: {
    filter: { kind: "list", type: "filter", help: "Only what matches, such as until=24h or label=x" },
    force: { kind: "bool", short: "f", help: "Do not ask" },
  },
  async run(ctx, { flags }) {
    const filters = pruneFilters(ctx, parseFilters(flags.filter));
    if (!(await confirm(ctx, "WARNING! This will remove all stopped containers.", flags.force))) return 0;
    const { ContainersDeleted, SpaceReclaimed = 0 } = await ctx.engine.containers.prune(filters);
    printReclaimed(ctx, "Deleted Containers", ContainersDeleted ?? [], SpaceReclaimed);
    return 0;
  },
});
