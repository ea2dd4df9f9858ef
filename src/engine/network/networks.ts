import type { NetworkBackend, NetworkCreateBody } from "../../api/backend.ts";
import type { Filters } from "../../image/types.ts";
import { isBuiltIn } from "../../network/networks.ts";
import type { Network } from "../../spec/engine-api.ts";
import { BerthError, isKind } from "../../spec/errors.ts";
import { parseInstant } from "../../spec/instant.ts";
import { hasLabel } from "../../spec/labels.ts";
import type { EngineContext } from "../context.ts";
import { connectNetwork, disconnectNetwork } from "./connect.ts";

const bad = (message: string): BerthError => new BerthError("invalid-argument", message);

/** Router `network`. */
export function networkBackend(ctx: EngineContext): NetworkBackend {
  return {
    list: async (filters) => listNetworks(ctx, filters),
    inspect: async (id, { scope }) => inspectNetwork(ctx, id, scope),
    create: (body) => createNetwork(ctx, body),
    remove: (id) => removeNetwork(ctx, id),
    connect: (id, body) => connectNetwork(ctx, id, body),
    disconnect: (id, body) => disconnectNetwork(ctx, id, body),
    prune: (filters) => pruneNetworks(ctx, filters),
  };
}

/** As Docker, the list shows no containers. */
function listNetworks(ctx: EngineContext, filters: Filters): Network[] {
  const matches = networkFilter(filters);
  return ctx.network
    .list()
    .filter(matches)
    .map((network) => ({ ...network, Containers: {} }));
}

function inspectNetwork(ctx: EngineContext, id: string, scope: string): Network {
  const network = ctx.network.inspect(id);
  if (scope !== "" && scope !== network.Scope) throw new BerthError("not-found", `network ${id} not found`);
  return network;
}

async function createNetwork(ctx: EngineContext, body: NetworkCreateBody): Promise<{ Id: string; Warning: string }> {
  const { IPAM: ipam = {} } = body;
  const id = await ctx.network.create({
    name: body.Name ?? "",
    driver: body.Driver || "bridge",
    internal: body.Internal ?? false,
    attachable: body.Attachable ?? false,
    ingress: body.Ingress ?? false,
    scope: body.Scope ?? "",
    configOnly: body.ConfigOnly ?? false,
    configFrom: body.ConfigFrom?.Network ?? "",
    ipv4: body.EnableIPv4 ?? familyOption(body, "com.docker.network.enable_ipv4") ?? true,
    ipv6: body.EnableIPv6 ?? familyOption(body, "com.docker.network.enable_ipv6") ?? false,
    ipam: { driver: ipam.Driver || "default", options: ipam.Options ?? null, config: ipam.Config ?? [] },
    options: body.Options ?? {},
    labels: body.Labels ?? {},
  });
  announce(ctx, "create", ctx.network.inspect(id));
  return { Id: id, Warning: "" };
}

/** Clients whose own words know one family only (compose up to 2.26) say the other's by an option. */
function familyOption({ Options: options }: NetworkCreateBody, name: string): boolean | undefined {
  const text = options?.[name];
  if (text === undefined) return undefined;
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw bad(`driver-opt "${name}" is not a valid bool`);
}

async function removeNetwork(ctx: EngineContext, id: string): Promise<void> {
  announce(ctx, "destroy", await ctx.network.remove(id));
}

function announce(ctx: EngineContext, action: "create" | "destroy", network: Network): void {
  const { Id: id = "", Name: name = "", Driver: type = "" } = network;
  ctx.events.emit("network", action, { id, attributes: { name, type } });
}

/** Removes networks of persons that no container is on; a configuration that one depends on stays. */
async function pruneNetworks(ctx: EngineContext, filters: Filters): Promise<{ NetworksDeleted: string[] | null }> {
  const wanted = pruneFilter(filters);
  const deleted: string[] = [];
  for (const network of ctx.network.list()) {
    const { Id: id = "", Name: name = "" } = network;
    // A network that others take their configuration from has containers on it never.
    if (network.ConfigOnly || isBuiltIn(name) || Object.keys(network.Containers ?? {}).length > 0 || !wanted(network))
      continue;
    try {
      await removeNetwork(ctx, id);
      deleted.push(name);
    } catch (error) {
      // Somebody took it into use, or was faster.
      if (!isKind(error, "forbidden") && !isKind(error, "not-found")) throw error;
    }
  }
  ctx.events.emit("network", "prune", { id: "", attributes: { reclaimed: "0" } });
  return { NetworksDeleted: deleted.length > 0 ? deleted : null };
}

function pruneFilter(filters: Filters): (network: Network) => boolean {
  for (const key of Object.keys(filters))
    if (!["label", "label!", "until"].includes(key)) throw bad(`invalid filter '${key}'`);
  const until = filters["until"] ?? [];
  if (until.length > 1) throw bad("more than one until filter specified");
  const before = until[0] === undefined ? undefined : parseInstant(until[0]);
  if (until[0] !== undefined && before === undefined)
    throw bad(`invalid value for filter 'until': ${JSON.stringify(until[0])}`);
  return (network) =>
    (filters["label"] ?? []).every((label) => hasLabel(network.Labels, label)) &&
    !(filters["label!"] ?? []).some((label) => hasLabel(network.Labels, label)) &&
    (before === undefined || Date.parse(network.Created ?? "") < before);
}

const DANGLING = ["true", "1", "false", "0"];

function networkFilter(filters: Filters): (network: Network) => boolean {
  const tests: Record<string, (network: Network, value: string) => boolean> = {
    name: (n, v) => pattern(v).test(n.Name ?? ""),
    id: (n, v) => pattern(v).test(n.Id ?? ""),
    driver: (n, v) => n.Driver === v,
    scope: (n, v) => n.Scope === v,
    label: (n, v) => hasLabel(n.Labels, v),
    type: (n, v) => isBuiltIn(n.Name ?? "") === (v === "builtin"),
    dangling: (n, v) =>
      (Object.keys(n.Containers ?? {}).length === 0 && !isBuiltIn(n.Name ?? "")) === ["true", "1"].includes(v),
  };
  for (const [key, values] of Object.entries(filters)) {
    if (!tests[key]) throw bad(`invalid filter '${key}'`);
    for (const value of values) checkValue(key, value);
  }
  return (network) =>
    Object.entries(filters).every(
      // All labels have to be there; of other keys one value is enough.
      ([key, values]) =>
        values.length === 0 ||
        (key === "label"
          ? values.every((v) => tests[key]?.(network, v) === true)
          : values.some((v) => tests[key]?.(network, v) === true)),
    );
}

function checkValue(key: string, value: string): void {
  if (key === "type" && !["builtin", "custom"].includes(value))
    throw new BerthError("internal", `invalid filter: 'type'='${value}'`);
  if (key === "dangling" && !DANGLING.includes(value)) {
    const words = `must be "true" (or "1"), or "false" (or "0")`;
    throw bad(`invalid value for filter 'dangling', ${words}`);
  }
}

/** A regular expression that matches anywhere, as Docker's; one that is none matches its own text. */
function pattern(text: string): { test(value: string): boolean } {
  try {
    return new RegExp(text);
  } catch {
    return { test: (value) => value.includes(text) };
  }
}
