import type { RestartPolicy } from "../spec/engine-api.ts";
import type { StateRecord } from "./record.ts";

const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 60_000;
/** A run of at least this long counts as a good one: delays begin anew. */
const GOOD_RUN_MS = 10_000;

/** Whether a container in this state is to be started again. */
export function shouldRestart(policy: RestartPolicy | undefined, state: StateRecord): boolean {
  if (state.manualStop) return false;
  switch (policy?.Name) {
    case "always":
    case "unless-stopped":
      return true;
    case "on-failure": {
      const most = policy.MaximumRetryCount ?? 0;
      return state.exitCode !== 0 && (most === 0 || state.restartCount < most);
    }
    default:
      return false;
  }
}

/** Whether a container that does not run is started when the daemon starts. `always` starts even what was stopped by hand. */
export function startsWithDaemon(policy: RestartPolicy | undefined, state: StateRecord): boolean {
  if (state.startedAt === 0) return false;
  if (policy?.Name === "always") return true;
  return shouldRestart(policy, state) && (policy?.Name !== "on-failure" || state.status === "restarting");
}

/** Milliseconds to wait: 100, then doubled each time up to a minute; 100 again after a run of ten seconds. */
export function restartDelay(last: number, ranMs: number): number {
  if (last === 0 || ranMs >= GOOD_RUN_MS) return FIRST_DELAY_MS;
  return Math.min(last * 2, LAST_DELAY_MS);
}
