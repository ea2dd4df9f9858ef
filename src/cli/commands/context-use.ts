import { command } from "../command.ts";
import { storeCurrentContext } from "../hosts/config-file.ts";
import { storeOf } from "../hosts/edit.ts";
import { checkContextName } from "../hosts/store.ts";

/** `berth context use`. */
export default command({
  usage: "CONTEXT",
  summary: "Set the current docker context",
  args: [1, 1],
  flags: {},
  async run(ctx, { args: [name = ""] }) {
    if (name !== "default") {
      checkContextName(name);
      storeOf(ctx).read(name);
    }
    storeCurrentContext(ctx.config.dir, name);
    ctx.io.out(`${name}\n`);
    ctx.io.err(`Current context is now "${name}"\n`);
    const variable = ["BERTH_HOST", "DOCKER_HOST"].find((key) => ctx.env[key]);
    if (variable !== undefined && name !== "default") {
      const how = `To use "${name}", either set the global --context flag, or unset ${variable} environment variable.`;
      ctx.io.err(`Warning: ${variable} environment variable overrides the active context. ${how}\n`);
    }
    return 0;
  },
});
