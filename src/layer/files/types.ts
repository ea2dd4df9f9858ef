import type { OverlayMount } from "../../host/monitor-types.ts";
import type { ErrorKind } from "../../spec/errors.ts";

/** A folder or file of the host that a container has at `destination`. */
export interface BoundPath {
  source: string;
  destination: string;
  rw: boolean;
  /** A path below the source, which it does not lead out of. */
  subpath?: string;
  /** Owners as the container sees them (`StageMount`). */
  owners?: { uids: string; gids: string };
}

/**
 * Whose files. `process`: those that a running process sees, or a folder of its mount namespace; `folder`: a folder of the host, a volume's; `mount`: an overlay with binds over it, mounted for the one
 * job in a namespace of its own. `helpers` is the folder of berth-helper. Without `upper` what the job puts there (targets of binds) goes to memory and with the job.
 */
export type FilesRoot =
  | { kind: "process"; pid: number; folder?: string }
  | { kind: "folder"; path: string }
  | { kind: "mount"; overlay: OverlayMount; readonly: boolean; binds: BoundPath[]; scratch: string; helpers: string };

/** What one `berth worker files` does. `path` is absolute inside the root; a slash or "/." at its end follows a link there. */
export type FilesJob = { root: FilesRoot } & (
  | { verb: "stat"; path: string }
  /** `mounts`: folders of other file systems that are read too; all others (/proc, /sys) come as empty folders. */
  | {
      verb: "read";
      path: string;
      mounts: string[];
      /** Files, each in a file system of its own, that are left out wherever they are met. */
      secrets: string[];
    }
  | { verb: "export" }
  | {
      verb: "write";
      path: string;
      /** Throws where a folder would take the place of something else, or the reverse. */
      keepDirs: boolean;
      owner?: { uid: number; gid: number };
      /** Destinations that are volumes, for the words of an error. */
      volumes: string[];
    }
);

/** An entry as Docker tells it. `mode` is Go's FileMode, `mtime` RFC 3339 with nanoseconds. */
export interface PathStat {
  name: string;
  size: number;
  mode: number;
  mtime: string;
  /** Where a symbolic link leads in the end, inside the root; else empty. */
  linkTarget: string;
}

/** The one line before a worker's tar, or instead of it. */
export type FilesAnswer =
  | { type: "ready"; stat?: PathStat }
  | { type: "error"; kind: ErrorKind; message: string; code?: string };
