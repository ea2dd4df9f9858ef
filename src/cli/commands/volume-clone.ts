import { command } from "../command.ts";
import { pairs } from "../options/env.ts";

/** `berth volume clone VOLUME NEW_VOLUME`. */
export default command({
  usage: "[OPTIONS] VOLUME NEW_VOLUME",
  summary: "Make a new volume with the content of another (Berth only)",
  args: [2, 2],
  flags: { label: { kind: "list", help: "Set a label, besides those of the volume" } },
  async run(ctx, { flags, args: [name = "", to = ""] }) {
    const volume = await ctx.engine.volumes.clone(name, to, pairs(flags.label));
    ctx.io.out(`${volume.Name}\n`);
    return 0;
  },
});
