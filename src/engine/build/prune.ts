import { type CacheEntry, cacheEntries, pruneCache } from "../../build/cache.ts";
import type { Filters } from "../../image/types.ts";
import type { ChainId } from "../../layer/types.ts";
import { isDigest } from "../../spec/digest.ts";
import { BerthError } from "../../spec/errors.ts";
import { parseUntil } from "../../spec/instant.ts";
import type { EngineContext } from "../context.ts";
import { inUse } from "../image/prune.ts";
import { layersOf } from "../record.ts";

/** Docker's filters of the build cache. Labels are no property of it: where they are asked for, nothing fits. */
const FILTERS = ["until", "unused-for", "id", "type", "description", "inuse", "shared", "label", "label!"];

/**
 * Drops entries of the build cache, and the layers that nothing else needs then. Without `all` only what no image or container shares, and
 * never the steps that have no layer. Throws `invalid-argument` for an unknown filter.
 */
export async function pruneBuildCache(
  ctx: EngineContext,
  options: { all: boolean; filters: Filters; keepBytes?: number },
): Promise<{ CachesDeleted: string[]; SpaceReclaimed: number }> {
  const { all, filters } = options;
  for (const key of Object.keys(filters)) {
    if (!FILTERS.includes(key))
      throw new BerthError("invalid-argument", `failed to prune build cache: invalid filter '${key}'`);
  }
  const until = filters["until"]?.[0] ?? filters["unused-for"]?.[0];
  const shared = sharedChains(ctx);
  const dangling = (entry: CacheEntry): boolean => entry.chain !== undefined && !shared.has(entry.chain);
  const deleted = pruneCache(ctx.records, {
    ...(until === undefined ? {} : { unusedSince: parseUntil(until) }),
    ...(options.keepBytes === undefined ? {} : { keepBytes: options.keepBytes }),
    wanted: (key, entry) => (all || dangling(entry)) && fits(filters, { key, entry, shared }),
  });
  const space = await ctx.images.gc(inUse(ctx));
  ctx.events.emit("builder", "prune", { id: "", attributes: { reclaimed: String(space) } });
  return { CachesDeleted: deleted, SpaceReclaimed: space };
}

function fits(filters: Filters, of: { key: string; entry: CacheEntry; shared: ReadonlySet<ChainId> }): boolean {
  const { key, entry, shared } = of;
  const isShared = String(entry.chain !== undefined && shared.has(entry.chain));
  const tests: Record<string, (value: string) => boolean> = {
    id: (v) => key.startsWith(v),
    type: (v) => v === "regular",
    description: (v) => entry.step.includes(v),
    inuse: (v) => v === "false",
    shared: (v) => v === isShared,
    label: () => false,
    "label!": () => false,
  };
  return Object.entries(filters).every(([name, values]) => !tests[name] || values.some((v) => tests[name]?.(v)));
}

/** The cache as `GET /system/df` lists it. Steps without a layer take no space and are left out. */
export function listBuildCache(ctx: EngineContext): object[] {
  const shared = sharedChains(ctx);
  const byChain = new Map(cacheEntries(ctx.records).map(([key, entry]) => [entry.chain, key]));
  return cacheEntries(ctx.records).flatMap(([key, entry]) => {
    const { chain } = entry;
    const layer = chain && ctx.layers.get(chain);
    if (!layer) return [];
    const parent = byChain.get(layer.parent);
    return {
      ID: key,
      ...(layer.parent && parent ? { Parents: [parent] } : {}),
      Type: "regular",
      Description: entry.step,
      InUse: false,
      Shared: shared.has(layer.chainId),
      Size: entry.size,
      CreatedAt: new Date(entry.created).toISOString(),
      LastUsedAt: new Date(entry.lastUsed).toISOString(),
      UsageCount: (entry.uses ?? 0) + 1,
    };
  });
}

/** Layers that an image or a container has. */
function sharedChains(ctx: EngineContext): Set<ChainId> {
  const images = ctx.images
    .list({ all: true, filters: {} })
    .map(({ Id }) => (isDigest(Id) ? ctx.images.get(Id)?.top : undefined));
  const containers = ctx.containers.all().flatMap(({ record }) => layersOf(record));
  const shared = new Set<ChainId>();
  for (const top of [...images, ...containers]) {
    for (let at = top; at && !shared.has(at); at = ctx.layers.get(at)?.parent) shared.add(at);
  }
  return shared;
}
