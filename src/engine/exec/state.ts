import type { MonitorHandle } from "../../host/monitor-types.ts";
import type { ResolvedUser } from "../../runtime/types.ts";
import type { Signal } from "../lock.ts";

/** One exec, in memory only: it goes with its container's run or with the daemon. */
export interface Exec {
  id: string;
  containerId: string;
  argv: string[];
  env: string[];
  cwd: string;
  user: ResolvedUser;
  /** As the client asked: for inspect. */
  userText: string;
  tty: boolean;
  privileged: boolean;
  attach: { stdin: boolean; stdout: boolean; stderr: boolean };
  detachKeys: string;
  consoleSize?: { rows: number; cols: number };
  state: "created" | "running" | "exited";
  /** Settles when its process runs, or could not. */
  readonly ready: Signal<void>;
  exitCode?: number;
  handle?: MonitorHandle;
}
