import { BerthError } from "../../spec/errors.ts";
import { type Container, isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import { isUserDefined } from "./endpoints.ts";

/** A link of a container on the default bridge: the other container, and what this one calls it. */
export interface Link {
  other: Container;
  alias: string;
}

/** Not handed on by a link, as in Docker. */
const OWN = new Set(["HOME", "PATH"]);

/** `--link container[:alias]` of a container on the default bridge; on networks of one's own a link is a name only. Throws where the other is gone. */
export function linksOf(ctx: EngineContext, record: ContainerRecord): Link[] {
  if (isUserDefined(record.hostConfig.NetworkMode ?? "bridge")) return [];
  return (record.hostConfig.Links ?? []).map((link) => {
    const [reference = "", alias = ""] = link.split(":");
    const other = ctx.containers.find(reference);
    return { other, alias: alias || other.record.name };
  });
}

/** The same for a start: throws in Docker's words where the other does not run. */
export function runningLinks(ctx: EngineContext, record: ContainerRecord): Link[] {
  return linksOf(ctx, record).map((link) => {
    if (isRunning(link.other)) return link;
    const words = `Cannot link to a non running container: /${link.other.record.name} AS /${record.name}/${link.alias}`;
    throw new BerthError("invalid-argument", words);
  });
}

/** What Docker's legacy links put into the environment: the other's name, its exposed ports with its address, and its own variables. */
export function linkVariables(ctx: EngineContext, record: ContainerRecord): string[] {
  return runningLinks(ctx, record).flatMap(({ other, alias }) => {
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
}

/**
 * The names that `ps` shows beside a container's own: `/web/db` where a container `web` links to it as `db`. By container id, for all of a listing
 * at once: what it costs grows with the links, not with each container by all others.
 */
export function linkedNames(ctx: EngineContext): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const { record } of ctx.containers.all()) {
    if (!record.hostConfig.Links?.length) continue;
    for (const { other, alias } of knownLinks(ctx, record)) {
      const { id } = other.record;
      names.set(id, [...(names.get(id) ?? []), `/${record.name}/${alias}`]);
    }
  }
  return names;
}

function knownLinks(ctx: EngineContext, record: ContainerRecord): Link[] {
  try {
    return linksOf(ctx, record);
  } catch {
    return []; // What it links to is gone.
  }
}

function portOf(key: string): { port: number; proto: string } {
  const [port = "", proto = "tcp"] = key.split("/");
  return { port: Number(port), proto };
}

function byNumber(a: { port: number; proto: string }, b: { port: number; proto: string }): number {
  return a.port - b.port || (a.proto < b.proto ? 1 : -1);
}
