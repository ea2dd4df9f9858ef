import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { S_IF } from "../../../host/sys.ts";
import type { RootView } from "../../../layer/types.ts";
import { openView } from "../../../layer/view.ts";
import { type LayerStat, readdirIn, statIn, type ViewLayer } from "../../../layer/view-layer.ts";
import { containerDir, type EngineContext } from "../../context.ts";
import { withInitLayer } from "../../init-layer.ts";
import type { ContainerRecord } from "../../record.ts";

/** What happened to a path, as Docker numbers it: 0 changed, 1 added, 2 deleted. */
export interface Change {
  Path: string;
  Kind: 0 | 1 | 2;
}

const [CHANGED, ADDED, DELETED] = [0, 1, 2] as const;
const ENTRIES_PER_TURN = 256;

interface Walk {
  upper: ViewLayer;
  lower: RootView;
  changes: Change[];
  seen: number;
}

/**
 * What a container's own layer changes of what is below, names in their order, a folder before what is in it; null where there is nothing. A
 * folder that is only on the way to a change is named as changed only where something came or went in it, as Docker has it.
 */
export async function containerChanges(ctx: EngineContext, reference: string): Promise<Change[] | null> {
  const { record } = ctx.containers.find(reference);
  const walk: Walk = {
    upper: { root: `${containerDir(ctx, record.id)}/upper`, live: true },
    lower: belowOf(ctx, record),
    changes: [],
    seen: 0,
  };
  await walkFolder(walk, "");
  return walk.changes.length > 0 ? walk.changes : null;
}

/** Image and init layer: what the container itself has not written. */
function belowOf(ctx: EngineContext, record: ContainerRecord): RootView {
  const { base, lower } = withInitLayer(ctx, ctx.layers.mount(record.top, { upper: "", work: "" }));
  return openView(lower.map((name) => join(base, name)));
}

/** Walks a folder of the container's layer; tells whether a name in it came or went. */
async function walkFolder(walk: Walk, folder: string): Promise<boolean> {
  let came = false;
  for (const { name, whiteout } of readdirIn(walk.upper, folder).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (++walk.seen % ENTRIES_PER_TURN === 0) await setImmediate();
    const rel = folder === "" ? name : `${folder}/${name}`;
    const kind = whiteout ? DELETED : await walkEntry(walk, rel);
    if (whiteout) walk.changes.push({ Path: `/${rel}`, Kind: DELETED });
    came ||= kind === ADDED || kind === DELETED;
  }
  return came;
}

async function walkEntry(walk: Walk, rel: string): Promise<0 | 1 | undefined> {
  const stat = statIn(walk.upper, rel);
  if (!stat) return undefined; // Removed meanwhile by the container.
  const old = walk.lower.lstat(`/${rel}`);
  const isDir = (stat.mode & S_IF.MT) === S_IF.DIR;
  const same = isDir && old?.type === "dir" && isUntouched(stat, old);
  const at = walk.changes.length;
  const came = isDir && (await walkFolder(walk, rel));
  if (same && !came) return undefined;
  const kind = old ? CHANGED : ADDED;
  walk.changes.splice(at, 0, { Path: `/${rel}`, Kind: kind });
  return kind;
}

function isUntouched(stat: LayerStat, old: { mode: number; uid: number; gid: number; mtimeMs: number }): boolean {
  const { mode, uid, gid, mtimeMs } = stat;
  return (mode & 0o7777) === old.mode && uid === old.uid && gid === old.gid && Math.abs(mtimeMs - old.mtimeMs) < 1;
}
