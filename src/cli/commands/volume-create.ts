import type { ClusterVolumeSpec } from "../../spec/engine-api.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import type { FlagTable, FlagValues } from "../flags.ts";
import { pairs } from "../options/env.ts";

/** Volumes of a cluster, which Berth's engine refuses. */
const CLUSTER_FLAGS = {
  availability: { since: 42, kind: "string", help: "For clusters only", fallback: "active", hidden: true },
  group: { since: 42, kind: "string", help: "For clusters only", hidden: true },
  "limit-bytes": { since: 42, kind: "bytes", help: "For clusters only", hidden: true },
  "required-bytes": { since: 42, kind: "bytes", help: "For clusters only", hidden: true },
  scope: { since: 42, kind: "string", help: "For clusters only", fallback: "single", hidden: true },
  secret: { since: 42, kind: "list", type: "map", help: "For clusters only", hidden: true },
  sharing: { since: 42, kind: "string", help: "For clusters only", fallback: "none", hidden: true },
  "topology-preferred": { since: 42, kind: "list", help: "For clusters only", hidden: true },
  "topology-required": { since: 42, kind: "list", help: "For clusters only", hidden: true },
  type: { since: 42, kind: "string", help: "For clusters only", fallback: "block", hidden: true },
} as const satisfies FlagTable;

/** `berth volume create [NAME]`. */
export default command({
  usage: "[OPTIONS] [VOLUME]",
  summary: "Create a volume",
  args: [0, 1],
  flags: {
    ...CLUSTER_FLAGS,
    driver: { kind: "string", short: "d", help: "Driver of the volume", fallback: "local" },
    label: { kind: "list", help: "Set a label" },
    name: { kind: "string", help: "Name of the volume", hidden: true },
    opt: { kind: "list", short: "o", type: "map", help: "Option of the driver" },
  },
  async run(ctx, { flags, given, args: [name = ""] }) {
    if (name && flags.name)
      throw new ExitError(
        1,
        "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
      );
    const volume = await ctx.engine.volumes.create({
      Name: name || flags.name,
      Driver: flags.driver,
      ...(flags.opt.length > 0 ? { DriverOpts: pairs(flags.opt) } : {}),
      ...(flags.label.length > 0 ? { Labels: pairs(flags.label) } : {}),
      ...(Object.keys(CLUSTER_FLAGS).some((name) => given.has(name)) ? { ClusterVolumeSpec: clusterSpec(flags) } : {}),
    });
    ctx.io.out(`${volume.Name}\n`);
    return 0;
  },
});

type ClusterFlags = FlagValues<typeof CLUSTER_FLAGS>;

/** As Docker sends it; what it means is a swarm's. */
function clusterSpec(flags: ClusterFlags): ClusterVolumeSpec & { Availability: string } {
  const segments = (texts: readonly string[]) =>
    texts.map((text) => ({ Segments: Object.fromEntries(text.split(",").map(keyAndValue)) }));
  const spec = {
    Group: flags.group,
    AccessMode: {
      Scope: flags.scope as "single",
      Sharing: flags.sharing as "none",
      ...(flags.type === "mount" ? { MountVolume: {} } : { BlockVolume: {} }),
    },
    AccessibilityRequirements: {
      Requisite: segments(flags["topology-required"]),
      Preferred: segments(flags["topology-preferred"]),
    },
    CapacityRange: { RequiredBytes: flags["required-bytes"], LimitBytes: flags["limit-bytes"] },
    Secrets: Object.entries(pairs(flags.secret)).map(([Key, Secret]) => ({ Key, Secret })),
    Availability: flags.availability,
  };
  return spec as ClusterVolumeSpec & { Availability: string };
}

const keyAndValue = (text: string): [string, string] => {
  const [key = "", ...value] = text.split("=");
  return [key, value.join("=")];
};
