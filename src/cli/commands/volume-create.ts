import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { pairs } from "../options/env.ts";

/** `berth volume create [NAME]`. */
export default command({
  usage: "[OPTIONS] [VOLUME]",
  summary: "Create a volume",
  args: [0, 1],
  flags: {
    driver: { kind: "string", short: "d", help: "Driver of the volume", fallback: "local" },
    label: { kind: "list", help: "Set a label" },
    name: { kind: "string", help: "Name of the volume", hidden: true },
    opt: { kind: "list", short: "o", type: "map", help: "Option of the driver" },
  },
  async run(ctx, { flags, args: [name = ""] }) {
    if (name && flags.name)
      throw new ExitError(
        1,
        "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
      );
    const volume = await ctx.engine.volumes.create({
      Name: name || flags.name,
      Driver: flags.driver,
      DriverOpts: pairs(flags.opt),
      Labels: pairs(flags.label),
    });
    ctx.io.out(`${volume.Name}\n`);
    return 0;
  },
});
