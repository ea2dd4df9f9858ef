import { command } from "../command.ts";
import { forEachName } from "../each.ts";
import { ExitError } from "../exit.ts";
import type { FlagTable } from "../flags.ts";
import { RESOURCE_FLAGS } from "../options/resource-flags.ts";
import { resourceOptions, restartPolicy } from "../options/resources.ts";

const { memory, cpus } = RESOURCE_FLAGS;
const FLAGS = {
  "blkio-weight": RESOURCE_FLAGS["blkio-weight"],
  "cpu-period": RESOURCE_FLAGS["cpu-period"],
  "cpu-quota": RESOURCE_FLAGS["cpu-quota"],
  "cpu-rt-period": RESOURCE_FLAGS["cpu-rt-period"],
  "cpu-rt-runtime": RESOURCE_FLAGS["cpu-rt-runtime"],
  "cpu-shares": RESOURCE_FLAGS["cpu-shares"],
  cpus: { ...cpus, since: 29 },
  "cpuset-cpus": RESOURCE_FLAGS["cpuset-cpus"],
  "cpuset-mems": RESOURCE_FLAGS["cpuset-mems"],
  "kernel-memory": RESOURCE_FLAGS["kernel-memory"],
  memory,
  "memory-reservation": RESOURCE_FLAGS["memory-reservation"],
  "memory-swap": RESOURCE_FLAGS["memory-swap"],
  "pids-limit": { ...RESOURCE_FLAGS["pids-limit"], since: 40 },
  restart: { kind: "string", help: "Restart policy to apply when it exits" },
} as const satisfies FlagTable;

/** `berth update`: new limits for containers, running or not. */
export default command({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Update configuration of one or more containers",
  args: [1, Number.POSITIVE_INFINITY],
  flags: FLAGS,
  async run(ctx, { flags, given, args }) {
    if (given.size === 0) throw new ExitError(1, "you must provide one or more flags when using this command");
    const none = {
      "blkio-weight-device": [],
      "device-read-bps": [],
      "device-read-iops": [],
      "device-write-bps": [],
      "device-write-iops": [],
      ulimit: [],
    };
    const zeros = {
      "cpu-count": 0,
      "io-maxbandwidth": 0,
      "io-maxiops": 0,
      "cpu-percent": 0,
      "oom-score-adj": 0,
      "shm-size": 0,
      "memory-swappiness": -1,
    };
    const all = resourceOptions({ ...none, ...zeros, "oom-kill-disable": false, cpuset: "", ...flags });
    const changes = Object.fromEntries(
      Object.entries(all).filter(
        ([key, v]) => (typeof v === "number" || typeof v === "string") && v && key !== "MemorySwappiness",
      ),
    );
    const body = { ...changes, ...(flags.restart ? { RestartPolicy: restartPolicy(flags.restart) } : {}) };
    return forEachName(ctx, args, async (id) => {
      const { Warnings } = await ctx.engine.containers.update(id, body);
      for (const warning of Warnings ?? []) ctx.io.err(`${warning}\n`);
    });
  },
});
