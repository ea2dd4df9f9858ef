import type { HostConfig } from "../../spec/engine-api.ts";
import type { Owner } from "../../spec/id-map.ts";

const MAP_ME = /(^|,)map=me(?=,|@|$)/;

/** Who calls this command: behind sudo(8) the user who did. */
export function caller(env: NodeJS.ProcessEnv, self: Owner): Owner {
  const [uid, gid] = [env["SUDO_UID"], env["SUDO_GID"]];
  const behindSudo = self.uid === 0 && /^\d+$/.test(uid ?? "") && /^\d+$/.test(gid ?? "");
  return behindSudo ? { uid: Number(uid), gid: Number(gid) } : self;
}

/** The host configuration with the caller's ids where `map=me` was asked for: the engine cannot know who calls. */
export function withCaller(host: HostConfig, { uid, gid }: Owner): HostConfig {
  const Binds = host.Binds?.map((bind) => {
    const [source = "", target = "", mode] = bind.split(":");
    return mode === undefined ? bind : [source, target, mode.replace(MAP_ME, `$1map=${uid}.${gid}`)].join(":");
  });
  const named = <T extends { Map?: string }>(options: T | undefined): T | undefined =>
    options?.Map ? { ...options, Map: options.Map.replace(/^me(?=@|$)/, `${uid}:${gid}`) } : options;
  const Mounts = host.Mounts?.map((mount) => {
    const [bind, volume] = [named(mount.BindOptions), named(mount.VolumeOptions)];
    return { ...mount, ...(bind ? { BindOptions: bind } : {}), ...(volume ? { VolumeOptions: volume } : {}) };
  });
  return { ...host, ...(Binds ? { Binds } : {}), ...(Mounts ? { Mounts } : {}) };
}
