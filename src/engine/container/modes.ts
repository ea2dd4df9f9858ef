import type { LaunchRequest } from "../../runtime/types.ts";
import type { ContainerConfig, HostConfig } from "../../spec/engine-api.ts";
import { BerthError, isKind, messageOf } from "../../spec/errors.ts";
import { type Container, isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";

const PREFIX = "container:";
const MODES = {
  PID: ["", "host"],
  IPC: ["", "none", "private", "shareable", "host"],
  UTS: ["", "host"],
  "cgroup namespace": ["", "private", "host"],
};

const bad = (message: string): BerthError => new BerthError("invalid-argument", message);

/** What `container:X` names, X; undefined for any other mode. */
export function sharedWith(mode: string | undefined): string | undefined {
  return mode?.startsWith(PREFIX) ? mode.slice(PREFIX.length) : undefined;
}

/** Checks the namespaces' modes, and what the person's own configuration may not say beside them. Throws `invalid-argument` in Docker's words. */
export function checkModes(own: ContainerConfig, host: HostConfig): void {
  checkMode("PID", host.PidMode, true);
  checkMode("IPC", host.IpcMode, true);
  checkMode("UTS", host.UTSMode, false);
  checkMode("cgroup namespace", host.CgroupnsMode, false);
  const conflict = (what: string): BerthError => bad(`conflicting options: ${what}`);
  if (host.UTSMode === "host" && own.Hostname) throw conflict("hostname and the UTS mode");
  const set = (value: object | null | undefined): boolean => Object.keys(value ?? {}).length > 0;
  if (host.NetworkMode === "host" && set(host.Links))
    throw conflict("host type networking can't be used with links. This would result in undefined behavior");
  if (sharedWith(host.NetworkMode) === undefined) return;
  if (host.NetworkMode === PREFIX) throw bad("invalid network mode: invalid container format container:<name|id>");
  if (own.Hostname) throw conflict("hostname and the network mode");
  if (set(host.Links))
    throw conflict("container type network can't be used with links. This would result in undefined behavior");
  if (set(host.Dns)) throw conflict("dns and the network mode");
  if (set(host.ExtraHosts)) throw conflict("custom host-to-IP mapping and the network mode");
  if (set(host.PortBindings) || host.PublishAllPorts)
    throw conflict("port publishing and the container type network mode");
  if (set(own.ExposedPorts)) throw conflict("port exposing and the container type network mode");
}

function checkMode(kind: keyof typeof MODES, mode = "", mayShare: boolean): void {
  const known = MODES[kind].includes(mode) || (mayShare && mode.startsWith(PREFIX) && mode !== PREFIX);
  if (!known) throw bad(`invalid ${kind} mode: ${mode}`);
}

/** The modes with ids in place of names, so that a renamed container stays the one that was meant. Only the network's may be unknown until the start. */
export function resolveModes(ctx: EngineContext, host: HostConfig): HostConfig {
  const id = (mode: string | undefined, unknown: "refused" | "kept"): string | undefined => {
    const other = sharedWith(mode);
    if (other === undefined) return mode;
    try {
      return PREFIX + ctx.containers.find(other).record.id;
    } catch (error) {
      if (unknown === "kept") return mode;
      throw bad(messageOf(error));
    }
  };
  const modes = {
    PidMode: id(host.PidMode, "refused"),
    IpcMode: id(host.IpcMode, "refused"),
    NetworkMode: id(host.NetworkMode, "kept"),
  };
  return { ...host, ...Object.fromEntries(Object.entries(modes).filter(([, mode]) => mode !== undefined)) };
}

/**
 * The namespaces of other containers that this one joins at its start, by path. Throws in Docker's words where such a container is unknown,
 * does not run or does not share.
 */
export function joinsOf(ctx: EngineContext, record: ContainerRecord): NonNullable<LaunchRequest["joins"]> {
  const { PidMode, IpcMode } = record.hostConfig;
  const pid = sharedWith(PidMode) === undefined ? undefined : runningDonor(ctx, PidMode, "PID").record.state.pid;
  const joins = pid === undefined ? {} : { pid: `/proc/${pid}/ns/pid` };
  if (sharedWith(IpcMode) === undefined) return joins;
  const { record: donor } = runningDonor(ctx, IpcMode, "IPC");
  const owner = ownerOf(ctx, donor, (host) => host.IpcMode);
  const ipc = `/proc/${donor.state.pid}/ns/ipc`;
  if (owner.hostConfig.IpcMode === "host") return { ...joins, ipc };
  if (owner.hostConfig.IpcMode !== "shareable") {
    throw bad(
      `failed to join IPC namespace: container ${donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    );
  }
  return { ...joins, ipc, shmOf: owner.id };
}

/** The container whose network namespace, host name and files one of mode `container:` has. Throws as `joinsOf`. */
export function networkDonor(ctx: EngineContext, record: ContainerRecord): Container | undefined {
  const reference = sharedWith(record.hostConfig.NetworkMode);
  if (reference === undefined) return undefined;
  let donor: Container;
  try {
    donor = ctx.containers.find(reference);
  } catch (error) {
    const kind = isKind(error, "not-found") ? "not-found" : "invalid-argument";
    throw new BerthError(kind, `joining network namespace of container: ${messageOf(error)}`, { cause: error });
  }
  if (isRunning(donor)) return donor;
  const { name, state } = donor.record;
  throw new BerthError(
    "conflict",
    `cannot join network namespace of a non running container: container ${name} is ${state.status}`,
  );
}

/** The record whose generated files a container has: its own, or those of the container whose network it shares, and so on. */
export function filesOwner(ctx: EngineContext, record: ContainerRecord): ContainerRecord {
  return ownerOf(ctx, record, (host) => host.NetworkMode);
}

function ownerOf(
  ctx: EngineContext,
  record: ContainerRecord,
  modeOf: (host: HostConfig) => string | undefined,
): ContainerRecord {
  const seen = new Set<string>();
  for (let at = record; ; ) {
    seen.add(at.id);
    const next = ctx.containers.get(sharedWith(modeOf(at.hostConfig)) ?? "")?.record;
    if (!next || seen.has(next.id)) return at;
    at = next;
  }
}

function runningDonor(ctx: EngineContext, mode: string | undefined, kind: string): Container {
  const id = sharedWith(mode) ?? "";
  const failed = (why: string): BerthError => new BerthError("conflict", `failed to join ${kind} namespace: ${why}`);
  const donor = ctx.containers.get(id);
  if (!donor) throw failed(`No such container: ${id}`);
  if (!isRunning(donor)) throw failed(`container ${id} is not running`);
  return donor;
}
