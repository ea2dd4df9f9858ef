import type { PluginPrivilege } from "../spec/engine-api.ts";
import { familiarString, parseReference, withDefaultTag } from "../spec/reference.ts";
import type { Context } from "./context.ts";
import { registryAuth } from "./credentials/credentials.ts";
import { ExitError } from "./exit.ts";
import { showProgress } from "./progress.ts";
import { confirm } from "./prune.ts";

/** Flags that `plugin install` and `plugin upgrade` share. */
export const PULL_FLAGS = {
  "disable-content-trust": { kind: "bool", help: "Taken for compatibility", fallback: true },
  "grant-all-permissions": { kind: "bool", help: "Grant what the plugin asks for without a question" },
} as const;

/** Fetches a plugin, after the person has granted what it asks for. `upgrade` is the installed plugin to replace. */
export async function pullPlugin(
  ctx: Context,
  remote: string,
  options: { grantAll: boolean; name?: string; upgrade?: string },
): Promise<void> {
  const ref = withDefaultTag(parseReference(remote));
  const shown = familiarString(ref);
  const auth = await registryAuth(ctx, ref.domain);
  const privileges = (await ctx.engine.plugins.privileges(shown, auth)) ?? [];
  if (privileges.length > 0 && !(await confirm(ctx, request(shown, privileges), options.grantAll, GRANT))) {
    throw new ExitError(1, `permission denied while installing plugin ${shown}`);
  }
  const lines = ctx.engine.plugins.pull(
    { remote: shown, name: options.name },
    { privileges, auth, ...(options.upgrade === undefined ? {} : { upgrade: options.upgrade }) },
  );
  await showProgress(ctx, lines, {});
}

const GRANT = "Do you grant the above permissions?";

function request(name: string, privileges: readonly PluginPrivilege[]): string {
  const lines = privileges.map((p) => ` - ${p.Name}: [${(p.Value ?? []).join(" ")}]`);
  return `Plugin "${name}" is requesting the following privileges:\n${lines.join("\n")}`;
}
