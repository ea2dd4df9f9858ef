import { randomBytes } from "node:crypto";
import { lstatSync, readdirSync } from "node:fs";
import { readFiles, writeFiles } from "../../layer/files/process.ts";
import type { Volume } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { copyUp } from "../../volume/copyup.ts";
import type { EngineContext } from "../context.ts";

/** What is in a volume, with owners, links, xattrs and devices, as a tar. It is read as it is: who writes meanwhile may be caught half-way. */
export async function exportVolume(
  ctx: EngineContext,
  name: string,
  options: { signal: AbortSignal },
): Promise<AsyncGenerator<Uint8Array, void, void>> {
  const { user, path, done } = await holding(ctx, name);
  try {
    const signal = AbortSignal.any([options.signal, ctx.closing]);
    const { tar } = await readFiles({ verb: "export", root: { kind: "folder", path } }, signal);
    return releasing(tar, done);
  } catch (error) {
    await ctx.volumes.release(name, user);
    throw error;
  }
}

async function* releasing(
  tar: AsyncGenerator<Uint8Array, void, void>,
  done: () => Promise<void>,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* tar;
  } finally {
    await done();
  }
}

/**
 * Unpacks a tar, compressed or not, into a volume: a new one, which is there when all is in it or not at all (a kill's remains go at the
 * next start); or an empty one; or, with `merge`, over what is there. Into one that was there, what came until a failure stays.
 */
export async function importVolume(
  ctx: EngineContext,
  name: string,
  options: { merge: boolean; signal: AbortSignal },
  tar: AsyncIterable<Uint8Array>,
): Promise<Volume> {
  const isNew = !ctx.volumes.has(name);
  if (ctx.volumes.unsettled().includes(name))
    throw new BerthError("conflict", `import ${name}: the volume is still being made`);
  if (isNew) ctx.volumes.create({ name, unsettled: true });
  try {
    const { path, done } = await holding(ctx, name);
    try {
      if (!options.merge && readdirSync(path).length > 0)
        throw new BerthError("conflict", `import ${name}: the volume is not empty`, {
          hint: "import into a new one, or with --merge over what is there",
        });
      const root = { kind: "folder" as const, path };
      const job = { verb: "write" as const, root, path: "/", keepDirs: false, volumes: ["/"] };
      await writeFiles(job, tar, AbortSignal.any([options.signal, ctx.closing]));
    } finally {
      await done();
    }
  } catch (error) {
    if (isNew) await ctx.volumes.remove(name, { force: true, usedBy: [] });
    throw error;
  }
  if (isNew) settled(ctx, name);
  return ctx.volumes.inspect(name);
}

/**
 * A new volume with the same content, labels and limit; the file system shares the blocks where it can. What the source is only a name for
 * (a device, a share) is copied too: the clone has it in a folder of its own.
 */
export async function cloneVolume(
  ctx: EngineContext,
  name: string,
  wanted: { name: string; labels: Record<string, string> },
): Promise<Volume> {
  const { Labels: labels, Options: options } = ctx.volumes.inspect(name);
  if (ctx.volumes.has(wanted.name))
    throw new BerthError("conflict", `clone ${name}: volume ${wanted.name} already exists`);
  const size = options?.["size"];
  ctx.volumes.create({
    name: wanted.name,
    labels: { ...labels, ...wanted.labels },
    ...(size === undefined ? {} : { options: { size } }),
    unsettled: true,
  });
  try {
    const { path, done } = await holding(ctx, name);
    try {
      lstatSync(path);
      await copyUp(`${path}/.`, ctx.volumes.path(wanted.name), `clone ${name}`);
    } finally {
      await done();
    }
  } catch (error) {
    await ctx.volumes.remove(wanted.name, { force: true, usedBy: [] });
    throw error;
  }
  settled(ctx, wanted.name);
  return ctx.volumes.inspect(wanted.name);
}

function settled(ctx: EngineContext, name: string): void {
  ctx.volumes.settle([name]);
  ctx.events.emit("volume", "create", { id: name, attributes: { driver: "local" } });
}

/** A volume's folder, with what its options name mounted there, until `done`. */
async function holding(
  ctx: EngineContext,
  name: string,
): Promise<{ user: string; path: string; done: () => Promise<void> }> {
  const user = `content-${randomBytes(6).toString("hex")}`;
  const path = await ctx.volumes.hold(name, user);
  return { user, path, done: () => ctx.volumes.release(name, user) };
}
