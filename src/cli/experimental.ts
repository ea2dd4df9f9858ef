import type { Context } from "./context.ts";
import { ExitError } from "./exit.ts";

/** Ends the command where the engine has no experimental features; `what` is the command or flag that needs them. */
export async function requireExperimental(ctx: Context, what: string): Promise<void> {
  if (await ctx.engine.system.experimental()) return;
  throw new ExitError(1, `${what} is only supported on a Docker daemon with experimental features enabled`);
}
