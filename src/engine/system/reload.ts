import { hostname } from "node:os";
import type { EngineContext } from "../context.ts";
import { installationId } from "./info.ts";

/** What of the configuration may change while the engine runs. */
export interface Reloadable {
  labels: string[];
  debug: boolean;
  registryMirrors: string[];
  insecureRegistries: string[];
}

/** Takes new settings over, for all that begins from now on, and announces them as dockerd does: the event `reload` of the daemon. */
export function reloadSettings(ctx: EngineContext, next: Reloadable): void {
  ctx.config.labels = next.labels;
  ctx.config.debug = next.debug;
  ctx.registry.options.mirrors = next.registryMirrors;
  ctx.registry.options.insecure = next.insecureRegistries;
  ctx.events.emit("daemon", "reload", {
    id: installationId(ctx),
    attributes: {
      debug: String(next.debug),
      "insecure-registries": JSON.stringify(next.insecureRegistries),
      labels: JSON.stringify(next.labels),
      "live-restore": "true",
      name: hostname(),
      "registry-mirrors": JSON.stringify(next.registryMirrors),
    },
  });
}
