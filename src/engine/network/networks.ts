import type { NetworkBackend } from "../../api/backend.ts";
import type { Filters } from "../../image/types.ts";
import type { Network } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { hasLabel } from "../../spec/labels.ts";
import type { EngineContext } from "../context.ts";

const BUILT_IN = ["bridge", "host", "none"];

/** Router `network`. */
export function networkBackend(ctx: EngineContext): NetworkBackend {
  return {
    list: async (filters) => ctx.network.list().filter(networkFilter(filters)),
    inspect: async (id) => ctx.network.inspect(id),
    prune: async (filters) => pruneNetworks(ctx, filters),
  };
}

/** There are no networks but the built-in ones, which stay. */
function pruneNetworks(ctx: EngineContext, filters: Filters): { NetworksDeleted: string[] | null } {
  for (const key of Object.keys(filters)) {
    if (!["label", "label!", "until"].includes(key)) {
      throw new BerthError("invalid-argument", `invalid filter '${key}'`);
    }
  }
  ctx.events.emit("network", "prune", { id: "", attributes: { reclaimed: "0" } });
  return { NetworksDeleted: null };
}

function networkFilter(filters: Filters): (network: Network) => boolean {
  const tests: Record<string, (network: Network, value: string) => boolean> = {
    name: (n, v) => (n.Name ?? "").includes(v),
    id: (n, v) => (n.Id ?? "").startsWith(v),
    driver: (n, v) => n.Driver === v,
    scope: (n, v) => n.Scope === v,
    label: (n, v) => hasLabel(n.Labels, v),
    type: (n, v) => BUILT_IN.includes(n.Name ?? "") === (v === "builtin"),
    dangling: (n, v) =>
      (Object.keys(n.Containers ?? {}).length === 0 && !BUILT_IN.includes(n.Name ?? "")) === (v === "true"),
  };
  for (const key of Object.keys(filters))
    if (!tests[key]) throw new BerthError("invalid-argument", `invalid filter '${key}'`);
  return (network) =>
    Object.entries(filters).every(([key, values]) => values.some((v) => tests[key]?.(network, v) === true));
}
