import { createInterface } from "node:readline";
import type { Context } from "./context.ts";
import { humanSize } from "./format/units.ts";

/** Asks before something is removed or granted; `force` or the answer `y` go on. End of file counts as no. */
export async function confirm(
  ctx: Context,
  warning: string,
  force: boolean,
  question = "Are you sure you want to continue?",
): Promise<boolean> {
  if (force) return true;
  ctx.io.out(`${warning === "" ? "" : `${warning}\n`}${question} [y/N] `);
  const lines = createInterface({ input: ctx.io.stdin() });
  for await (const line of lines) {
    lines.close();
    return /^y(es)?$/i.test(line.trim());
  }
  return false;
}

/** What was removed, under a title, and what it freed. */
export function printReclaimed(ctx: Context, title: string, lines: readonly string[], bytes: number): void {
  if (lines.length > 0) ctx.io.out(`${title}:\n${lines.join("\n")}\n\n`);
  ctx.io.out(`Total reclaimed space: ${humanSize(bytes)}\n`);
}

/** The lines of removed images: what lost its name, and what is gone. */
export function removedImages(items: readonly { Untagged?: string; Deleted?: string }[]): string[] {
  return items.map((i) => (i.Deleted ? `deleted: ${i.Deleted}` : `untagged: ${i.Untagged}`));
}
