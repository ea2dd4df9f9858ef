import { familiarString, parseReference, withDefaultTag } from "../../spec/reference.ts";
import { command } from "../command.ts";
import { PULL_FLAGS, pullPlugin } from "../plugin-pull.ts";

/** `berth plugin install`. */
export default command({
  usage: "[OPTIONS] PLUGIN [KEY=VALUE...]",
  summary: "Install a plugin",
  since: 25,
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    ...PULL_FLAGS,
    alias: { kind: "string", help: "Local name of the plugin" },
    disable: { kind: "bool", help: "Do not enable it" },
  },
  async run(ctx, { flags, args: [remote = "", ...settings] }) {
    const name = familiarString(withDefaultTag(parseReference(flags.alias || remote)));
    await pullPlugin(ctx, remote, { grantAll: flags["grant-all-permissions"], name });
    if (settings.length > 0) await ctx.engine.plugins.set(name, settings);
    if (!flags.disable) await ctx.engine.plugins.enable(name, 0);
    ctx.io.out(`Installed plugin ${remote}\n`);
    return 0;
  },
});
