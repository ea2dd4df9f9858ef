import { existsSync, readFileSync } from "node:fs";
import { CDI_DIRS } from "./cdi.ts";
import { parseLimits } from "./limits.ts";
import type { HostFacts } from "./spec.ts";

const CAP_SYS_RESOURCE = 24n;

/** Reads what this process may do and has from /proc/self. `cgroupParent` is the daemon's setting. */
export function hostFacts(cgroupParent: string, cdiDirs: readonly string[] = CDI_DIRS): HostFacts {
  const status = readFileSync("/proc/self/status", "utf8");
  const held = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  return {
    held,
    limits: {
      hard: parseLimits(readFileSync("/proc/self/limits", "utf8")),
      canRaise: ((held >> CAP_SYS_RESOURCE) & 1n) === 1n,
    },
    cgroupParent,
    cdiDirs,
    seccomp: existsSync("/proc/sys/kernel/seccomp/actions_avail"),
    apparmor: readText("/sys/module/apparmor/parameters/enabled").startsWith("Y"),
    oomScoreAdj: Number(readFileSync("/proc/self/oom_score_adj", "utf8")),
  };
}

function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
