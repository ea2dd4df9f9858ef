import type { HostConfig } from "../../spec/engine-api.ts";
import { normaliseHostConfig } from "../container/host-config.ts";
import { withoutUnsupported } from "../container/host-support.ts";
import { checkResources, checkUlimits } from "../container/validate.ts";
import { checkIsolation } from "../container/validate-isolation.ts";
import type { EngineContext } from "../context.ts";

/** The configuration of a RUN step's container. */
export function stepHostConfig(ctx: EngineContext, limits: HostConfig | undefined, network: string): HostConfig {
  return withoutUnsupported(normaliseHostConfig(ctx, { ...limits, NetworkMode: network, Init: false })).hostConfig;
}

/** Checks what a build's steps are to run with before the first of them does. Throws `invalid-argument` in Docker's words. */
export function checkLimits(ctx: EngineContext, limits: HostConfig | undefined): void {
  const host = stepHostConfig(ctx, limits, "none");
  checkResources(host);
  checkIsolation(host);
  checkUlimits(host);
}
