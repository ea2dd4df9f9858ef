import { release } from "node:os";
import { posix } from "node:path";
import type { ContainerConfig, HostConfig, MountPoint } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { type IdMapWish, parseIdMap } from "../../spec/id-map.ts";
import type { Mount } from "../../spec/runtime-spec.ts";
import { checkVolumeName } from "../../volume/names.ts";
import type { EngineContext } from "../context.ts";
import type { ContainerRecord, MountRecord } from "../record.ts";
import { parseMount } from "./mount-config.ts";
import { ANONYMOUS, checkTarget, type PlannedMount, PROPAGATIONS, tmpfsMount, volumeMount } from "./planned-mount.ts";

/** Words of `-v` by kind that ask for nothing here: SELinux labels, copy-up (told apart elsewhere), consistency. */
const IGNORED_MODES = [["z", "Z"], ["nocopy"], ["consistent", "cached", "delegated", "default"]];
const MAP = "map=";
/** Options of a tmpfs: flags of mount(8), and the file system's own (tmpfs(5)). */
const TMPFS_FLAGS =
  /^(r[ow]|(no)?(exec|suid|dev|atime|diratime|relatime|strictatime)|a?sync|dirsync|defaults|remount|(no)?(mand|iversion)|r?(private|shared|slave|unbindable)|r?bind)$/;
const TMPFS_VALUES = /^(size|mode|uid|gid|nr_inodes|nr_blocks|mpol|huge)=/;

const [MAJOR = 0, MINOR = 0] = release().split(".").map(Number);
const CAN_MAKE_ALL_READ_ONLY = MAJOR > 5 || (MAJOR === 5 && MINOR >= 12);

const bad = (message: string): BerthError => new BerthError("invalid-argument", message);

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
  for (const mount of host.Mounts ?? []) add(parseMount(ctx, mount));
  for (const [path, options] of Object.entries(host.Tmpfs ?? {}))
    add(tmpfsMount(cleanTarget(path), checkedTmpfs(options)));
  for (const path of Object.keys(config.Volumes ?? {})) {
    // Docker takes a relative one from the root.
    const destination = cleanTarget(path.startsWith("/") ? path : `/${path}`);
    if (!plans.has(destination))
      plans.set(destination, volumeMount(destination, { copy: true, ...driverOf(host.VolumeDriver) }, ANONYMOUS));
  }
  return [...plans.values()].sort((a, b) => (a.mount.destination < b.mount.destination ? -1 : 1));
}

/** `source:destination[:mode]`, or a lone destination for an anonymous volume. */
function parseBind(text: string, driver: string | undefined): PlannedMount {
  const parts = text.split(":");
  if (parts.length > 3 || parts.slice(0, 2).some((p) => p === "")) throw bad(`invalid volume specification: '${text}'`);
  const [source = "", target = source, mode = ""] = parts;
  const flags = parseMode(mode);
  const kind = parts.length > 1 && source.startsWith("/") ? "bind" : "volume";
  const complain = (why: string): BerthError =>
    bad(`invalid volume specification: '${text}': invalid mount config for type "${kind}": ${why}`);
  checkTarget(target, complain);
  const destination = posix.resolve(target);
  if (parts.length === 1) return volumeMount(destination, { copy: true, ...driverOf(driver) }, ANONYMOUS);
  const copy = !mode.split(",").includes("nocopy");
  if (kind === "bind") {
    if (!copy) throw complain("field VolumeOptions must not be specified");
    return {
      ...mapOf(flags),
      mount: {
        type: "bind",
        source: posix.resolve(source),
        destination,
        mode,
        rw: flags.rw,
        propagation: flags.propagation || "rprivate",
      },
    };
  }
  if (flags.propagation) throw complain("field BindOptions must not be specified");
  checkVolumeName(source);
  const wanted = { name: source, copy, ...driverOf(driver) };
  return { ...volumeMount(destination, wanted, { mode: mode || "z", rw: flags.rw }), ...mapOf(flags) };
}

interface Flags {
  rw: boolean;
  propagation: string;
  map?: IdMapWish;
}

const mapOf = ({ map }: Flags): Pick<PlannedMount, "map"> => (map ? { map } : {});

function parseMode(mode: string): Flags {
  const [all, maps] = [mode.split(",").filter(Boolean), mode.split(",").filter((word) => word.startsWith(MAP))];
  const words = all.filter((word) => !maps.includes(word));
  // At most one word of each kind.
  const of = (kind: readonly string[]): string[] => words.filter((word) => kind.includes(word));
  const kinds = [["ro", "rw"], PROPAGATIONS, ...IGNORED_MODES].map(of);
  const known = kinds.reduce((sum, found) => sum + found.length, 0);
  if (known < words.length || [...kinds, maps].some((found) => found.length > 1)) throw bad(`invalid mode: ${mode}`);
  const map = maps[0] === undefined ? {} : { map: parseIdMap(maps[0].slice(MAP.length)) };
  return { rw: !words.includes("ro"), propagation: of(PROPAGATIONS)[0] ?? "", ...map };
}

function fromContainer(ctx: EngineContext, text: string): PlannedMount[] {
  if (text === "") throw bad("volumes-from specification cannot be an empty string");
  const [reference = "", ...words] = text.split(":");
  const mode = words.join(":");
  const { rw, propagation, map } = parseMode(mode);
  if (propagation || map) throw bad(`invalid mode: ${mode}`);
  if (reference === "") throw bad('invalid name or ID supplied: ""');
  let mounts: MountRecord[];
  try {
    mounts = ctx.containers.find(reference).record.mounts;
  } catch (error) {
    throw bad(error instanceof Error ? error.message : String(error));
  }
  return mounts
    .filter((m) => m.type !== "tmpfs" && m.type !== "secret")
    .map((m) => ({ mount: { ...m, mode: "", rw: m.rw && rw } }));
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

function cleanTarget(path: string): string {
  checkTarget(path, bad);
  return posix.resolve(path);
}

/** A mount as the OCI runtime wants it. `source` is where it finds the source, and what that is. */
export function runtimeMount(mount: MountRecord, source: { path: string; isFolder: boolean }): Mount {
  const { destination } = mount;
  if (mount.type === "tmpfs") {
    const options = ["nosuid", "nodev", "noexec", ...(mount.options ?? [])];
    // A later word of the person's own takes back an earlier default.
    const kept = options.filter((o) => !options.includes(NEGATED[o] ?? ""));
    return { destination, type: "tmpfs", source: "tmpfs", options: kept };
  }
  if (mount.type === "secret")
    return {
      destination,
      type: "bind",
      source: source.path,
      options: ["bind", "ro", "nosuid", "nodev", "noexec", "rprivate"],
    };
  const bind = mount.nonRecursive ? "bind" : "rbind";
  return {
    destination,
    type: "bind",
    source: source.path,
    options: [bind, accessOf(mount, source.isFolder), mount.propagation || "rprivate"],
  };
}

/** Read-only is so for all that is mounted below, where the kernel can (mount_setattr(2), Linux 5.12), unless the person wants it otherwise. */
function accessOf(mount: MountRecord, isFolder: boolean): string {
  if (mount.rw) return "rw";
  // Nothing is mounted below a file, and crun 1.8 opens the target as a folder.
  return !isFolder || mount.submountsWritable || mount.nonRecursive || !CAN_MAKE_ALL_READ_ONLY ? "ro" : "rro";
}

const NEGATED: Record<string, string> = { noexec: "exec", nosuid: "suid", nodev: "dev" };

/** Mounts as inspect and list show them: without those of `--tmpfs`, which Docker shows in the host configuration alone. */
export function mountPoints({ mounts, hostConfig }: ContainerRecord): MountPoint[] {
  const plain = new Set(Object.keys(hostConfig.Tmpfs ?? {}).map((path) => posix.resolve(path)));
  return mounts
    .filter((m) => m.type !== "tmpfs" || !plain.has(m.destination))
    .map((m) => ({
      Type: m.type,
      ...(m.name === undefined ? {} : { Name: m.name }),
      Source: m.type === "secret" ? "" : m.source,
      Destination: m.destination,
      ...(m.type === "volume" ? { Driver: m.driver ?? "local" } : {}),
      Mode: m.mode,
      RW: m.rw,
      Propagation: m.propagation,
    }));
}
