import type { ExitStatus } from "../host/monitor-types.ts";
import type { ChainId } from "../layer/types.ts";
import type { Digest } from "../spec/digest.ts";
import type { ContainerConfig, EndpointSettings, HostConfig } from "../spec/engine-api.ts";
import type { IdMap } from "../spec/id-map.ts";

/** Where a container is in its life. */
export type Status = "created" | "running" | "restarting" | "exited";

/** The changing part of a container. Times in milliseconds since 1970, 0: never. */
export interface StateRecord {
  status: Status;
  pid: number;
  /** Its processes are frozen; absent: they are not. Start-up asks the kernel, not this. */
  paused?: boolean;
  exitCode: number;
  oomKilled: boolean;
  /** Why the last start failed, in the words that its client saw. */
  error: string;
  startedAt: number;
  finishedAt: number;
  restartCount: number;
  /** A person stopped it: restart policies leave it alone until it is started again. */
  manualStop: boolean;
}

/** One mount point of a container, decided at create. */
export interface MountRecord {
  type: "bind" | "volume" | "tmpfs" | "image" | "secret";
  /** Absolute host folder or file; empty for tmpfs; of a secret the copy that the container keeps; for an image the folder of its topmost layer. */
  source: string;
  destination: string;
  /** Of a volume: whose plugin it is. Absent: it is ours. */
  driver?: string;
  /** Volume's name, or the image as the person wrote it. */
  name?: string;
  /** An image and its layers. */
  image?: Digest;
  top?: ChainId;
  /** A path below the source; links in it do not lead out of the source. */
  subpath?: string;
  /** As the person wrote it, `ro`, `z`, …; for inspect. */
  mode: string;
  rw: boolean;
  propagation: string;
  /** Bind the folder alone, without what is mounted below it. */
  nonRecursive?: boolean;
  /** Of a read-only one: leave what is mounted below writable. */
  submountsWritable?: boolean;
  /** Whose files on the host are whose in the container. Absent: each id is itself. */
  map?: IdMap;
  /** A bind whose source is not made where it is missing. */
  mustExist?: boolean;
  /** Whose a secret is; the container's user's where nobody is named. */
  secret?: { uid?: number; gid?: number; mode: number };
  /** Options of a tmpfs, `size=…`. */
  options?: string[];
}

/**
 * A container as the records keep it.
 *
 * created ─start→ running ─exit→ exited ─start→ running …
 * running ─pause→ running, paused ─unpause, signal→ running
 *                    └─exit, by policy→ restarting ─delay→ running
 * any but running ─remove→ (no record)
 *
 * What a kill of the daemon leaves, and what `reconcile` makes of it:
 * - before the record of create: a folder without a record; it is removed.
 * - between launch and the record of start: a monitor whose record says created or exited; where its process runs it is adopted,
 *   where it does not, the monitor is ended.
 * - while running: the monitor runs on; its handle is taken up again, or its exit file is read.
 * - between launch and the record of start, with an exit in between: the exit file is newer than the record; the exit is recorded.
 * - between exit and its record: the exit file is still there, since it goes after the record; the exit is handled again.
 * - between freezing or thawing and its record: the kernel tells which of them it is.
 * - in a removal: `removeVolumes` first says whether its anonymous volumes go too, then the folder is renamed into `tmp`, then the record goes. A
 *   record without a folder is a removal to finish.
 * AutoRemove containers have no record of their start, health and exit: created ─→ (no record) in one step, the rest is in memory and found again as above.
 */
export interface ContainerRecord {
  id: string;
  /** Without slash. */
  name: string;
  created: number;
  /** Order of creation, for equal times. */
  sequence: number;
  image: Digest;
  /** The image as the person wrote it. */
  imageName: string;
  top?: ChainId;
  /** The image's and the person's configuration merged. */
  config: ContainerConfig;
  hostConfig: HostConfig;
  /** The networks that it is on whenever it runs, by name, with what it asks of each. Absent: its mode's, and nothing asked. */
  networks?: Record<string, EndpointWanted>;
  /** Entrypoint and Cmd joined. */
  argv: string[];
  mounts: MountRecord[];
  state: StateRecord;
  /** A removal has begun that takes its anonymous volumes too. */
  removeVolumes?: boolean;
  /** The health checks of the run that began at `state.startedAt`, or of the last one. */
  health?: HealthRecord;
}

/** What a container asks of one network, in the API's words. */
export type EndpointWanted = Pick<
  EndpointSettings,
  "IPAMConfig" | "Links" | "Aliases" | "MacAddress" | "DriverOpts" | "GwPriority"
>;

/** What the health checks of one run have found, in Docker's shape. The last five checks are kept. */
export interface HealthRecord {
  status: "starting" | "healthy" | "unhealthy";
  failingStreak: number;
  log: { Start: string; End: string; ExitCode: number; Output: string }[];
}

/** The layers that a container needs: its own image's and those of the images that it mounts. */
export function layersOf({ top, mounts }: ContainerRecord): ChainId[] {
  return [top, ...mounts.map((mount) => mount.top)].filter((chain) => chain !== undefined);
}

/** The state of a container that was never started. */
export function freshState(): StateRecord {
  return {
    status: "created",
    pid: 0,
    exitCode: 0,
    oomKilled: false,
    error: "",
    startedAt: 0,
    finishedAt: 0,
    restartCount: 0,
    manualStop: false,
  };
}

/** It runs now. `byPolicy`: the restart policy started it, which keeps the count of restarts. */
export function afterStart(
  state: StateRecord,
  run: { pid: number; startedAt: number; byPolicy: boolean },
): StateRecord {
  return {
    ...state,
    status: "running",
    pid: run.pid,
    paused: false,
    exitCode: 0,
    oomKilled: false,
    error: "",
    startedAt: run.startedAt,
    restartCount: run.byPolicy ? state.restartCount : 0,
    manualStop: false,
  };
}

/** Its process has ended. */
export function afterExit(state: StateRecord, exit: ExitStatus): StateRecord {
  return {
    ...state,
    status: "exited",
    pid: 0,
    paused: false,
    exitCode: exit.code,
    oomKilled: exit.oomKilled,
    error: exit.error ?? "",
    startedAt: exit.startedAt || state.startedAt,
    finishedAt: exit.finishedAt,
  };
}

/** It could not be started. A container that ran before is exited again, a new one stays created. */
export function afterFailedStart(state: StateRecord, failure: { code: number; error: string }): StateRecord {
  return {
    ...state,
    status: state.startedAt ? "exited" : "created",
    pid: 0,
    exitCode: failure.code,
    error: failure.error,
  };
}

/** The restart policy will start it again after a delay. */
export function awaitingRestart(state: StateRecord): StateRecord {
  return { ...state, status: "restarting", pid: 0, restartCount: state.restartCount + 1 };
}
