import { command } from "../command.ts";
import { parseFilters } from "../filters.ts";
import { pruneFilters } from "../hosts/preferences.ts";
import { confirm } from "../prune.ts";

/** `berth network prune`. */
export default command({
  usage: "[OPTIONS]",
  summary: "Remove all unused networks",
  since: 25,
  args: [0, 0],
  flags: {
    filter: { kind: "list", type: "filter", help: "Only what matches, such as until=24h" },
    force: { kind: "bool", short: "f", help: "Do not ask" },
  },
  async run(ctx, { flags }) {
    const warning = "WARNING! This will remove all custom networks not used by at least one container.";
    if (!(await confirm(ctx, warning, flags.force))) return 0;
    const { NetworksDeleted } = await ctx.engine.networks.prune(pruneFilters(ctx, parseFilters(flags.filter)));
    if (NetworksDeleted?.length) ctx.io.out(`Deleted Networks:\n${NetworksDeleted.join("\n")}\n\n`);
    return 0;
  },
});
