import { hostname } from "node:os";
import type { Mirror, TransferLimits } from "../../registry/types.ts";
import type { EngineContext } from "../context.ts";
import { installationId } from "./info.ts";

/** What of the configuration may change while the engine runs. */
export interface Reloadable {
  labels: string[];
  debug: boolean;
  registryMirrors: Mirror[];
  insecureRegistries: string[];
  defaultRegistry?: string;
  shortNames: Record<string, string>;
  transfers: TransferLimits;
}

/** Takes new settings over, for all that begins from now on, and announces them as dockerd does: the event `reload` of the daemon. */
export function reloadSettings(ctx: EngineContext, next: Reloadable): void {
  ctx.config.labels = next.labels;
  ctx.config.debug = next.debug;
  ctx.registry.options.mirrors = next.registryMirrors;
  ctx.registry.options.insecure = next.insecureRegistries;
  ctx.registry.options.defaultRegistry = next.defaultRegistry;
  ctx.registry.options.shortNames = next.shortNames;
  ctx.registry.options.transfers = next.transfers;
  ctx.events.emit("daemon", "reload", {
    id: installationId(ctx),
    attributes: {
      debug: String(next.debug),
      "insecure-registries": JSON.stringify(next.insecureRegistries),
      labels: JSON.stringify(next.labels),
      "live-restore": "true",
      "max-concurrent-downloads": String(next.transfers.downloads ?? 3),
      "max-concurrent-uploads": String(next.transfers.uploads ?? 5),
      "max-download-attempts": String(next.transfers.attempts ?? 6),
      name: hostname(),
      "registry-mirrors": JSON.stringify(mirrorsShown(next.registryMirrors)),
    },
  });
}

/** As daemon.json has them: Docker's list where they are all Docker Hub's, else by registry. */
function mirrorsShown(mirrors: readonly Mirror[]): string[] | Record<string, string[]> {
  if (mirrors.every(({ registry }) => registry === "docker.io")) return mirrors.map(({ url }) => url);
  const groups = Map.groupBy(mirrors, ({ registry }) => registry);
  return Object.fromEntries([...groups].map(([registry, own]) => [registry, own.map(({ url }) => url)]));
}
