import { command } from "../command.ts";
import { requireExperimental } from "../experimental.ts";
import { alignTable } from "../format/table.ts";

/** `berth checkpoint ls`. */
export default command({
  usage: "[OPTIONS] CONTAINER",
  summary: "List checkpoints for a container",
  since: 25,
  args: [1, 1],
  flags: { "checkpoint-dir": { kind: "string", help: "Folder that keeps the checkpoints" } },
  async run(ctx, { flags, args: [id = ""] }) {
    await requireExperimental(ctx, ctx.name);
    const found = await ctx.engine.containers.checkpoints(id).list(flags["checkpoint-dir"]);
    ctx.io.out(alignTable([["CHECKPOINT NAME"], ...found.map((name) => [name])], { minWidth: 20 }));
    return 0;
  },
});
