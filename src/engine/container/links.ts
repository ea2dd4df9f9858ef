import type { HostConfig } from "../../spec/engine-api.ts";
import { BerthError, messageOf } from "../../spec/errors.ts";
import { type Container, isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import { isUserDefined, networksOf } from "./endpoints.ts";
import { sharedWith } from "./modes.ts";

/** A link of a container on the default bridge: the other container, undefined where it has gone, and what this one calls it. */
interface Link {
  other: Container | undefined;
  /** Where it has gone: what it was called. */
  name: string;
  alias: string;
}

/** Not handed on by a link, as in Docker. */
const OWN = new Set(["HOME", "PATH"]);
const BRIDGE = "bridge";

const bad = (message: string): BerthError => new BerthError("invalid-argument", message);

/**
 * The host configuration with `--link container[:alias]` bound to the container that has the name now: `id:alias:name`, so that a link follows it over
 * renames. On networks of one's own a link is a name only. Throws in Docker's words.
 */
export function bindLinks(ctx: EngineContext, host: HostConfig): HostConfig {
  const asked = (host.Links ?? []).map(parseLink);
  const found = asked.map(({ reference, alias }) => ({ other: linkable(ctx, reference), alias }));
  if (found.length === 0 || isUserDefined(host.NetworkMode ?? BRIDGE)) return host;
  // The first of an alias counts; an empty one would be the container's own name, which is taken.
  const byAlias = new Map<string, Container>();
  for (const { other, alias } of found) if (alias !== "" && !byAlias.has(alias)) byAlias.set(alias, other);
  const Links = [...byAlias].map(([alias, { record }]) => `${record.id}:${alias}:${record.name}`);
  return { ...host, Links };
}

function parseLink(link: string): { reference: string; alias: string } {
  if (link === "") throw bad("empty string specified for links");
  const [reference = "", alias, ...more] = link.split(":");
  if (more.length > 0) throw bad(`bad format for links: ${link}`);
  const plain = (text: string): string => text.slice(text.lastIndexOf("/") + 1);
  return { reference, alias: plain(alias ?? reference) };
}

/** Who shares another's network is reached where that one is. */
function linkable(ctx: EngineContext, reference: string): Container {
  if (reference === "") throw bad('could not get container for : invalid name or ID supplied: ""');
  try {
    const found = ctx.containers.find(reference);
    const donor = sharedWith(found.record.hostConfig.NetworkMode);
    if (donor !== undefined) return linkable(ctx, donor);
    if (found.record.hostConfig.NetworkMode !== "host") return found;
  } catch (error) {
    throw bad(`could not get container for ${reference}: ${messageOf(error)}`);
  }
  throw bad(
    "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
  );
}

function linksOf(ctx: EngineContext, record: ContainerRecord): Link[] {
  if (isUserDefined(record.hostConfig.NetworkMode ?? BRIDGE)) return [];
  return (record.hostConfig.Links ?? []).map((link) => {
    const [id = "", alias = "", name = id] = link.split(":");
    const other = ctx.containers.get(id);
    return { other, name: other?.record.name ?? name, alias };
  });
}

/** Links as inspect shows them: `/other:/own/alias`; undefined where they are names only, or none. */
export function shownLinks(ctx: EngineContext, record: ContainerRecord): string[] | undefined {
  const links = linksOf(ctx, record);
  return links.length === 0 ? undefined : links.map(({ name, alias }) => `/${name}:/${record.name}/${alias}`);
}

/** Whether a container has a link of that alias. */
export function hasLink(ctx: EngineContext, record: ContainerRecord, alias: string): boolean {
  return linksOf(ctx, record).some((link) => link.alias === alias);
}

/** The links of a container that is on the default bridge, for a start: throws in Docker's words where the other does not run, or is elsewhere. */
export function runningLinks(ctx: EngineContext, record: ContainerRecord): { other: Container; alias: string }[] {
  const isOnBridge = (of: ContainerRecord): boolean => networksOf(ctx, of).some(([name]) => name === BRIDGE);
  if (!isOnBridge(record)) return [];
  return linksOf(ctx, record).map(({ other, name, alias }) => {
    if (!other || !isRunning(other))
      throw bad(`Cannot link to a non running container: /${name} AS /${record.name}/${alias}`);
    if (!isOnBridge(other.record))
      throw new BerthError("internal", `container ${other.record.id} not attached to default bridge network`);
    return { other, alias };
  });
}

/** A container's own variables, and before them those that its links add; throws as `runningLinks`. */
export function linkedEnv(ctx: EngineContext, record: ContainerRecord): string[] {
  return withVariables(ctx, record, runningLinks(ctx, record));
}

/** The same for an exec, which has what can be had: dockerd refuses an exec where what is linked to has ended. */
export function linkedEnvNow(ctx: EngineContext, record: ContainerRecord): string[] {
  try {
    return linkedEnv(ctx, record);
  } catch {
    return record.config.Env ?? [];
  }
}

/** What Docker's legacy links put into the environment: the other's name, its exposed ports with its address, and its own variables. */
function withVariables(
  ctx: EngineContext,
  record: ContainerRecord,
  links: { other: Container; alias: string }[],
): string[] {
  const own = record.config.Env ?? [];
  const nameOf = (entry: string): string => entry.split("=", 1)[0] ?? "";
  const said = new Set(own.map(nameOf));
  const added = links.flatMap(({ other, alias }) => {
    const prefix = alias.toUpperCase().replaceAll("-", "_");
    const ip = ctx.network.get(other.record.id)?.ip ?? "";
    const ports = Object.keys(other.record.config.ExposedPorts ?? {})
      .map(portOf)
      .sort(byNumber);
    const [first] = ports;
    return [
      ...(first ? [`${prefix}_PORT=${first.proto}://${ip}:${first.port}`] : []),
      ...ports.flatMap(({ port, proto }) => {
        const name = `${prefix}_PORT_${port}_${proto.toUpperCase()}`;
        return [
          `${name}=${proto}://${ip}:${port}`,
          `${name}_ADDR=${ip}`,
          `${name}_PORT=${port}`,
          `${name}_PROTO=${proto}`,
        ];
      }),
      `${prefix}_NAME=/${record.name}/${alias}`,
      ...(other.record.config.Env ?? [])
        .filter((entry) => !OWN.has(entry.split("=")[0] ?? ""))
        .map((entry) => `${prefix}_ENV_${entry}`),
    ];
  });
  return [...added.filter((entry) => !said.has(nameOf(entry))), ...own];
}

/**
 * The names that `ps` shows beside a container's own: `/web/db` where a container `web` links to it as `db`. By container id, for all of a listing
 * at once: what it costs grows with the links, not with each container by all others.
 */
export function linkedNames(ctx: EngineContext): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const { record } of ctx.containers.all()) {
    if (!record.hostConfig.Links?.length) continue;
    for (const { other, alias } of linksOf(ctx, record)) {
      if (!other) continue;
      const { id } = other.record;
      names.set(id, [...(names.get(id) ?? []), `/${record.name}/${alias}`]);
    }
  }
  return names;
}

function portOf(key: string): { port: number; proto: string } {
  const [port = "", proto = "tcp"] = key.split("/");
  return { port: Number(port), proto };
}

function byNumber(a: { port: number; proto: string }, b: { port: number; proto: string }): number {
  return a.port - b.port || (a.proto < b.proto ? 1 : -1);
}
