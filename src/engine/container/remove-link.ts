import { BerthError } from "../../spec/errors.ts";
import { isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { hasLink } from "./links.ts";
import { rewriteNetworkFiles } from "./network-files.ts";

/** Takes a link away, by its name `container/alias`: one transaction; the hosts of a running one forget it too. Throws in Docker's words. */
export async function removeLink(ctx: EngineContext, reference: string): Promise<void> {
  const [owner = "", alias] = reference.replace(/^\//, "").split(/\/(.*)/s);
  if (alias === undefined) {
    ctx.containers.find(owner);
    throw new BerthError("internal", "Conflict, cannot remove the default link name of the container");
  }
  const container = ctx.containers.all().find(({ record }) => record.name === owner);
  const missing = new BerthError("not-found", `No such container: ${reference}`);
  if (!container) throw missing;
  await container.lock.run(async () => {
    const before = container.record;
    if (!hasLink(ctx, before, alias)) throw missing;
    const Links = (before.hostConfig.Links ?? []).filter((link) => link.split(":")[1] !== alias);
    ctx.containers.save(container, { hostConfig: { ...before.hostConfig, Links } });
    if (isRunning(container)) rewriteNetworkFiles(ctx, container.record, before);
  });
}
