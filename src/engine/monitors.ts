import type { MonitorHandle } from "../host/monitor-types.ts";

const SIGKILL = 9;

/** Ends a monitor whatever its state: one whose container has not started is told to leave, another's container is killed. Answers when it has gone. */
export async function endMonitor(handle: MonitorHandle): Promise<void> {
  if (await handle.discard?.()) return;
  await handle.signal(SIGKILL);
  await handle.gone;
}
