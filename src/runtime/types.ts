import type { ExitStatus, LogOptions, MonitorHandle, OverlayMount, StageMount } from "../host/monitor-types.ts";
import type { ContainerConfig, HostConfig } from "../spec/engine-api.ts";
import type { Mount } from "../spec/runtime-spec.ts";

/** A user of the container, resolved against its own /etc/passwd and /etc/group. */
export interface ResolvedUser {
  uid: number;
  gid: number;
  additionalGids: number[];
  home: string;
}

/** All that is needed to write a bundle and run it. Paths are absolute. */
export interface LaunchRequest {
  id: string;
  config: ContainerConfig;
  hostConfig: HostConfig;
  /** Entrypoint and Cmd joined, at least one word. */
  args: string[];
  /** The final environment: image's, then the container's, PATH, HOSTNAME, HOME and TERM filled in. */
  env: string[];
  cwd: string;
  user: ResolvedUser;
  hostname: string;
  rootfs: OverlayMount;
  /** Binds, volumes, and the generated /etc/hosts, hostname, resolv.conf; sorted by destination. */
  mounts: Mount[];
  /** Sources that the monitor makes; a mount whose source is `stage/<index>` has it. */
  stages?: StageMount[];
  /** Network namespace to join; undefined: the host's. */
  netns?: string;
  /** Namespaces of other containers to join, by path, and the id of the one whose /dev/shm it shares. */
  joins?: { pid?: string; ipc?: string; network?: string; shmOf?: string };
  log?: LogOptions;
  /** Name of a registered runtime; undefined: the default one. */
  runtime?: string;
  consoleSize?: { rows: number; cols: number };
}

/** A process to run in a running container. */
export interface ExecRequest {
  id: string;
  containerId: string;
  monitorPid: number;
  args: string[];
  env: string[];
  cwd: string;
  user: ResolvedUser;
  tty: boolean;
  stdin: boolean;
  privileged: boolean;
  /** The container's own settings, for its capabilities. */
  hostConfig: HostConfig;
  runtime?: string;
  consoleSize?: { rows: number; cols: number };
}

/** Prepared bundle → process. Knows no images and no networks. */
export interface RuntimeService {
  /** Writes the bundle and launches the monitor; the container runs after `handle.start()`. */
  launch(request: LaunchRequest): Promise<MonitorHandle>;
  exec(request: ExecRequest): Promise<MonitorHandle>;
  /** The handle of a container that a former daemon launched; undefined where its monitor has ended. */
  reconnect(containerId: string): Promise<MonitorHandle | undefined>;
  /** What an ended monitor left: its exit file. */
  exitStatus(containerId: string): ExitStatus | undefined;
  /** Removes the state folder of an ended container (and of its execs). Also puts right what a killed monitor left: cgroup, runtime state, processes. Repeatable. */
  cleanup(containerId: string): Promise<void>;
  /** Ids that have a state folder. */
  known(): string[];
  /** For `info`: registered runtimes, name → path, and where CDI devices are looked for. */
  runtimes(): {
    default: string;
    all: Record<string, { path: string }>;
    warnings: string[];
    cdiDirs: readonly string[];
  };
  /** Throws `invalid-argument` for an unknown runtime name. */
  checkRuntime(name: string): void;
}
