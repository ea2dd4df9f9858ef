import { BerthError } from "../../spec/errors.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { dnsNames, isDefaultBridge, isUserDefined, networksOf } from "./endpoints.ts";
import { checkName } from "./validate.ts";

/** Gives a container another name: one transaction. Throws `conflict` or `invalid-argument` in Docker's words. */
export function renameContainer(ctx: EngineContext, reference: string, to: string): Promise<void> {
  if (reference === "" || to === "") throw new BerthError("invalid-argument", "Neither old nor new names may be empty");
  const container = ctx.containers.find(reference);
  return container.lock.run(async () => {
    const old = container.record.name;
    const name = to.replace(/^\//, "");
    if (name === old)
      throw new BerthError("invalid-argument", "Renaming a container with the same name as its current name");
    reserve(ctx, name, container.record.id);
    try {
      ctx.containers.save(container, { name });
    } catch (error) {
      ctx.containers.release(name);
      throw error;
    }
    ctx.containers.release(old);
    const { record } = container;
    const named = networksOf(ctx, record).filter(([n]) => isUserDefined(n) || isDefaultBridge(n));
    const names = named.map(([n, wanted]) => [n, dnsNames(record, isDefaultBridge(n) ? {} : wanted)]);
    ctx.network.rename(record.id, name, Object.fromEntries(names));
    emitContainer(ctx.events, container, "rename", { oldName: `/${old}` });
  });
}

function reserve(ctx: EngineContext, name: string, id: string): void {
  try {
    checkName(`/${name}`);
    ctx.containers.reserve(name, id);
  } catch (error) {
    if (!(error instanceof BerthError)) throw error;
    throw new BerthError(error.kind, `Error when allocating new name: ${error.message}`, { cause: error });
  }
}
