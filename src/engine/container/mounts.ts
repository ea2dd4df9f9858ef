import { existsSync } from "node:fs";
import { posix } from "node:path";
import type { Mount as ApiMount, ContainerConfig, HostConfig, MountPoint } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import type { Mount } from "../../spec/runtime-spec.ts";
import { checkVolumeName } from "../../volume/names.ts";
import type { EngineContext } from "../context.ts";
import type { MountRecord } from "../record.ts";

const PROPAGATIONS = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];
/** Words of `-v` by kind that ask for nothing here: SELinux labels, copy-up (told apart elsewhere), consistency. */
const IGNORED_MODES = [["z", "Z"], ["nocopy"], ["consistent", "cached", "delegated", "default"]];
/** Options of a tmpfs: flags of mount(8), and the file system's own (tmpfs(5)). */
const TMPFS_FLAGS =
  /^(r[ow]|(no)?(exec|suid|dev|atime|diratime|relatime|strictatime)|a?sync|dirsync|defaults|remount|(no)?(mand|iversion)|r?(private|shared|slave|unbindable)|r?bind)$/;
const TMPFS_VALUES = /^(size|mode|uid|gid|nr_inodes|nr_blocks|mpol|huge)=/;

const bad = (message: string): BerthError => new BerthError("invalid-argument", message);

/** What `planMounts` decides on: a volume may still have to be made, and filled from the image. */
export interface PlannedMount {
  mount: MountRecord;
  volume?: {
    name?: string;
    labels?: Record<string, string>;
    driver?: string;
    options?: Record<string, string>;
    copy: boolean;
  };
}

/**
 * A container's mounts, one for each destination: volumes-from under binds and mounts, anonymous volumes of the image or the command where
 * nothing else is. Nothing is made yet. Throws in Docker's words.
 */
export function planMounts(ctx: EngineContext, config: ContainerConfig, host: HostConfig): PlannedMount[] {
  const inherited = (host.VolumesFrom ?? []).flatMap((from) => fromContainer(ctx, from));
  const plans = new Map(inherited.map((plan) => [plan.mount.destination, plan]));
  const own = new Set<string>();
  const add = (plan: PlannedMount): void => {
    const { destination } = plan.mount;
    if (own.has(destination)) throw bad(`Duplicate mount point: ${destination}`);
    own.add(destination);
    plans.set(destination, plan);
  };
  for (const bind of host.Binds ?? []) add(parseBind(bind, host.VolumeDriver));
  for (const mount of host.Mounts ?? []) add(parseMount(mount));
  for (const [path, options] of Object.entries(host.Tmpfs ?? {})) add(tmpfs(cleanTarget(path), checkedTmpfs(options)));
  for (const path of Object.keys(config.Volumes ?? {})) {
    const destination = cleanTarget(path);
    if (!plans.has(destination)) plans.set(destination, volume(destination, { copy: true }, { mode: "", rw: true }));
  }
  return [...plans.values()].sort((a, b) => (a.mount.destination < b.mount.destination ? -1 : 1));
}

/** `source:destination[:mode]`, or a lone destination for an anonymous volume. */
function parseBind(text: string, driver: string | undefined): PlannedMount {
  const parts = text.split(":");
  if (parts.length > 3 || parts.some((p) => p === "")) throw bad(`invalid volume specification: '${text}'`);
  if (parts.length === 1) return volume(cleanTarget(text), { copy: true, ...driverOf(driver) }, { mode: "", rw: true });
  const [source = "", target = "", mode = ""] = parts;
  const flags = parseMode(mode);
  const kind = source.startsWith("/") ? "bind" : "volume";
  const complain = (why: string): BerthError =>
    bad(`invalid volume specification: '${text}': invalid mount config for type "${kind}": ${why}`);
  if (!target.startsWith("/")) throw complain(`invalid mount path: '${target}' mount path must be absolute`);
  const destination = posix.resolve(target);
  if (destination === "/") throw complain("invalid specification: destination can't be '/'");
  if (kind === "bind") {
    return {
      mount: {
        type: "bind",
        source: cleanPath(source),
        destination,
        mode,
        rw: flags.rw,
        propagation: flags.propagation || "rprivate",
      },
    };
  }
  checkVolumeName(source);
  return volume(
    destination,
    { name: source, copy: !mode.split(",").includes("nocopy"), ...driverOf(driver) },
    { mode: mode || "z", rw: flags.rw },
  );
}

function parseMode(mode: string): { rw: boolean; propagation: string } {
  const words = mode.split(",").filter(Boolean);
  // At most one word of each kind.
  const of = (kind: readonly string[]): string[] => words.filter((word) => kind.includes(word));
  const kinds = [["ro", "rw"], PROPAGATIONS, ...IGNORED_MODES].map(of);
  const known = kinds.reduce((sum, found) => sum + found.length, 0);
  if (known < words.length || kinds.some((found) => found.length > 1)) throw bad(`invalid mode: ${mode}`);
  return { rw: !words.includes("ro"), propagation: of(PROPAGATIONS)[0] ?? "" };
}

function parseMount(mount: ApiMount): PlannedMount {
  const type = mount.Type ?? "volume";
  const complain = (why: string): BerthError => bad(`invalid mount config for type "${type}": ${why}`);
  if (!mount.Target) throw complain("field Target must not be empty");
  const destination = cleanTarget(mount.Target);
  const rw = mount.ReadOnly !== true;
  switch (type) {
    case "bind": {
      const source = mount.Source ?? "";
      if (source === "") throw complain("field Source must not be empty");
      if (!source.startsWith("/")) throw complain(`invalid mount path: '${source}' mount path must be absolute`);
      if (!existsSync(source) && !mount.BindOptions?.CreateMountpoint)
        throw complain(`bind source path does not exist: ${source}`);
      const propagation = mount.BindOptions?.Propagation || "rprivate";
      if (!PROPAGATIONS.includes(propagation)) throw complain(`invalid propagation mode: ${propagation}`);
      const alone = mount.BindOptions?.NonRecursive ? { nonRecursive: true } : {};
      return { mount: { type, source: cleanPath(source), destination, mode: "", rw, propagation, ...alone } };
    }
    case "tmpfs": {
      if (mount.Source) throw complain("field Source must not be specified");
      const { SizeBytes: size, Mode: mode } = mount.TmpfsOptions ?? {};
      return tmpfs(destination, [
        ...(size ? [`size=${size}`] : []),
        ...(mode ? [`mode=${mode.toString(8)}`] : []),
        ...(rw ? [] : ["ro"]),
      ]);
    }
    case "volume": {
      const options = mount.VolumeOptions;
      return volume(
        destination,
        {
          ...(mount.Source ? { name: mount.Source } : {}),
          ...(options?.Labels ? { labels: options.Labels } : {}),
          ...driverOf(options?.DriverConfig?.Name),
          ...(options?.DriverConfig?.Options ? { options: options.DriverConfig.Options } : {}),
          copy: options?.NoCopy !== true,
        },
        { mode: "z", rw },
      );
    }
    default:
      if (!["image", "npipe", "cluster"].includes(type)) throw complain("mount type unknown");
      throw new BerthError("not-implemented", `mounts of type "${type}" are not supported`);
  }
}

function fromContainer(ctx: EngineContext, text: string): PlannedMount[] {
  const at = text.lastIndexOf(":");
  const [reference, mode] = at < 0 ? [text, "rw"] : [text.slice(0, at), text.slice(at + 1)];
  const { rw } = parseMode(mode);
  let mounts: MountRecord[];
  try {
    mounts = ctx.containers.find(reference).record.mounts;
  } catch (error) {
    throw bad(error instanceof Error ? error.message : String(error));
  }
  return mounts.filter((m) => m.type !== "tmpfs").map((m) => ({ mount: { ...m, rw: m.rw && rw } }));
}

function volume(
  destination: string,
  wanted: NonNullable<PlannedMount["volume"]>,
  flags: { mode: string; rw: boolean },
): PlannedMount {
  const name = wanted.name === undefined ? {} : { name: wanted.name };
  return { mount: { type: "volume", source: "", destination, ...name, ...flags, propagation: "" }, volume: wanted };
}

function tmpfs(destination: string, options: string[]): PlannedMount {
  const rw = !options.includes("ro");
  return { mount: { type: "tmpfs", source: "", destination, mode: "", rw, propagation: "", options } };
}

function checkedTmpfs(text: string): string[] {
  const options = text.split(",").filter(Boolean);
  const strange = options.find((o) => !TMPFS_FLAGS.test(o) && !TMPFS_VALUES.test(o));
  if (strange !== undefined) throw bad(`invalid tmpfs option ${JSON.stringify(strange)}`);
  return options;
}

function driverOf(name: string | undefined): { driver?: string } {
  return name ? { driver: name } : {};
}

function cleanPath(path: string): string {
  return posix.resolve(path);
}

function cleanTarget(path: string): string {
  if (!path.startsWith("/")) throw bad(`invalid mount path: '${path}' mount path must be absolute`);
  const clean = posix.resolve(path);
  if (clean === "/") throw bad("invalid specification: destination can't be '/'");
  return clean;
}

/** A mount as the OCI runtime wants it. */
export function runtimeMount(mount: MountRecord): Mount {
  const { destination } = mount;
  if (mount.type === "tmpfs") {
    const options = ["nosuid", "nodev", "noexec", ...(mount.options ?? [])];
    // A later word of the person's own takes back an earlier default.
    const kept = options.filter((o) => !options.includes(NEGATED[o] ?? ""));
    return { destination, type: "tmpfs", source: "tmpfs", options: kept };
  }
  const bind = mount.nonRecursive ? "bind" : "rbind";
  return {
    destination,
    type: "bind",
    source: mount.source,
    options: [bind, mount.rw ? "rw" : "ro", mount.propagation || "rprivate"],
  };
}

const NEGATED: Record<string, string> = { noexec: "exec", nosuid: "suid", nodev: "dev" };

/** Mounts as inspect and list show them. */
export function mountPoints(mounts: readonly MountRecord[]): MountPoint[] {
  return mounts
    .filter((m) => m.type !== "tmpfs" || m.options !== undefined)
    .map((m) => ({
      Type: m.type,
      ...(m.name === undefined ? {} : { Name: m.name }),
      Source: m.source,
      Destination: m.destination,
      ...(m.type === "volume" ? { Driver: "local" } : {}),
      Mode: m.mode,
      RW: m.rw,
      Propagation: m.propagation,
    }));
}
