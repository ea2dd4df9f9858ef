import { join } from "node:path";
import { readIfThere } from "./files.ts";
import type { ExitStatus } from "./monitor-types.ts";
import { startTime } from "./proc.ts";
import { runtimeMessage, startFailureCode } from "./runtime-errors.ts";

/** What the helper in `dir` left in its exit file, or undefined where it has not come to that. */
export function readExit(dir: string): ExitStatus | undefined {
  const [numbers = "", ...rest] = (readIfThere(join(dir, "exit")) ?? "").trimEnd().split("\n");
  const [code, signal, oom, startedAt, finishedAt] = numbers.split(" ").map(Number);
  if (code === undefined || finishedAt === undefined) return undefined;
  const error = rest.length > 0 ? runtimeMessage(rest.join("\n")) : undefined;
  return {
    code: error === undefined ? code : startFailureCode(error),
    ...(signal ? { signal } : {}),
    oomKilled: oom === 1,
    startedAt: startedAt ?? 0,
    finishedAt,
    ...(error === undefined ? {} : { error }),
  };
}

/**
 * The first process of `dir`'s container where it still lives: pid and start time agree. With no helper there (`reconnectMonitor` gives undefined)
 * it is what a killed helper left behind, to be killed by the caller.
 */
export function readPid(dir: string): number | undefined {
  const [pid = 0, ticks = 0] = (readIfThere(join(dir, "pid")) ?? "").split(" ").map(Number);
  return pid > 1 && startTime(pid) === ticks ? pid : undefined;
}
