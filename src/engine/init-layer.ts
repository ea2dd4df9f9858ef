import { existsSync, symlinkSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { ensureDir, removeTree } from "../host/files.ts";
import type { OverlayMount } from "../host/monitor-types.ts";
import type { EngineDeps } from "./context.ts";

const DIRS = ["dev/pts", "dev/shm", "dev/mqueue", "proc", "sys", "etc"];
const FILES = ["etc/hosts", "etc/hostname", "etc/resolv.conf", "dev/console"];

/**
 * The layer below every container's own and above its image: the targets of the mounts that the engine makes, so that they appear neither in
 * the container's changes nor in a build's layers. Made once; the marker, written last, tells that it is whole.
 */
export function makeInitLayer(deps: EngineDeps): void {
  const root = initLayer(deps);
  if (existsSync(`${root}/.whole`)) return;
  removeTree(root);
  for (const dir of DIRS) ensureDir(`${root}/diff/${dir}`);
  for (const file of FILES) writeFileSync(`${root}/diff/${file}`, "", { mode: 0o755 });
  symlinkSync("/proc/mounts", `${root}/diff/etc/mtab`);
  writeFileSync(`${root}/.whole`, "");
}

function initLayer(deps: EngineDeps): string {
  return `${deps.dataRoot}/init`;
}

/** The mount with the init layer as its topmost lower one. */
export function withInitLayer(deps: EngineDeps, mount: OverlayMount): OverlayMount {
  return { ...mount, lower: [relative(mount.base, `${initLayer(deps)}/diff`), ...mount.lower] };
}
