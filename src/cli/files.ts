import { createReadStream, createWriteStream, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { BerthError, errnoOf } from "../spec/errors.ts";
import type { Context } from "./context.ts";
import { ExitError } from "./exit.ts";

/** A file, or standard input for `-`, as a stream. Throws in Docker's words where there is no file before anything is sent. */
export function openInput(ctx: Context, path: string): AsyncIterable<Uint8Array> {
  if (path === "-") return ctx.io.stdin();
  if (statInput(path).isDirectory) throw new BerthError("invalid-argument", `read ${path}: is a directory`);
  return createReadStream(path, { highWaterMark: 256 * 1024 });
}

/** The type of what is at `path`. Throws in Docker's words where nothing is. */
function statInput(path: string): { isDirectory: boolean } {
  try {
    return { isDirectory: statSync(path).isDirectory() };
  } catch (error) {
    const why = errnoOf(error) === "ENOENT" ? "no such file or directory" : (errnoOf(error) ?? "cannot be read");
    throw new BerthError("invalid-argument", `open ${path}: ${why}`);
  }
}

/**
 * Writes a binary stream to the file `path`, or to standard output for an empty one, which must not be a terminal. The file appears whole or not at
 * all; a device or a pipe is written to as it is. `open` is called only once it is known that the output can be written.
 */
export async function writeOutput(
  ctx: Context,
  { path, task }: { path: string; task: string },
  open: () => Promise<AsyncIterable<Uint8Array>>,
): Promise<void> {
  if (path === "") {
    if (ctx.io.stdoutIsTerminal()) {
      throw new ExitError(1, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    }
    for await (const chunk of await open()) ctx.io.out(chunk);
    return;
  }
  const special = checkOutput(path, task);
  const target = special ? path : `${path}.${process.pid}.tmp`;
  try {
    const source = await open();
    await pipeline(source, createWriteStream(target));
    if (!special) renameSync(target, path);
  } finally {
    if (!special) rmSync(target, { force: true });
  }
}

/** True for what is there and is no plain file. Throws in Docker's words where a file cannot be made. */
function checkOutput(path: string, task: string): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory()) throw new ExitError(1, `failed to ${task}: cannot write to a directory`);
  if (!there && !statSync(dirname(path), { throwIfNoEntry: false })) {
    throw new ExitError(1, `failed to ${task}: invalid output path: stat ${dirname(path)}: no such file or directory`);
  }
  return there !== undefined && !there.isFile();
}
