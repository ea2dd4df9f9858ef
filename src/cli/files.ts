import { createReadStream, statSync } from "node:fs";
import { BerthError, errnoOf } from "../spec/errors.ts";
import type { Context } from "./context.ts";

/** A file, or standard input for `-`, as a stream. Throws `open x: no such file or directory` before anything is sent. */
export function openInput(ctx: Context, path: string): AsyncIterable<Uint8Array> {
  if (path === "-") return ctx.io.stdin();
  statInput(path);
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
