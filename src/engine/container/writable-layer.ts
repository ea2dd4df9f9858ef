import { ensureDir, listIfThere, removeTree } from "../../host/files.ts";
import { limitTrees, releaseTree } from "../../host/quota.ts";
import type { HostConfig } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { parseSize } from "../../spec/size.ts";

/** Makes overlay's upper and work folders in a container's folder, held to `--storage-opt size`. Throws in Docker's words where the file system cannot. */
export function makeWritableLayer(dir: string, { StorageOpt: { size } = {} }: HostConfig): void {
  const folders = [`${dir}/upper`, `${dir}/work`];
  for (const folder of folders) ensureDir(folder);
  if (size === undefined || limitTrees(folders, parseSize(size), dir)) return;
  throw new BerthError(
    "invalid-argument",
    "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
  );
}

/** Empties the work folder: a `volatile` mount leaves a mark there that forbids the next one (overlayfs.rst, "Volatile mount"). The folder keeps its project. */
export function renewWork(work: string): void {
  for (const name of listIfThere(work)) removeTree(`${work}/${name}`);
}

/** Gives the quota back that the layer may have. Before its folder goes: its id is only there. */
export function releaseWritableLayer(dir: string): void {
  releaseTree(`${dir}/upper`);
}
