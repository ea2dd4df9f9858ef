import { readdirSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "../host/files.ts";
import { reconnectMonitor } from "../host/monitor.ts";
import { errnoOf } from "../spec/errors.ts";

/**
 * The execs that a killed daemon left in a container's state folder. Those that run go on, unseen, and their folder goes with them; those that were
 * launched and never started are ended. Repeatable.
 */
export async function settleExecs(stateDir: string): Promise<void> {
  await Promise.all(namesIn(join(stateDir, "exec")).map((name) => settle(join(stateDir, "exec", name))));
}

async function settle(dir: string): Promise<void> {
  const handle = await reconnectMonitor(dir);
  if (handle && handle.pid > 0) return void handle.gone.then(() => removeTree(dir));
  if (handle) await handle.discard?.();
  removeTree(dir);
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
