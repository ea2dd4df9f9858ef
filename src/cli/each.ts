import { statusOf } from "../client/errors.ts";
import { messageOf } from "../spec/errors.ts";
import type { Context } from "./context.ts";

/** How an error reads on a line of its own. */
export function errorLine(error: unknown): string {
  return statusOf(error) === undefined ? messageOf(error) : `Error response from daemon: ${messageOf(error)}`;
}

/**
 * Does the same to each name, at once, and prints, in their order, what each gave (its name where that is nothing). Errors
 * come last, a line each, and make the exit code 1.
 */
export async function forEachName(
  ctx: Context,
  names: readonly string[],
  act: (name: string) => Promise<string | void>,
): Promise<number> {
  const results = await Promise.allSettled(names.map((name) => act(name)));
  const errors: unknown[] = [];
  for (const [i, result] of results.entries()) {
    if (result.status === "rejected") errors.push(result.reason);
    else ctx.io.out(`${result.value ?? names[i]}\n`);
  }
  for (const error of errors) ctx.io.err(`${errorLine(error)}\n`);
  return errors.length > 0 ? 1 : 0;
}
