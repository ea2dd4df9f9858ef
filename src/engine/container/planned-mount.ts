import { posix } from "node:path";
import type { BerthError } from "../../spec/errors.ts";
import type { IdMapWish } from "../../spec/id-map.ts";
import type { EngineContext } from "../context.ts";
import type { MountRecord } from "../record.ts";

/** How mounts below a bind travel (mount_namespaces(7)). */
export const PROPAGATIONS = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

/** What `planMounts` decides on: a volume may still have to be made, and filled from the image. */
export interface PlannedMount {
  mount: MountRecord;
  /** Owners to map, with what only the creation of the container tells (`resolveIdMaps`). */
  map?: IdMapWish;
  /** What a secret says: kept with the container when that is made. */
  bytes?: Buffer;
  volume?: {
    name?: string;
    labels?: Record<string, string>;
    driver?: string;
    options?: Record<string, string>;
    copy: boolean;
  };
}

/** A destination is absolute and not the root. `complain` makes the error of what it is told. */
export function checkTarget(target: string, complain: (why: string) => BerthError): void {
  if (!target.startsWith("/")) throw complain(`invalid mount path: '${target}' mount path must be absolute`);
  if (posix.resolve(target) === "/") throw complain("invalid specification: destination can't be '/'");
}

/** How anonymous volumes are mounted. */
export const ANONYMOUS = { mode: "", rw: true };

/** A volume that is made when the container is. */
export function volumeMount(
  destination: string,
  wanted: NonNullable<PlannedMount["volume"]>,
  flags: { mode: string; rw: boolean; subpath?: string },
): PlannedMount {
  const name = wanted.name === undefined ? {} : { name: wanted.name };
  return { mount: { type: "volume", source: "", destination, ...name, ...flags, propagation: "" }, volume: wanted };
}

/** The tree of an image, read-only. Throws `not-found`. */
export function imageMount(ctx: EngineContext, reference: string): Omit<MountRecord, "destination"> {
  const { id: image, top } = ctx.images.resolve(reference);
  const { base, lower } = ctx.layers.mount(top);
  const source = posix.join(base, lower[0] ?? "");
  const shared = { mode: "", rw: false, propagation: "rprivate" };
  return { type: "image", name: reference, image, source, ...shared, ...(top ? { top } : {}) };
}

/** A tmpfs with these options of mount(8). */
export function tmpfsMount(destination: string, options: string[]): PlannedMount {
  const rw = !options.includes("ro");
  return { mount: { type: "tmpfs", source: "", destination, mode: "", rw, propagation: "", options } };
}
