import { BerthError } from "../../spec/errors.ts";
import { command } from "../command.ts";
import { forEachName } from "../each.ts";
import { storeCurrentContext } from "../hosts/config-file.ts";
import { currentName, storeOf } from "../hosts/edit.ts";

/** `berth context rm`. */
export default command({
  usage: "CONTEXT [CONTEXT...]",
  summary: "Remove one or more contexts",
  args: [1, Number.POSITIVE_INFINITY],
  flags: { force: { kind: "bool", short: "f", help: "Also the one in use; what is not there is no error" } },
  async run(ctx, { flags, args }) {
    const store = storeOf(ctx);
    return forEachName(ctx, args, async (name) => {
      if (name === "default") throw new BerthError("invalid-argument", `context "default" cannot be removed`);
      if (!flags.force && !store.has(name)) throw new BerthError("not-found", `context "${name}" does not exist`);
      const current = currentName(ctx) === name;
      if (current && !flags.force) {
        throw new BerthError("conflict", `context "${name}" is in use, set -f flag to force remove`);
      }
      if (current && ctx.config.file.currentContext === name) storeCurrentContext(ctx.config.dir, "default");
      store.remove(name);
    });
  },
});
