import type { MonitorHandle } from "../../host/monitor-types.ts";
import type { ResolvedUser } from "../../runtime/types.ts";

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
  exitCode?: number;
  handle?: MonitorHandle;
}
