import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path/posix";
import type { ChainId } from "../../layer/types.ts";
import type { ContainerConfig, HostConfig } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { changesNothing, type IdMapWish, type Owner } from "../../spec/id-map.ts";
import type { EngineContext } from "../context.ts";
import type { MountRecord } from "../record.ts";
import { resolveUser } from "../user.ts";
import type { PlannedMount } from "./planned-mount.ts";

/**
 * The plans with numbers for what their maps ask for: they stay these for the container's life. `me` of a client that did not say who it is means the owner of what
 * is mounted. Throws `invalid-argument` for a user that the image does not have.
 */
export function resolveIdMaps(
  ctx: EngineContext,
  plans: readonly PlannedMount[],
  { top, config, hostConfig }: { top: ChainId | undefined; config: ContainerConfig; hostConfig: HostConfig },
): PlannedMount[] {
  return plans.map(({ map, ...plan }) => {
    if (!map) return plan;
    const container = map.container ?? resolveUser(ctx.accounts.of(top), config.User ?? "", hostConfig.GroupAdd ?? []);
    const wanted = {
      host: hostOwner(map, plan.mount),
      container: { uid: container.uid, gid: container.gid },
    };
    return changesNothing(wanted) ? plan : { ...plan, mount: { ...plan.mount, map: wanted } };
  });
}

function hostOwner(map: IdMapWish, mount: MountRecord): Owner {
  if (map.host !== "me") return map.host;
  if (mount.type === "bind") return ownerOf(mount.source);
  throw new BerthError("invalid-argument", `map=me on ${mount.destination}: the client did not say who calls`, {
    hint: "name the ids of the host: map=UID:GID",
  });
}

/** The owner of a file or folder; of one that is still to be made, the owner of the folder that it will be in. */
function ownerOf(path: string): Owner {
  if (path !== "/" && !existsSync(path)) return ownerOf(dirname(path));
  const { uid, gid } = statSync(path);
  return { uid, gid };
}
