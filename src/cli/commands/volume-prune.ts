import { command } from "../command.ts";
import { parseFilters } from "../filters.ts";
import { pruneFilters } from "../hosts/preferences.ts";
import { confirm, printReclaimed } from "../prune.ts";

/** `berth volume prune`: anonymous volumes; with `-a`, named ones too. */
export default command({
  usage: "[OPTIONS]",
  summary: "Remove unused local volumes",
  since: 25,
  args: [0, 0],
  flags: {
    all: { kind: "bool", short: "a", help: "Remove all unused volumes, not only anonymous ones" },
    filter: { kind: "list", type: "filter", help: "Only what matches, such as label=x" },
    force: { kind: "bool", short: "f", help: "Do not ask" },
  },
  async run(ctx, { flags }) {
    const filters = { ...pruneFilters(ctx, parseFilters(flags.filter)), ...(flags.all ? { all: ["true"] } : {}) };
    const what = flags.all ? "all local volumes" : "anonymous local volumes";
    const warning = `WARNING! This will remove ${what} not used by at least one container.`;
    if (!(await confirm(ctx, warning, flags.force))) return 0;
    const { VolumesDeleted, SpaceReclaimed = 0 } = await ctx.engine.volumes.prune(filters);
    printReclaimed(ctx, "Deleted Volumes", VolumesDeleted ?? [], SpaceReclaimed);
    return 0;
  },
});
