import { command } from "../command.ts";
import { requireExperimental } from "../experimental.ts";

/** `berth checkpoint create`: for engines with experimental features, which Berth's own has none of. */
export default command({
  usage: "[OPTIONS] CONTAINER CHECKPOINT",
  summary: "Create a checkpoint from a running container",
  since: 25,
  args: [2, 2],
  flags: {
    "checkpoint-dir": { kind: "string", help: "Folder that keeps the checkpoint" },
    "leave-running": { kind: "bool", help: "Let the container run on" },
  },
  async run(ctx, { flags, args: [id = "", name = ""] }) {
    await requireExperimental(ctx, ctx.name);
    const exit = !flags["leave-running"];
    await ctx.engine.containers.checkpoints(id).create({ name, folder: flags["checkpoint-dir"], exit });
    ctx.io.out(`${name}\n`);
    return 0;
  },
});
