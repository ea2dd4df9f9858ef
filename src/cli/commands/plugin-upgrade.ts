import { familiarString, parseReference, withDefaultTag } from "../../spec/reference.ts";
import { command } from "../command.ts";
import { errorLine } from "../each.ts";
import { ExitError } from "../exit.ts";
import { PULL_FLAGS, pullPlugin } from "../plugin-pull.ts";
import { confirm } from "../prune.ts";

/** `berth plugin upgrade PLUGIN [REMOTE]`. */
export default command({
  usage: "[OPTIONS] PLUGIN [REMOTE]",
  summary: "Upgrade an existing plugin",
  since: 26,
  args: [1, 2],
  flags: {
    ...PULL_FLAGS,
    "skip-remote-check": { kind: "bool", help: "Do not compare the names of old and new" },
  },
  async run(ctx, { flags, args: [name = "", given] }) {
    const plugin = await ctx.engine.plugins.inspect(name).catch((error: unknown) => {
      throw new ExitError(1, `error reading plugin data: ${errorLine(error)}`);
    });
    if (plugin.Enabled) throw new ExitError(1, "the plugin must be disabled before upgrading");
    const old = familiarString(withDefaultTag(parseReference(plugin.PluginReference ?? name)));
    const remote = familiarString(withDefaultTag(parseReference(given ?? old)));
    ctx.io.out(`Upgrading plugin ${plugin.Name} from ${old} to ${remote}\n`);
    const differ = remote !== old && !flags["skip-remote-check"];
    if (differ && !(await confirm(ctx, "", false, "Plugin images do not match, are you sure?"))) {
      throw new ExitError(1, "canceling upgrade request");
    }
    await pullPlugin(ctx, remote, { grantAll: flags["grant-all-permissions"], upgrade: name });
    ctx.io.out(`Upgraded plugin ${name} to ${remote}\n`);
    return 0;
  },
});
