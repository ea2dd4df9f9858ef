import { command } from "../command.ts";
import { parseFilters } from "../filters.ts";
import { humanSize } from "../format/units.ts";
import { pruneFilters } from "../hosts/preferences.ts";
import { confirm } from "../prune.ts";

/** `berth builder prune`. */
export default command({
  usage: "",
  summary: "Remove build cache",
  since: 31,
  args: [0, 0],
  flags: {
    all: { kind: "bool", short: "a", help: "Remove all unused build cache, not only what hangs loose" },
    filter: { kind: "list", type: "filter", help: "Only what matches, such as until=24h" },
    force: { kind: "bool", short: "f", help: "Do not ask" },
    "keep-storage": { kind: "bytes", help: "Taken for compatibility" },
  },
  async run(ctx, { flags }) {
    const warning = `WARNING! This will remove all ${flags.all ? "" : "dangling "}build cache.`;
    if (!(await confirm(ctx, "", flags.force, `${warning} Are you sure you want to continue?`))) return 0;
    const { SpaceReclaimed = 0 } = await ctx.engine.system.pruneBuild({
      all: flags.all,
      filters: pruneFilters(ctx, parseFilters(flags.filter)),
    });
    ctx.io.out(`Total reclaimed space: ${humanSize(SpaceReclaimed)}\n`);
    return 0;
  },
});
