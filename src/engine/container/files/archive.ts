import { posix } from "node:path";
import { readFiles, statFiles, writeFiles } from "../../../layer/files/process.ts";
import type { PathStat } from "../../../layer/files/types.ts";
import { BerthError, isKind } from "../../../spec/errors.ts";
import { type Container, isRunning } from "../../container.ts";
import { containerDir, type EngineContext } from "../../context.ts";
import { emitContainer } from "../../events.ts";
import { resolveUser } from "../../user.ts";
import { exportRoot, filesRoot, ownMounts } from "./root.ts";

/** A tar on its way out; returning it ends the work. */
export type TarStream = AsyncGenerator<Uint8Array, void, void>;

/** What is at a path of a container. Throws `not-found` in Docker's words. */
export async function statPath(
  ctx: EngineContext,
  reference: string,
  options: { path: string; signal: AbortSignal },
): Promise<PathStat> {
  const container = ctx.containers.find(reference);
  const path = insidePath(options.path);
  const root = filesRoot(ctx, container, { write: false });
  return statFiles({ verb: "stat", root, path }, untilClosing(ctx, options.signal)).catch((error: unknown) =>
    notThere(error, options.path, reference),
  );
}

/** A path's entry, with all below it, as a tar. */
export async function readPath(
  ctx: EngineContext,
  reference: string,
  options: { path: string; signal: AbortSignal },
): Promise<{ stat: PathStat; tar: TarStream }> {
  const container = ctx.containers.find(reference);
  const path = insidePath(options.path);
  const root = filesRoot(ctx, container, { write: false });
  const job = { verb: "read" as const, root, path, ...ownMounts(container.record) };
  const { stat, tar } = await readFiles(job, untilClosing(ctx, options.signal)).catch((error: unknown) =>
    notThere(error, options.path, reference),
  );
  if (!stat) throw new BerthError("internal", "the worker gave no stat");
  emitContainer(ctx.events, container, "archive-path");
  return { stat, tar };
}

/**
 * Unpacks a tar, compressed or not, into a folder of a container. What fails in the middle, a client that goes and a kill of the daemon leave the
 * entries that came until then, the last one perhaps in part.
 */
export async function writePath(
  ctx: EngineContext,
  reference: string,
  options: { path: string; keepDirs: boolean; ownByUser: boolean; signal: AbortSignal },
  tar: AsyncIterable<Uint8Array>,
): Promise<void> {
  const container = ctx.containers.find(reference);
  const path = insidePath(options.path);
  const owner = options.ownByUser ? ownerOf(ctx, container) : undefined;
  const work = (): Promise<void> =>
    writeFiles(
      {
        verb: "write",
        root: filesRoot(ctx, container, { write: true }),
        path,
        keepDirs: options.keepDirs,
        volumes: container.record.mounts.filter((m) => m.type !== "tmpfs").map((m) => m.destination),
        ...(owner ? { owner } : {}),
      },
      tar,
      untilClosing(ctx, options.signal),
    ).catch((error: unknown) => notThere(error, options.path, reference));
  // A writable layer is mounted once only: while it is ours, the container cannot be started or removed.
  if (isRunning(container)) await work();
  else await container.lock.run(work);
  emitContainer(ctx.events, container, "extract-to-dir");
}

/** The merged tree without volumes, as a tar. */
export async function exportContainer(
  ctx: EngineContext,
  reference: string,
  options: { signal: AbortSignal },
): Promise<TarStream> {
  const container = ctx.containers.find(reference);
  const { tar } = await readFiles(
    { verb: "export", root: exportRoot(ctx, container) },
    untilClosing(ctx, options.signal),
  );
  emitContainer(ctx.events, container, "export");
  return tar;
}

/** Absolute and clean; the slash or "/." at its end, which says that a link there is followed, is kept. */
function insidePath(path: string): string {
  if (path.includes("\0")) throw new BerthError("invalid-argument", "bad parameter: path holds a NUL byte");
  const clean = posix.join("/", path).replace(/(.)\/$/, "$1");
  if (/(^|\/)\.$/.test(path)) return posix.join(clean, "/").concat(".");
  return path.endsWith("/") && clean !== "/" ? `${clean}/` : clean;
}

function notThere(error: unknown, path: string, reference: string): never {
  if (!isKind(error, "not-found")) throw error;
  throw new BerthError("not-found", `Could not find the file ${path} in container ${reference}`, { cause: error });
}

/** The user that the container runs as; undefined where it names none: owners are then the archive's. */
function ownerOf(ctx: EngineContext, container: Container): { uid: number; gid: number } | undefined {
  const { config, top, id } = container.record;
  if (!config.User) return undefined;
  const { uid, gid } = resolveUser(ctx.accounts.of(top, `${containerDir(ctx, id)}/upper`), config.User);
  return { uid, gid };
}

function untilClosing(ctx: EngineContext, signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, ctx.closing]);
}
