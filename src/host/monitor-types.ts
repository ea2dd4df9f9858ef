import type { Duplex } from "node:stream";

/** An overlay mount whose lower layers are short names below `base`, top layer first, so that mount(2)'s one page holds 100+ of them. */
export interface OverlayMount {
  /** Absolute folder that lower names are relative to; the helper changes into it before mount(2). */
  base: string;
  /** Relative to `base`, top layer first. At least one. */
  lower: string[];
  /** Absolute. Absent together with `work`: a read-only mount. */
  upper?: string;
  work?: string;
  /** `upper` need not outlive a crash of the host (a container with AutoRemove, a build step): fsync inside and the unmount then cost nothing. */
  volatile?: boolean;
}

/** A source of a bind mount that a path alone cannot name. The monitor has it as `dir/stage/<index>` before the OCI runtime runs. */
export interface StageMount {
  /** An absolute path of the host, or the layers of an image, read-only. */
  source: string | Pick<OverlayMount, "base" | "lower">;
  /** A relative path below the source. It never leads out of it: links that would are refused. */
  subpath?: string;
  /** What the container mounts below reaches the host, where the source's mount is shared (mount_namespaces(7)). */
  shared?: boolean;
  /** The source without what is mounted below it. */
  alone?: boolean;
  /** Owners of its files as the container sees them, in the kernel's form (`kernelMap`). */
  owners?: { uids: string; gids: string };
  /** A copy of the source, a file, in a file system in memory, which belongs to somebody. */
  secret?: { uid: number; gid: number; mode: number };
}

/** Which OCI runtime to run, and where it keeps its state (`--root`). */
export interface RuntimeBinary {
  path: string;
  root: string;
  /** Further global arguments, before the sub-command. */
  args?: string[];
}

/** The container's log in Docker's json-file format, written by the monitor. Rotated to `path.1`, `path.2`, …, the newest last; a number is never used again. */
export interface LogOptions {
  path: string;
  /** Bytes before rotation; 0: never. */
  maxSize: number;
  /** Files kept in all, at least 1. */
  maxFiles: number;
  /** Rotated files become `path.N.gz`, by a gzip beside the monitor. */
  compress?: boolean;
  /** Bytes that are no UTF-8 are kept: as the lone surrogates U+DC80 to U+DCFF. Else they become U+FFFD, as in Docker's files. */
  raw?: boolean;
  /** What every entry carries. */
  attrs?: Record<string, string>;
}

/** How a container's or exec's first process meets the outside. */
export interface StdioOptions {
  tty: boolean;
  /** Stdin is a pipe (or the pty) that attached clients may write to; else /dev/null. */
  stdin: boolean;
  /** Stdin is closed when the first attached client's stdin ends. */
  stdinOnce: boolean;
  /** Initial terminal size. */
  rows?: number;
  cols?: number;
}

/** What `berth-helper monitor` is told. Everything it makes is in `dir`. */
export interface MonitorOptions {
  id: string;
  /** An existing folder `<exec-root>/containers/<id>` with the bundle's config.json (root.path = "rootfs"). */
  dir: string;
  runtime: RuntimeBinary;
  /** Mounted on `dir/rootfs` inside the monitor's own mount namespace. */
  rootfs: OverlayMount;
  stages?: StageMount[];
  stdio: StdioOptions;
  /** Absent: nothing is logged. */
  log?: LogOptions;
  /** cgroupsPath of config.json, e.g. `/berth/<id>`: read for OOM kills before the cgroup goes. */
  cgroup: string;
}

/** What `berth-helper exec` is told: one process inside a running container. */
export interface ExecOptions {
  id: string;
  containerId: string;
  /** An existing folder with `process.json` (OCI runtime-spec `process`). */
  dir: string;
  runtime: RuntimeBinary;
  stdio: StdioOptions;
  /** The container's monitor, whose mount namespace the exec joins. */
  monitorPid: number;
}

/** How a process ended. Times in milliseconds since 1970. */
export interface ExitStatus {
  /** 0-255; 128+n where a signal ended it. */
  code: number;
  signal?: number;
  oomKilled: boolean;
  startedAt: number;
  finishedAt: number;
  /** The runtime's message where the process never started. */
  error?: string;
}

/** Which streams an attach wants. */
export interface AttachStreams {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

/**
 * A live monitor or exec helper, over its control connection. Life cycle: `launch` (mounts made, sockets listen, nothing
 * runs) → `attach` any number of times → `start` → `exited` → `gone`. A daemon that restarts gets the same handle
 * from `reconnect`. Losing the connection without an exit message resolves `exited` from the exit file, or with code 255
 * and `error` where there is none.
 */
export interface MonitorHandle {
  /** The helper's own pid. */
  readonly monitorPid: number;
  /** The container's first process; 0 before `start`. */
  readonly pid: number;
  /** When that process began to run, in milliseconds since 1970; 0 before `start`. */
  readonly startedAt: number;
  /** Runs the OCI runtime. Rejects with a BerthError that carries the runtime's own message, after which the helper has cleaned up and gone. */
  start(): Promise<{ pid: number; startedAt: number }>;
  /** A raw stream: frames of Docker's 8-byte stdcopy header without tty, plain bytes with tty. Ending the write side is stdin's end. */
  attach(streams: AttachStreams): Promise<Duplex>;
  /** Sends a signal to the first process; the helper is its parent, so the pid cannot have been reused. False where it has ended. */
  signal(signal: number): Promise<boolean>;
  resize(rows: number, cols: number): Promise<void>;
  readonly exited: Promise<ExitStatus>;
  /** Called each time that the memory of the running container runs out. */
  oom?: () => void;
  /** The helper has removed the runtime's state, the cgroup and its mounts, and ended. */
  readonly gone: Promise<void>;
  /** Ends a helper whose container has not started; one whose OCI runtime is at work kills that. False where it has started. Resolves after `gone`. */
  discard?(): Promise<boolean>;
  /** Closes this side only; the helper and its container go on. */
  disconnect(): void;
}
