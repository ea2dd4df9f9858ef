import { command } from "../command.ts";
import { parseFilters } from "../filters.ts";
import { pruneFilters } from "../hosts/preferences.ts";
import { confirm, printReclaimed, removedImages } from "../prune.ts";

/** `berth image prune`: images without a name; with `-a`, all that no container uses. */
export default command({
  usage: "[OPTIONS]",
  summary: "Remove unused images",
  since: 25,
  args: [0, 0],
  flags: {
    all: { kind: "bool", short: "a", help: "Remove all unused images, not only those without a name" },
    filter: { kind: "list", type: "filter", help: "Only what matches, such as until=24h or label=x" },
    force: { kind: "bool", short: "f", help: "Do not ask" },
  },
  async run(ctx, { flags }) {
    const filters = { ...pruneFilters(ctx, parseFilters(flags.filter)), dangling: [String(!flags.all)] };
    const what = flags.all ? "images without at least one container associated to them" : "dangling images";
    if (!(await confirm(ctx, `WARNING! This will remove all ${what}.`, flags.force))) return 0;
    const { ImagesDeleted, SpaceReclaimed = 0 } = await ctx.engine.images.prune(filters);
    printReclaimed(ctx, "Deleted Images", removedImages(ImagesDeleted ?? []), SpaceReclaimed);
    return 0;
  },
});
