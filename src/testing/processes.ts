import { existsSync, readFileSync } from "node:fs";

/** A zombie that the test machine's init has yet to reap does not run. */
export function isRunning(pid: number): boolean {
  const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, "latin1") : "";
  return stat !== "" && !/\) [ZX] /.test(stat);
}

/** The pid of the monitor that a container's first process belongs to. Right after the start its parent may still be the OCI runtime, which is about to end. */
export async function monitorOf(pid: number): Promise<number> {
  for (;;) {
    const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    const command =
      parent && existsSync(`/proc/${parent}/cmdline`) ? readFileSync(`/proc/${parent}/cmdline`, "latin1") : "";
    if (command.split("\0")[1] === "monitor") return Number(parent);
    await new Promise((done) => setTimeout(done, 2));
  }
}
