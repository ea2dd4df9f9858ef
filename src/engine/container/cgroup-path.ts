import { readFileSync } from "node:fs";
import { BerthError } from "../../spec/errors.ts";

/** The cgroup of a container's first process, `/parent/<id>`, the same in all hierarchies (cgroups(7), /proc/PID/cgroup). Throws `conflict` where it has ended. */
export function cgroupOf(pid: number): string {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/cgroup`, "utf8");
  } catch (error) {
    throw new BerthError("conflict", "the container has just ended", { cause: error });
  }
  const rows = text
    .trim()
    .split("\n")
    .map((line) => line.split(":"));
  const controller = rows.find((row) => row[1]?.split(",").includes("memory")) ?? rows.find((row) => row[0] === "0");
  return controller?.slice(2).join(":") ?? "/";
}
