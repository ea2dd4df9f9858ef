import type { HostConfig } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import type { Process } from "../spec/runtime-spec.ts";

type Rlimit = NonNullable<Process["rlimits"]>[number];

/** The limits that can be set (getrlimit(2)), as Docker names them. */
export const ULIMIT_NAMES: ReadonlySet<string> = new Set(
  "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" "),
);

/** What this engine may raise. Hard limits of /proc/self/limits by lower-case name; absent: unlimited. */
export interface OwnLimits {
  hard: ReadonlyMap<string, number>;
  canRaise: boolean;
}

/**
 * HostConfig.Ulimits in the OCI runtime's terms. A hard limit above the engine's own is cut down to it where the engine lacks
 * CAP_SYS_RESOURCE: the kernel would refuse it and the container would not start.
 */
export function rlimits(host: HostConfig, own: OwnLimits): Rlimit[] {
  return (host.Ulimits ?? []).map((u) => {
    const name = (u.Name ?? "").toLowerCase();
    if (!ULIMIT_NAMES.has(name)) throw new BerthError("invalid-argument", `invalid ulimit type: ${name.slice(0, 40)}`);
    const most = own.canRaise ? undefined : own.hard.get(name);
    const cut = (value: number): number => (most !== undefined && (value < 0 || value > most) ? most : value);
    return {
      type: `RLIMIT_${name.toUpperCase()}`,
      soft: unsigned(cut(u.Soft ?? 0)),
      hard: unsigned(cut(u.Hard ?? u.Soft ?? 0)),
    };
  });
}

/** RLIM_INFINITY does not fit into a JSON number: the largest value that both sides read alike stands for it. */
function unsigned(value: number): number {
  return value < 0 ? Number.MAX_SAFE_INTEGER : value;
}

/** Reads /proc/self/limits (proc_pid_limits(5)). */
export function parseLimits(text: string): Map<string, number> {
  const ROWS: Record<string, string> = {
    "Max open files": "nofile",
    "Max processes": "nproc",
    "Max locked memory": "memlock",
    "Max stack size": "stack",
    "Max core file size": "core",
    "Max pending signals": "sigpending",
    "Max file size": "fsize",
    "Max msgqueue size": "msgqueue",
  };
  const found = new Map<string, number>();
  for (const line of text.split("\n")) {
    const row = /^(Max [a-z ]+?)\s{2,}(\S+)\s+(\S+)/.exec(line);
    const name = row?.[1] === undefined ? undefined : ROWS[row[1]];
    if (name !== undefined && row?.[3] !== undefined && row[3] !== "unlimited") found.set(name, Number(row[3]));
  }
  return found;
}
