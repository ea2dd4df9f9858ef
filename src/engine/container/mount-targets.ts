import type { RootView } from "../../layer/types.ts";
import type { Mount } from "../../spec/runtime-spec.ts";

/** Folders that the init layer puts over whatever the image has there. */
const INIT_FOLDERS = new Set(["dev", "proc", "sys", "etc"]);

/**
 * The mounts as the container's own tree wants them. Targets are what the image's links lead to, followed inside the root: OCI runtimes refuse a target
 * behind a link to nothing, which Docker makes. A tmpfs over a folder has that folder's mode unless the person gave one. Throws
 * `invalid-argument` for a loop of links.
 */
export function onTree(view: RootView, mounts: readonly Mount[]): Mount[] {
  return mounts.map((mount) => withFolderMode(view, { ...mount, destination: targetOf(view, mount.destination) }));
}

/** The working folder, where it is missing and behind a link: the OCI runtime makes a missing one, but follows no link to nothing. */
export function workingFolder(view: RootView, path: string): string {
  const real = targetOf(view, path);
  return view.lstat(real) ? path : real;
}

function targetOf(view: RootView, destination: string): string {
  const [, first = ""] = destination.split("/");
  const hidden = INIT_FOLDERS.has(first) && view.lstat(`/${first}`)?.type === "symlink";
  return hidden ? destination : view.resolve(destination);
}

function withFolderMode(view: RootView, mount: Mount): Mount {
  const options = mount.options ?? [];
  if (mount.type !== "tmpfs" || options.some((o) => o.startsWith("mode="))) return mount;
  const under = view.lstat(mount.destination);
  return under?.type === "dir" ? { ...mount, options: [...options, `mode=${under.mode.toString(8)}`] } : mount;
}
