import { cachedChains } from "../../build/cache.ts";
import type { Filters, RemovedItem } from "../../image/types.ts";
import { BerthError, isKind, messageOf } from "../../spec/errors.ts";
import { hasLabel } from "../../spec/labels.ts";
import type { EngineContext } from "../context.ts";
import { layersOf } from "../record.ts";
import { imageUsers } from "./users.ts";

const YES = ["true", "1"];
const NO = ["false", "0"];

/** Removes images that no container uses: dangling ones, or with `dangling=false` all. Then sweeps what nothing needs. */
export async function pruneImages(
  ctx: EngineContext,
  filters: Filters,
): Promise<{ ImagesDeleted: RemovedItem[]; SpaceReclaimed: number }> {
  const { dangling = ["true"], "label!": without = [], ...rest } = filters;
  const unknown = Object.keys(rest).find((key) => key !== "label" && key !== "until");
  if (unknown !== undefined) throw new BerthError("invalid-argument", `invalid filter '${unknown}'`);
  const flag = dangling[0] ?? "true";
  if (![...YES, ...NO].includes(flag)) throw new BerthError("invalid-argument", `invalid filter 'dangling=[${flag}]'`);
  const wanted = ctx.images
    .list({ all: false, filters: { ...rest, ...(YES.includes(flag) ? { dangling: ["true"] } : {}) } })
    .filter(({ Labels: labels }) => !without.some((label) => hasLabel(labels, label)));
  const deleted: RemovedItem[] = [];
  let space = 0;
  for (const { Id: id } of wanted) {
    const users = imageUsers(ctx);
    if (users.some((u) => u.image === id)) continue;
    const size = ctx.images.list({ all: false, filters: rest }).find((i) => i.Id === id)?.Size ?? 0;
    try {
      const { items, layers } = await ctx.images.remove(id, { force: true, prune: true, users, keep: inUse(ctx) });
      deleted.push(...items);
      for (const item of items) emitDeleted(ctx, item);
      deleted.push(...layers.map((Deleted) => ({ Deleted })));
      space += size;
    } catch (error) {
      if (!isKind(error, "conflict") && !isKind(error, "not-found")) throw error; // An image that another is built on stays.
    }
  }
  const freed = await ctx.images.gc(inUse(ctx));
  ctx.events.emit("image", "prune", { id: "", attributes: { reclaimed: String(Math.max(space, freed)) } });
  return { ImagesDeleted: deleted, SpaceReclaimed: Math.max(space, freed) };
}

/** Of a layer there is no event. */
function emitDeleted(ctx: EngineContext, item: RemovedItem): void {
  if ("Deleted" in item) ctx.events.emit("image", "delete", { id: item.Deleted, attributes: { name: item.Deleted } });
}

/** Frees what kills of former daemons left: content that no record came to name. Never rejects. */
export async function sweepLeftovers(ctx: EngineContext): Promise<void> {
  await ctx.images.sweepLeftovers(inUse(ctx)).catch((error: unknown) => {
    ctx.log("warn", `sweeping what is left of killed work: ${messageOf(error)}`);
  });
}

/** What containers and the build cache keep from being swept; looked up each time that it is read. */
export function inUse(ctx: EngineContext): Parameters<EngineContext["images"]["gc"]>[0] {
  return {
    get chains() {
      const tops = ctx.containers.all().flatMap((c) => layersOf(c.record));
      return [...tops, ...cachedChains(ctx.records)];
    },
    blobs: [],
  };
}
