import { readFileSync } from "node:fs";
import { BerthError } from "../../spec/errors.ts";

/**
 * A running container's cgroup, `/parent/<id>`, the same in all hierarchies (cgroups(7), /proc/PID/cgroup): also where its first process
 * has moved itself further down, as systemd does. Throws `conflict` where that process has ended.
 */
export function cgroupOf({ id, state: { pid } }: { id: string; state: { pid: number } }): string {
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
  const path = controller?.slice(2).join(":") ?? "/";
  const own = path.indexOf(`/${id}`);
  return own < 0 ? path : path.slice(0, own + id.length + 1);
}
