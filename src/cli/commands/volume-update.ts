import type { ClusterVolumeSpec } from "../../spec/engine-api.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit.ts";

/** `berth volume update`: for volumes of a cluster, which Berth's own engine has none of. */
export default command({
  usage: "[OPTIONS] [VOLUME]",
  summary: "Update a volume (cluster volumes only)",
  since: 42,
  args: [1, 1],
  flags: {
    availability: {
      kind: "string",
      help: 'Availability of the volume ("active", "pause", "drain")',
      fallback: "active",
    },
  },
  async run(ctx, { flags, given, args: [name = ""] }) {
    const { ClusterVolume } = await ctx.engine.volumes.inspect(name);
    if (!ClusterVolume?.Spec) throw new ExitError(1, "can only update cluster volumes");
    const spec: ClusterVolumeSpec & { Availability?: string } = { ...ClusterVolume.Spec };
    if (given.has("availability")) {
      if (!/^(active|pause|drain)$/.test(flags.availability))
        throw new ExitError(1, `bad availability ${flags.availability}`);
      spec.Availability = flags.availability;
    }
    await ctx.engine.volumes.update(ClusterVolume.ID ?? name, { version: ClusterVolume.Version?.Index ?? 0, spec });
    return 0;
  },
});
