import type { Filters } from "../../client/containers.ts";
import { isKind } from "../../spec/errors.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { ExitError } from "../exit.ts";
import { parseFilters } from "../filters.ts";
import { humanSize } from "../format/units.ts";
import { pruneFilters } from "../hosts/preferences.ts";
import { confirm, removedImages } from "../prune.ts";

/** `berth system prune`: stopped containers, unused networks, images and build cache; volumes only with `--volumes`. */
export default command({
  usage: "[OPTIONS]",
  summary: "Remove unused data",
  since: 25,
  args: [0, 0],
  flags: {
    all: { kind: "bool", short: "a", help: "Remove all unused images, not only those without a name" },
    filter: { kind: "list", type: "filter", help: "Only what matches, such as label=x" },
    force: { kind: "bool", short: "f", help: "Do not ask" },
    volumes: { kind: "bool", help: "Remove anonymous volumes too" },
  },
  async run(ctx, { flags }) {
    const filters = pruneFilters(ctx, parseFilters(flags.filter));
    if (flags.volumes && filters["until"]) {
      throw new ExitError(1, 'ERROR: The "until" filter is not supported with "--volumes"');
    }
    if (!(await confirm(ctx, warningText(flags, filters), flags.force))) return 0;
    const { engine } = ctx;
    const containers = await engine.containers.prune(filters);
    section(ctx, "Deleted Containers", containers.ContainersDeleted ?? []);
    let freed = containers.SpaceReclaimed ?? 0;
    section(ctx, "Deleted Networks", await pruneNetworks(ctx, filters));
    if (flags.volumes) {
      const volumes = await engine.volumes.prune(filters);
      section(ctx, "Deleted Volumes", volumes.VolumesDeleted ?? []);
      freed += volumes.SpaceReclaimed ?? 0;
    }
    const images = await engine.images.prune({ ...filters, dangling: [String(!flags.all)] });
    section(ctx, "Deleted Images", removedImages(images.ImagesDeleted ?? []));
    const cache = await engine.system.pruneBuild({ all: flags.all, filters });
    section(ctx, "Deleted build cache objects", cache.CachesDeleted ?? []);
    freed += (images.SpaceReclaimed ?? 0) + (cache.SpaceReclaimed ?? 0);
    ctx.io.out(`Total reclaimed space: ${humanSize(freed)}\n`);
    return 0;
  },
});

function warningText(flags: { all: boolean; volumes: boolean }, filters: Filters): string {
  const what = [
    "all stopped containers",
    "all networks not used by at least one container",
    ...(flags.volumes ? ["all anonymous volumes not used by at least one container"] : []),
    flags.all ? "all images without at least one container associated to them" : "all dangling images",
    flags.all ? "all build cache" : "unused build cache",
  ];
  const list = (lines: readonly string[]): string => lines.map((line) => `  - ${line}\n`).join("");
  const only = Object.entries(filters).flatMap(([key, values]) => values.map((value) => `${key}=${value}`));
  const chosen = only.length > 0 ? `\n  Items to be pruned will be filtered with:\n${list(only.sort())}` : "";
  return `WARNING! This will remove:\n${list(what)}${chosen}`;
}

function section(ctx: Context, title: string, lines: readonly string[]): void {
  if (lines.length > 0) ctx.io.out(`${title}:\n${lines.join("\n")}\n\n`);
}

/** Engines whose networks are fixed have nothing to prune there. */
async function pruneNetworks(ctx: Context, filters: Record<string, string[]>): Promise<string[]> {
  try {
    return (await ctx.engine.networks.prune(filters)).NetworksDeleted ?? [];
  } catch (error) {
    if (isKind(error, "not-implemented") || isKind(error, "not-found")) return [];
    throw error;
  }
}
