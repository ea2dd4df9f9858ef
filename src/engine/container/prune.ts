import type { Filters } from "../../image/types.ts";
import { BerthError, isKind } from "../../spec/errors.ts";
import { parseUntil } from "../../spec/instant.ts";
import { hasLabel } from "../../spec/labels.ts";
import type { Container } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { removeContainer } from "./remove.ts";
import { sizesOf } from "./sizes.ts";

/** Removes all containers that are at rest and match `label`, `label!` and `until`. */
export async function pruneContainers(
  ctx: EngineContext,
  filters: Filters,
): Promise<{ ContainersDeleted: string[]; SpaceReclaimed: number }> {
  const matches = pruneFilter(filters);
  const deleted: string[] = [];
  let space = 0;
  for (const container of ctx.containers.all()) {
    const { status } = container.record.state;
    if ((status !== "created" && status !== "exited") || container.removing || !matches(container)) continue;
    const { SizeRw: size } = await sizesOf(ctx, container.record);
    try {
      await removeContainer(ctx, container.record.id, { force: false, volumes: false, link: false });
    } catch (error) {
      if (isKind(error, "conflict") || isKind(error, "not-found")) continue; // Started or removed by someone else meanwhile.
      throw error;
    }
    deleted.push(container.record.id);
    space += size;
  }
  ctx.events.emit("container", "prune", { id: "", attributes: { reclaimed: String(space) } });
  return { ContainersDeleted: deleted, SpaceReclaimed: space };
}

function pruneFilter(filters: Filters): (container: Container) => boolean {
  for (const key of Object.keys(filters)) {
    if (!["label", "label!", "until"].includes(key))
      throw new BerthError("invalid-argument", `invalid filter '${key}'`);
  }
  const until = filters["until"]?.[0];
  const before = until === undefined ? Number.POSITIVE_INFINITY : parseUntil(until);
  return ({ record }) =>
    record.created < before &&
    (filters["label"] ?? []).every((l) => hasLabel(record.config.Labels, l)) &&
    !(filters["label!"] ?? []).some((l) => hasLabel(record.config.Labels, l));
}
