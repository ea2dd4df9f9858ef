import { existsSync } from "node:fs";
import { join } from "node:path";
import type { BoundPath, FilesRoot } from "../../../layer/files/types.ts";
import { BerthError } from "../../../spec/errors.ts";
import { type Container, isRunning } from "../../container.ts";
import { containerDir, type EngineContext } from "../../context.ts";
import { withInitLayer } from "../../init-layer.ts";
import type { ContainerRecord } from "../../record.ts";
import { NETWORK_FILES } from "../network-files.ts";
import { kernelOwners } from "../stages.ts";

/**
 * Where a container's files are: those that its first process sees while it runs, else its layers and volumes, mounted for this one job. With `write`
 * the writable layer itself is mounted: the container's lock has to be held until the job is over.
 */
export function filesRoot(ctx: EngineContext, container: Container, options: { write: boolean }): FilesRoot {
  const { record, run } = container;
  if (run && isRunning(container)) return { kind: "process", pid: run.handle.pid };
  return { ...plainRoot(ctx, record, options), binds: bindsOf(ctx, record) };
}

/** The same without volumes and binds: what an export has. */
export function exportRoot(ctx: EngineContext, container: Container): FilesRoot {
  const { record, run } = container;
  const folder = `${ctx.execRoot}/containers/${record.id}/rootfs`;
  // The monitor's own namespace has the container's tree, and not what the OCI runtime mounted over it.
  if (run && isRunning(container)) return { kind: "process", pid: run.handle.monitorPid, folder };
  return plainRoot(ctx, record, { write: false });
}

/** Destinations of what a person has mounted; these are read, other mounts of a running container are not, and secrets never. */
export function ownMounts({ mounts }: ContainerRecord): { mounts: string[]; secrets: string[] } {
  const [secrets, own] = [mounts.filter((m) => m.type === "secret"), mounts.filter((m) => m.type !== "secret")];
  return { mounts: own.map((m) => m.destination), secrets: secrets.map((m) => m.destination) };
}

function plainRoot(
  ctx: EngineContext,
  record: ContainerRecord,
  options: { write: boolean },
): FilesRoot & { kind: "mount" } {
  const dir = containerDir(ctx, record.id);
  const [upper, work] = [`${dir}/upper`, `${dir}/work`];
  if (!existsSync(upper)) throw new BerthError("conflict", `container ${record.id} is being removed`);
  const overlay = withInitLayer(ctx, ctx.layers.mount(record.top, { upper, work }));
  const { upper: _, work: __, ...lower } = overlay;
  return {
    kind: "mount",
    // To read, the container's own layer is one more that is not written to: a start meanwhile does no harm.
    overlay: options.write ? overlay : { ...lower, lower: [upper, ...lower.lower] },
    readonly: options.write && record.hostConfig.ReadonlyRootfs === true,
    binds: [],
    scratch: `${ctx.dataRoot}/tmp`,
    helpers: `${ctx.dataRoot}/helper`,
  };
}

function bindsOf(ctx: EngineContext, record: ContainerRecord): BoundPath[] {
  const own = record.mounts
    .filter((m) => m.type !== "tmpfs" && m.type !== "secret" && existsSync(join(m.source, m.subpath ?? "")))
    .map(({ source, destination, rw, subpath, map }) => ({
      source,
      destination,
      rw,
      ...(subpath === undefined ? {} : { subpath }),
      ...(map ? { owners: kernelOwners(map) } : {}),
    }));
  const taken = new Set(own.map((m) => m.destination));
  const files = Object.entries(NETWORK_FILES)
    .map(([destination, file]) => ({
      source: `${containerDir(ctx, record.id)}/${file}`,
      destination,
      rw: record.hostConfig.ReadonlyRootfs !== true,
    }))
    .filter((m) => !taken.has(m.destination) && existsSync(m.source));
  return [...own, ...files].sort((a, b) => (a.destination < b.destination ? -1 : 1));
}
