import { command } from "../command.ts";
import { openInput } from "../files.ts";

/** `berth volume import VOLUME [FILE|-]`. */
export default command({
  usage: "[OPTIONS] VOLUME [FILE|-]",
  summary: "Import a tar archive, compressed or not, into a new or an empty volume (Berth only)",
  args: [1, 2],
  flags: { merge: { kind: "bool", help: "Unpack over what is there already" } },
  async run(ctx, { flags, args: [name = "", file = "-"] }) {
    const volume = await ctx.engine.volumes.import(name, { merge: flags.merge }, openInput(ctx, file));
    ctx.io.out(`${volume.Name}\n`);
    return 0;
  },
});
