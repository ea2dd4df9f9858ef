import { messageOf } from "../spec/errors.ts";
import type { Context } from "./context.ts";
import { errorLine } from "./each.ts";
import { ExitError } from "./exit.ts";

/**
 * `inspect` of anything: a JSON list, or a template's text a line each. Things that are not there are told on stderr, after
 * what was found, and make the exit code 1. `structOnly`: templates know Docker's fields only.
 */
export async function printInspected(
  ctx: Context,
  names: readonly string[],
  options: { format: string; fetch: (name: string) => Promise<unknown>; structOnly?: boolean },
): Promise<number> {
  const results = await Promise.allSettled(names.map(async (name) => options.fetch(name)));
  const found = results.flatMap((r) => (r.status === "fulfilled" ? [r.value] : []));
  const failed = results.flatMap((r) => (r.status === "rejected" ? [errorLine(r.reason)] : []));
  await printAll(ctx, found, options);
  for (const line of failed) ctx.io.err(`${line}\n`);
  return failed.length > 0 ? 1 : 0;
}

async function printAll(
  ctx: Context,
  found: readonly unknown[],
  { format, structOnly }: { format: string; structOnly?: boolean },
): Promise<void> {
  if (format === "") {
    const text = found.length === 0 ? "[]" : JSON.stringify(found, null, 4);
    ctx.io.out(`${text}\n`);
    return;
  }
  if (format === "json") {
    ctx.io.out(`${JSON.stringify(found)}\n`);
    return;
  }
  const { compileTemplate } = await import("./template/execute.ts");
  const { inspected } = await import("./template/inspected.ts");
  const template = compiled(() => compileTemplate(format));
  for (const item of found) {
    let text: string;
    try {
      text = inspected(template, item, structOnly);
    } catch (error) {
      ctx.io.out("\n");
      throw new ExitError(1, `template parsing error: ${messageOf(error)}`);
    }
    ctx.io.out(`${text}\n`);
  }
  if (found.length === 0) ctx.io.out("\n");
}

/**
 * One value as `json` or by a Go template, as `info` and `version` print it: a template that does not fit leaves an empty
 * line. `name` is the template's in messages.
 */
export async function printValue(ctx: Context, format: string, data: object, name = ""): Promise<void> {
  if (format === "json") {
    ctx.io.out(`${JSON.stringify(data)}\n`);
    return;
  }
  const { compileTemplate } = await import("./template/execute.ts");
  const template = compiled(() => compileTemplate(format, { name }));
  let text = "";
  try {
    text = template.execute(data);
  } finally {
    ctx.io.out(`${text}\n`);
  }
}

const BAD_TEMPLATE = 64;

/** A template that cannot be parsed ends the command with Docker's own exit code for it. */
export function compiled<T>(compile: () => T): T {
  try {
    return compile();
  } catch (error) {
    throw new ExitError(BAD_TEMPLATE, `template parsing error: ${messageOf(error)}`);
  }
}
