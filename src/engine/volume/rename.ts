import type { Volume } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { volumeUsers } from "../container/volumes.ts";
import { type Container, isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";

/**
 * Gives a volume another name, everywhere at once: its folder, and the containers that have it, which keep it mounted. One transaction
 * and one rename(2); a kill in between is finished at the next start. Throws `not-found`, and `conflict` where the name is taken.
 */
export function renameVolume(ctx: EngineContext, name: string, to: string): Volume {
  const { Options: options } = ctx.volumes.inspect(name);
  const users = volumeUsers(ctx, name).flatMap((id) => ctx.containers.get(id) ?? []);
  const running = users.find((container) => isRunning(container));
  // What is mounted on its folder is known by the folder's path.
  if (options?.["device"] !== undefined && running)
    throw new BerthError("conflict", `rename ${name}: its device is mounted for container ${running.record.name}`, {
      hint: "stop that container first",
    });
  const before = ctx.volumes.path(name);
  const volume = ctx.volumes.rename(name, to, (path) => {
    for (const container of users) ctx.containers.save(container, withVolume(container, { name, before, to, path }));
  });
  ctx.events.emit("volume", "rename", { id: to, attributes: { driver: "local", oldName: name } });
  return volume;
}

/** A container's record with the volume under its new name: in the mounts, and in what inspect shows of the request. */
function withVolume(
  { record }: Container,
  { name, before, to, path }: { name: string; before: string; to: string; path: string },
): Partial<Container["record"]> {
  const { mounts, hostConfig } = record;
  const ofIt = (mount: { type: string; name?: string }): boolean => mount.type === "volume" && mount.name === name;
  const source = (text: string): string =>
    text === before || text.startsWith(`${before}/`) ? path + text.slice(before.length) : text;
  return {
    mounts: mounts.map((mount) => (ofIt(mount) ? { ...mount, name: to, source: source(mount.source) } : mount)),
    hostConfig: {
      ...hostConfig,
      ...(hostConfig.Binds ? { Binds: hostConfig.Binds.map((bind) => renamedBind(bind, name, to)) } : {}),
      ...(hostConfig.Mounts
        ? {
            Mounts: hostConfig.Mounts.map((m) => (m.Type === "volume" && m.Source === name ? { ...m, Source: to } : m)),
          }
        : {}),
    },
  };
}

function renamedBind(bind: string, name: string, to: string): string {
  return bind.startsWith(`${name}:`) ? `${to}${bind.slice(name.length)}` : bind;
}
