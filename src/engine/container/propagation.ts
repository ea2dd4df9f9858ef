import { readFileSync, realpathSync } from "node:fs";
import { BerthError } from "../../spec/errors.ts";
import type { MountRecord } from "../record.ts";

/**
 * A bind with `shared` or `slave` propagation needs a source on a mount that propagates (mount_namespaces(7)); another one would silently do
 * nothing. Throws `invalid-argument` in Docker's words.
 */
export function checkPropagation(mount: Pick<MountRecord, "type" | "source" | "propagation">): void {
  const kind = /^r?(shared|slave)$/.exec(mount.propagation)?.[1];
  if (mount.type !== "bind" || kind === undefined) return;
  const { point, tags } = mountOf(realpathSync(mount.source));
  const shared = tags.some((tag) => tag.startsWith("shared:"));
  if (shared || (kind === "slave" && tags.some((tag) => tag.startsWith("master:")))) return;
  const wanted = kind === "shared" ? "a shared mount" : "a shared or slave mount";
  throw new BerthError("invalid-argument", `path ${mount.source} is mounted on ${point} but it is not ${wanted}`);
}

/** The mount that a path is on, and its propagation tags (proc_pid_mountinfo(5), fields 5 and 7). */
function mountOf(path: string): { point: string; tags: string[] } {
  let found = { point: "/", tags: [] as string[] };
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const fields = line.split(" ");
    const point = (fields[4] ?? "").replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(parseInt(octal, 8)),
    );
    const covers = point === "/" || path === point || path.startsWith(`${point}/`);
    // Of two mounts on one point the later one is on top.
    if (point === "" || !covers || point.length < found.point.length) continue;
    found = { point, tags: fields.slice(6, fields.indexOf("-")) };
  }
  return found;
}
