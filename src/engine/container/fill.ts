import { randomBytes } from "node:crypto";
import { chmodSync, lchownSync, mkdirSync, utimesSync } from "node:fs";
import { ensureDir, removeTree } from "../../host/files.ts";
import { runOk } from "../../host/spawn.ts";
import type { ChainId, RootView, ViewEntry } from "../../layer/types.ts";
import { encodeName, sysName } from "../../spec/names.ts";
import { joinPaths } from "../../spec/paths.ts";
import { copyUp } from "../../volume/copyup.ts";
import type { EngineContext } from "../context.ts";
import type { MadeVolumes } from "./volumes.ts";

const NAMES_PER_COPY = 200;
/** Bytes of arguments: below what Linux takes, above what so many paths have. */
const ARGUMENTS_MAX = "1800000";
const MODE_BITS = 0o7777;
const MS = 1000;

/** Fills empty volumes with what the image has at their destinations. The merged tree is put together in `tmp`, so a kill leaves the volume empty. */
export async function fillVolumes(
  ctx: EngineContext,
  top: ChainId | undefined,
  fill: MadeVolumes["fill"],
): Promise<void> {
  if (fill.length === 0) return;
  const view = ctx.layers.view(top);
  for (const { name, destination } of fill) {
    const inside = view.resolve(destination);
    const entry = view.lstat(inside);
    if (entry?.type !== "dir") continue;
    const user = `fill-${randomBytes(6).toString("hex")}`;
    const staging = `${ctx.dataRoot}/tmp/${user}`;
    ensureDir(`${ctx.dataRoot}/tmp`);
    try {
      const folder = await ctx.volumes.hold(name, user);
      await copyMerged(view, { path: inside, entry, to: staging });
      await copyUp(staging, folder);
    } finally {
      removeTree(staging);
      await ctx.volumes.release(name, user);
    }
  }
}

/** Names go by standard input: as arguments they could only be UTF-8. */
async function copyInto(to: string, files: readonly string[]): Promise<void> {
  const input = Buffer.concat([to, ...files].flatMap((name) => [encodeName(name), Buffer.of(0)]));
  const copy = 'to=$0; exec cp -a --reflink=auto -t "$to" -- "$@"';
  await runOk(["xargs", "-0", "-x", "-n", String(NAMES_PER_COPY + 1), "-s", ARGUMENTS_MAX, "sh", "-c", copy], {
    input,
  });
}

/** One folder of the merged view as a real one: a layer's folder alone may lack entries that others add or hide. */
async function copyMerged(view: RootView, of: { path: string; entry: ViewEntry; to: string }): Promise<void> {
  const { path, entry, to } = of;
  const target = sysName(to);
  mkdirSync(target);
  const files: string[] = [];
  for (const name of view.readdir(path)) {
    const child = view.lstat(joinPaths(path, name));
    if (child?.type === "dir")
      await copyMerged(view, { path: joinPaths(path, name), entry: child, to: `${to}/${name}` });
    else if (child) files.push(child.hostPath);
  }
  for (let i = 0; i < files.length; i += NAMES_PER_COPY) {
    await copyInto(to, files.slice(i, i + NAMES_PER_COPY));
  }
  lchownSync(target, entry.uid, entry.gid);
  chmodSync(target, entry.mode & MODE_BITS);
  utimesSync(target, entry.mtimeMs / MS, entry.mtimeMs / MS);
}
