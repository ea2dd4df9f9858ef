import { command } from "../command.ts";
import { ExitError } from "../exit.ts";

/** `berth plugin enable`. */
export default command({
  usage: "[OPTIONS] PLUGIN",
  summary: "Enable a plugin",
  since: 25,
  args: [1, 1],
  flags: { timeout: { kind: "int", help: "Seconds to wait for the plugin's answers", fallback: 30 } },
  async run(ctx, { flags, args: [name = ""] }) {
    if (flags.timeout < 0) throw new ExitError(1, `negative timeout ${flags.timeout} is invalid`);
    await ctx.engine.plugins.enable(name, flags.timeout);
    ctx.io.out(`${name}\n`);
    return 0;
  },
});
