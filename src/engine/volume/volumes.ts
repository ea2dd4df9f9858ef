import type { VolumeBackend } from "../../api/backend.ts";
import type { Filters } from "../../image/types.ts";
import type { Volume } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { treeSize } from "../container/sizes.ts";
import { volumeUsers } from "../container/volumes.ts";
import type { EngineContext } from "../context.ts";
import { cloneVolume, exportVolume, importVolume } from "./content.ts";
import { renameVolume } from "./rename.ts";

/** Router `volume`: the volume service, with the containers that use a volume, and events. */
export function volumeBackend(ctx: EngineContext): VolumeBackend {
  const emit = (action: string, id: string, driver: string): void =>
    ctx.events.emit("volume", action, { id, attributes: { driver } });
  return {
    list: (filters) => listVolumes(ctx, filters),
    create: async (body) => {
      const known = body.Name !== undefined && ctx.volumes.has(body.Name);
      const volume = await ctx.volumes.make({
        ...(body.Name ? { name: body.Name } : { anonymous: true }),
        ...(body.Labels ? { labels: body.Labels } : {}),
        driver: body.Driver || "local",
        ...(body.DriverOpts ? { options: body.DriverOpts } : {}),
      });
      if (!known) emit("create", volume.Name, volume.Driver);
      return volume;
    },
    inspect: (name) => ctx.volumes.look(name),
    remove: async (name, options) => {
      const known = ctx.volumes.has(name);
      const driver = ctx.volumes.driverOf(name);
      if (ctx.volumes.unsettled().includes(name))
        throw new BerthError("conflict", `remove ${name}: the volume is still being made`);
      const usedBy = volumeUsers(ctx, name);
      const names = usedBy.map((id) => ctx.containers.get(id)?.record.name ?? id);
      await ctx.volumes.remove(name, { force: options.force, usedBy, names });
      if (known) emit("destroy", name, driver);
    },
    prune: (filters) => pruneVolumes(ctx, filters),
    rename: async (name, to) => renameVolume(ctx, name, to),
    export: (name, options) => exportVolume(ctx, name, options),
    import: (name, options, tar) => importVolume(ctx, name, options, tar),
    clone: (name, wanted) => cloneVolume(ctx, name, wanted),
  };
}

/** `dangling` is answered here, the other filters by the service. */
async function listVolumes(ctx: EngineContext, filters: Filters): Promise<{ Volumes: Volume[]; Warnings: string[] }> {
  const { dangling = [], ...rest } = filters;
  const isTrue = (value: string): boolean => ["true", "1"].includes(value);
  const wanted = dangling.some(isTrue);
  const fits = dangling.every((value) => isTrue(value) === wanted && (wanted || ["false", "0"].includes(value)));
  if (!fits) throw new BerthError("invalid-argument", `invalid filter 'dangling=[${dangling.join(" ")}]'`);
  if ("label!" in rest) throw new BerthError("invalid-argument", "invalid filter 'label!'");
  const { volumes, warnings: Warnings } = await ctx.volumes.listAll(rest);
  if (dangling.length === 0) return { Volumes: volumes, Warnings };
  return { Volumes: volumes.filter(({ Name }) => (volumeUsers(ctx, Name).length === 0) === wanted), Warnings };
}

/** Unused anonymous volumes; with `all=true` named ones too. */
async function pruneVolumes(
  ctx: EngineContext,
  filters: Filters,
): Promise<{ VolumesDeleted: string[]; SpaceReclaimed: number }> {
  const { all, ...rest } = filters;
  const unknown = Object.keys(rest).find((key) => key !== "label" && key !== "label!");
  if (unknown !== undefined) throw new BerthError("invalid-argument", `invalid filter '${unknown}'`);
  if (all && all.length > 1)
    throw new BerthError("invalid-argument", `invalid filter 'all=[${all.join(" ")}]': only one value is expected`);
  const named = isTrue(all?.[0] ?? "false");
  const deleted: string[] = [];
  let space = 0;
  for (const { Name: name, Mountpoint: path, Options: options } of ctx.volumes.list(rest)) {
    if (volumeUsers(ctx, name).length > 0 || (!named && !ctx.volumes.isAnonymous(name))) continue;
    // What is mounted there is not ours, and is not freed.
    const size = options?.["device"] === undefined ? await treeSize(path) : 0;
    await ctx.volumes.remove(name, { force: false, usedBy: volumeUsers(ctx, name) });
    deleted.push(name);
    space += size;
  }
  ctx.events.emit("volume", "prune", { id: "", attributes: { reclaimed: String(space) } });
  return { VolumesDeleted: deleted, SpaceReclaimed: space };
}

function isTrue(value: string): boolean {
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw new BerthError(
    "invalid-argument",
    `invalid filter 'all': strconv.ParseBool: parsing "${value}": invalid syntax`,
  );
}
