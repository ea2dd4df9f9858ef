import { posix } from "node:path";
import { statusOf } from "../../client/errors.ts";
import type { PathStat } from "../../client/files.ts";
import { BerthError } from "../../spec/errors.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { absolute, checkOutput, localSource, localTarget } from "../copy/local.ts";
import { type CopySource, type CopyTarget, followed, planCopy, splitArgument, splitEntry } from "../copy/plan.ts";
import { copyProgress } from "../copy/progress.ts";
import { ExitError } from "../exit.ts";

const GO_DIR = 2 ** 31;
const GO_LINK = 2 ** 27;
const GO_DEVICE = 2 ** 26;

interface Place {
  container: string;
  path: string;
}

interface Options {
  follow: boolean;
  archive: boolean;
  quiet: boolean | undefined;
}

/** `berth cp`: both ways, from and to tar streams, and from one container into another, which docker does not do. */
export default command({
  usage: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tberth cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
  summary: "Copy files/folders between a container and the local filesystem",
  args: [2, 2],
  flags: {
    archive: { kind: "bool", short: "a", help: "Give what is copied in to the container's user" },
    "follow-link": { kind: "bool", short: "L", help: "Copy what a link leads to" },
    quiet: { kind: "bool", short: "q", help: "Do not show progress, which a terminal gets" },
  },
  async run(ctx, { flags, given, args: [source = "", target = ""] }) {
    if (source === "") throw new ExitError(1, "source can not be empty");
    if (target === "") throw new ExitError(1, "destination can not be empty");
    const [from, to] = [splitArgument(source), splitArgument(target)];
    const quiet = given.has("quiet") ? flags.quiet : undefined;
    const options = { follow: flags["follow-link"], archive: flags.archive, quiet };
    if (from.container === "" && to.container === "") {
      throw new ExitError(1, "must specify at least one container source");
    }
    if (to.container === "") await copyOut(ctx, from, to.path, options);
    else await copyIn(ctx, from, to, options);
    return 0;
  },
});

async function copyOut(ctx: Context, from: Place, target: string, options: Options): Promise<void> {
  const isStream = target === "-";
  const path = isStream ? target : absolute(target);
  if (!isStream) checkOutput(path);
  const { tar, source, read } = await openContainer(ctx, from, options.follow);
  if (isStream) {
    for await (const chunk of tar) ctx.io.out(chunk);
    return;
  }
  const progress = copyProgress(ctx, { quiet: options.quiet, header: "Copying from container" });
  const plan = planCopy(source, localTarget(path));
  const files = await ctx.files();
  await files.unpackLocal(renamed(files, progress.count(tar), { from: read, to: plan.name }), plan.folder);
  progress.done(path);
}

/** A container's entry as a tar: its names begin with `read`; the copy is to be called `source.name`. */
async function openContainer(
  ctx: Context,
  { container, path }: Place,
  follow: boolean,
): Promise<{ tar: AsyncIterable<Uint8Array>; source: CopySource; read: string }> {
  const link = follow ? await statOrGone(ctx, { container, path }) : undefined;
  const at = link && link.mode & GO_LINK ? followed(path, linkTarget(path, link)) : { path };
  const { stat, tar } = await ctx.engine.files.read(container, at.path);
  return { tar, source: { name: at.name ?? stat.name, isDir: stat.mode >= GO_DIR }, read: stat.name };
}

async function copyIn(ctx: Context, from: Place, to: Place, options: Options): Promise<void> {
  const isStream = from.container === "" && from.path === "-";
  const target = await containerTarget(ctx, to);
  const progress = copyProgress(ctx, { quiet: options.quiet, header: "Copying to container" });
  const send = (folder: string, tar: AsyncIterable<Uint8Array>): Promise<void> =>
    ctx.engine.files.write(to.container, progress.count(tar), {
      path: folder,
      noOverwriteDirNonDir: true,
      copyUIDGID: options.archive,
    });
  if (isStream) {
    if (!target.isDir) throw new ExitError(1, `destination "${to.container}:${to.path}" must be a directory`);
    await send(target.path, ctx.io.stdin());
  } else if (from.container === "") {
    const source = localSource(absolute(from.path), options.follow);
    const plan = planCopy(source, target);
    await send(plan.folder, (await ctx.files()).packLocal(source.path, plan.name));
  } else {
    const { tar, source, read } = await openContainer(ctx, from, options.follow);
    const plan = planCopy(source, target);
    await send(plan.folder, renamed(await ctx.files(), tar, { from: read, to: plan.name }));
  }
  progress.done(`${to.container}:${target.path}`);
}

function renamed(
  files: Awaited<ReturnType<Context["files"]>>,
  tar: AsyncIterable<Uint8Array>,
  { from, to }: { from: string; to: string },
): AsyncIterable<Uint8Array> {
  return from === to ? tar : files.renameEntries(tar, from, to);
}

/** A link at the end is followed once, as far as the engine knows its end. What is missing may come to be by the copy. */
async function containerTarget(ctx: Context, place: Place): Promise<CopyTarget> {
  let path = place.path;
  let stat = await statOrGone(ctx, place);
  if (stat && stat.mode & GO_LINK) {
    path = linkTarget(path, stat);
    stat = await statOrGone(ctx, { container: place.container, path });
  }
  if (stat && (stat.mode & GO_DEVICE) !== 0) {
    throw new BerthError(
      "invalid-argument",
      `destination "${place.container}:${place.path}" must be a directory or a regular file: got a device`,
    );
  }
  return { path, exists: stat !== undefined, isDir: stat !== undefined && stat.mode >= GO_DIR };
}

function linkTarget(path: string, stat: PathStat): string {
  return stat.linkTarget.startsWith("/") ? stat.linkTarget : posix.join(splitEntry(path).folder, stat.linkTarget);
}

async function statOrGone(ctx: Context, { container, path }: Place): Promise<PathStat | undefined> {
  try {
    return await ctx.engine.files.stat(container, path);
  } catch (error) {
    // Whatever the engine says against it, the copy itself will be told.
    if (statusOf(error) === undefined) throw error;
    return undefined;
  }
}
