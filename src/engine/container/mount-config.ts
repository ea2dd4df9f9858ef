import { statSync } from "node:fs";
import { posix } from "node:path";
import type { Mount as ApiMount } from "../../spec/engine-api.ts";
import { BerthError, errnoOf, messageOf } from "../../spec/errors.ts";
import { goErrno } from "../../spec/go-errno.ts";
import { parseIdMap } from "../../spec/id-map.ts";
import type { EngineContext } from "../context.ts";
import type { MountRecord } from "../record.ts";
import { checkTarget, imageMount, type PlannedMount, PROPAGATIONS, tmpfsMount, volumeMount } from "./planned-mount.ts";
import { secretMount, secretTarget } from "./secrets.ts";

const OPTIONS = {
  BindOptions: "bind",
  VolumeOptions: "volume",
  TmpfsOptions: "tmpfs",
  ImageOptions: "image",
  SecretOptions: "secret",
} as const;

/** Makes the error of what is wrong with a mount. */
export type Complain = (why: string) => BerthError;

/** One of HostConfig.Mounts. Throws `invalid-argument` in Docker's words; an image that is not there is `not-found`. */
export function parseMount(ctx: EngineContext, mount: ApiMount): PlannedMount {
  const complain: Complain = (why) =>
    new BerthError("invalid-argument", `invalid mount config for type "${mount.Type ?? ""}": ${why}`);
  if (mount.Type === "secret") mount = { ...mount, Target: secretTarget(mount) };
  if (!mount.Target) throw complain("field Target must not be empty");
  checkTarget(mount.Target, complain);
  checkOptions(mount, complain);
  const destination = posix.resolve(mount.Target);
  switch (mount.Type) {
    case "bind":
      return bind(mount, destination, complain);
    case "tmpfs":
      return tmpfs(mount, destination, complain);
    case "volume":
      return volume(mount, destination, complain);
    case "image":
      return image(ctx, { mount, destination }, complain);
    case "secret":
      return secretMount(mount, destination, complain);
    default:
      throw complain("mount type unknown");
  }
}

function checkOptions(mount: ApiMount, complain: Complain): void {
  for (const [field, type] of Object.entries(OPTIONS)) {
    if (!mount[field as keyof typeof OPTIONS] || type === mount.Type) continue;
    if (field === "ImageOptions") throw complain(`field ${field} must not be specified`);
    throw new BerthError("invalid-argument", `${field} must not be specified on mount type "${mount.Type ?? ""}"`);
  }
}

function bind(mount: ApiMount, destination: string, complain: Complain): PlannedMount {
  const source = mount.Source ?? "";
  const options = mount.BindOptions ?? {};
  if (source === "") throw complain("field Source must not be empty");
  if (!source.startsWith("/")) throw complain(`invalid mount path: '${source}' mount path must be absolute`);
  const propagation = options.Propagation || "rprivate";
  if (!PROPAGATIONS.includes(propagation)) throw complain(`invalid propagation mode: ${propagation}`);
  if (!options.CreateMountpoint) checkSource(source, complain);
  const rw = mount.ReadOnly !== true;
  checkRecursion(options, rw);
  return {
    ...mapOf(options.Map, complain),
    mount: {
      type: "bind",
      source: posix.resolve(source),
      destination,
      mode: "",
      rw,
      propagation,
      ...(options.CreateMountpoint ? {} : { mustExist: true }),
      ...(options.NonRecursive ? { nonRecursive: true } : {}),
      ...(options.ReadOnlyNonRecursive ? { submountsWritable: true } : {}),
    },
  };
}

/** Of `--mount` the source has to be there; that of `-v` is made. */
export function checkSource(
  source: string,
  complain: Complain = (why) => new BerthError("invalid-argument", `invalid mount config for type "bind": ${why}`),
): void {
  try {
    statSync(source);
  } catch (error) {
    const missing = errnoOf(error) === "ENOENT";
    throw complain(missing ? `bind source path does not exist: ${source}` : `stat ${source}: ${goErrno(error)}`);
  }
}

/** Docker tells these at the start; here nobody has to wait for it. */
function checkRecursion(options: NonNullable<ApiMount["BindOptions"]>, rw: boolean): void {
  const conflict = (what: string): BerthError => new BerthError("invalid-argument", `mount options conflict: ${what}`);
  const { ReadOnlyNonRecursive: writable, ReadOnlyForceRecursive: forced } = options;
  if (rw && writable) throw conflict("!ReadOnly && BindOptions.ReadOnlyNonRecursive");
  if (rw && forced) throw conflict("!ReadOnly && BindOptions.ReadOnlyForceRecursive");
  if (writable && forced) throw conflict("ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive");
}

function tmpfs(mount: ApiMount, destination: string, complain: Complain): PlannedMount {
  if (mount.Source) throw complain("field Source must not be specified");
  const { SizeBytes: size, Mode: mode, Options: own = [] } = mount.TmpfsOptions ?? {};
  for (const words of own) {
    if (words.length !== 1 && words.length !== 2) throw complain("invalid option array length");
    if (!["exec", "noexec"].includes(words[0] ?? "")) throw complain(`invalid option: ${words[0]}`);
    if (words.length > 1) throw complain(`invalid option: ${words[0]}`);
  }
  return tmpfsMount(destination, [
    ...(mount.ReadOnly ? ["ro"] : []),
    ...(size ? [`size=${size}`] : []),
    ...(mode ? [`mode=${mode.toString(8)}`] : []),
    ...own.flat(),
  ]);
}

function volume(mount: ApiMount, destination: string, complain: Complain): PlannedMount {
  const { Source: name = "", VolumeOptions: options = {} } = mount;
  const rw = mount.ReadOnly !== true;
  if (name === "" && !rw) throw complain("must not set ReadOnly mode when using anonymous volumes");
  if (name === "" && options.Subpath) throw complain("must not set Subpath when using anonymous volumes");
  const wanted = {
    ...(name ? { name } : {}),
    ...(options.Labels ? { labels: options.Labels } : {}),
    ...(options.DriverConfig?.Name ? { driver: options.DriverConfig.Name } : {}),
    ...(options.DriverConfig?.Options ? { options: options.DriverConfig.Options } : {}),
    copy: options.NoCopy !== true,
  };
  const plan = volumeMount(destination, wanted, { mode: "z", rw, ...subpathOf(options.Subpath, complain) });
  return { ...plan, ...mapOf(options.Map, complain) };
}

function mapOf(text: string | undefined, complain: Complain): Pick<PlannedMount, "map"> {
  if (!text) return {};
  try {
    return { map: parseIdMap(text) };
  } catch (error) {
    throw complain(messageOf(error));
  }
}

function image(
  ctx: EngineContext,
  { mount, destination }: { mount: ApiMount; destination: string },
  complain: Complain,
): PlannedMount {
  if (!mount.Source) throw complain("field Source must not be empty");
  const subpath = subpathOf(mount.ImageOptions?.Subpath, complain);
  return { mount: { ...imageMount(ctx, mount.Source), destination, ...subpath } };
}

/** A path that stays below where it begins, by its text; what links do is looked at when it is mounted. */
function subpathOf(path: string | undefined, complain: Complain): Pick<MountRecord, "subpath"> {
  if (!path) return {};
  const clean = posix.normalize(path);
  if (path.startsWith("/") || clean === ".." || clean.startsWith("../"))
    throw complain("subpath must be a relative path within the volume");
  return clean === "." || clean === "./" ? {} : { subpath: clean.replace(/\/$/, "") };
}
