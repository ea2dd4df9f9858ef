import { join } from "node:path";
import { type RunOutcome, run } from "../../src/host/spawn.ts";

const BERTH = join(import.meta.dir, "../../dist/berth");

/** Runs a script, with berth as `$B`, as on a machine where no Berth has ever run: /run, /var/lib/berth and the network are its own. */
export function onFreshMachine(script: string): Promise<RunOutcome> {
  const setUp = `mount -t tmpfs tmpfs /run && mkdir -p /var/lib/berth && mount -t tmpfs tmpfs /var/lib/berth && ip link set lo up && mkdir -p /run/netns`;
  return run(["unshare", "-m", "-n", "sh", "-c", `${setUp}; export B=${BERTH}; ${script}`], {
    env: { PATH: process.env["PATH"] ?? "" },
  });
}

/** The end of a script that has started a daemon: it leaves, and is waited for. */
export const LEAVE =
  "kill $(cat /var/lib/berth/daemon.lock) && while [ -S /run/berth/berth.sock ]; do sleep 0.05; done";
