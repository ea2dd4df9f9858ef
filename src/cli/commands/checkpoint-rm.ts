import { command } from "../command.ts";
import { requireExperimental } from "../experimental.ts";

/** `berth checkpoint rm`. */
export default command({
  usage: "[OPTIONS] CONTAINER CHECKPOINT",
  summary: "Remove a checkpoint",
  since: 25,
  args: [2, 2],
  flags: { "checkpoint-dir": { kind: "string", help: "Folder that keeps the checkpoint" } },
  async run(ctx, { flags, args: [id = "", name = ""] }) {
    await requireExperimental(ctx, ctx.name);
    await ctx.engine.containers.checkpoints(id).remove(name, flags["checkpoint-dir"]);
    return 0;
  },
});
