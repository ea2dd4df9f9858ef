import type { Template } from "./execute.ts";
import { goStruct } from "./go-values.ts";
import { isRecord } from "./values.ts";

/** Which of Docker's structs an answer is, by a member that only it has. */
const KINDS: [member: string, struct: string][] = [
  ["HostConfig", "container.InspectResponse"],
  ["RootFS", "image.InspectResponse"],
  ["IPAM", "network.Inspect"],
  ["Mountpoint", "volume.Volume"],
];

/**
 * A template's text for what `inspect` got. As Docker: first on the Go struct, where no field is missing, then, unless
 * `structOnly`, on the bare answer, whose error tells.
 */
export function inspected(template: Template, item: unknown, structOnly = false): string {
  const kind = isRecord(item) ? KINDS.find(([member]) => Object.hasOwn(item, member)) : undefined;
  if (kind && isRecord(item)) {
    try {
      return template.execute(goStruct(kind[1], item), "key");
    } catch (error) {
      // The bare answer may have what the struct has not.
      if (structOnly) throw error;
    }
  }
  return template.execute(item);
}
